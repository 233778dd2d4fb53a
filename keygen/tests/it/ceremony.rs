//! The ceremony: files and their modes, refusals, and bytes that do not depend on the order of anything.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use alloy::primitives::{Address, U256};
use aurum_types::{ChainSpec, genesis_accounts, spec::ValidatorsSpec};
use keygen::{
    Authority, AuthorityFolder, Grant, InitRequest, KeygenError, Rights, Secret, create_account, create_authority,
    find_key, init, inspect, keystores, read_authorities, read_node_key, read_password, shared_files,
    spec::{self, Fund, GasPrice, SpecRequest, ValidatorsKind},
    unlock, write_shared,
};
use proptest::prelude::*;
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn authority(folder: &Path, name: &str, port: u16) -> Authority {
    create_authority(&folder.join(name), name, format!("127.0.0.1:{port}").parse().unwrap(), None, false).unwrap()
}

/// An authority without files.
fn company(name: &str, byte: u8) -> Authority {
    let (account, node) = (Secret::from_bytes(&[byte; 32]).unwrap(), Secret::from_bytes(&[byte + 100; 32]).unwrap());
    Authority {
        name: name.to_owned(),
        address: account.address(),
        node_id: node.node_id(),
        endpoint: format!("{name}.example:30303").parse().unwrap(),
    }
}

fn companies() -> Vec<Authority> {
    vec![company("acme", 11), company("borealis", 12), company("cygnus", 13), company("dorado", 14)]
}

#[test]
fn a_company_s_secrets_are_its_own_and_its_public_file_holds_none() {
    let home = TempDir::new().unwrap();
    let made = authority(home.path(), "acme", 30303);
    let files = AuthorityFolder(home.path().join("acme"));
    assert_eq!(mode(&files.0), 0o700);
    assert_eq!(mode(&files.keys()), 0o700);
    for secret in [files.password(), files.node_key(), find_key(&files.keys(), made.address).unwrap()] {
        assert_eq!(mode(&secret), 0o600, "{}", secret.display());
    }
    assert_eq!(keystores(&files.keys()).unwrap().len(), 1);
    assert_eq!(fs::read_dir(files.keys()).unwrap().count(), 1, "nothing but the keystore");

    let password = read_password(&files.password()).unwrap();
    let keystore = find_key(&files.keys(), made.address).unwrap();
    let text = fs::read_to_string(&keystore).unwrap();
    let stated = format!("\"address\":\"{}\"", alloy::primitives::hex::encode(made.address));
    assert!(text.contains(&stated), "the address as geth writes it: {text}");
    assert_eq!(unlock(&keystore, &password).unwrap().address(), made.address);
    let wrong = unlock(&keystore, &"wrong".into()).unwrap_err();
    assert!(matches!(wrong, KeygenError::WrongPassword { .. }));

    let node = read_node_key(&files.node_key()).unwrap();
    assert_eq!(node.node_id(), made.node_id);
    assert_ne!(node.address(), made.address);

    let public = fs::read_to_string(files.public()).unwrap();
    assert_eq!(mode(&files.public()), 0o644);
    for secret in [password.expose(), fs::read_to_string(files.node_key()).unwrap().trim()] {
        assert!(!public.contains(secret));
    }
    assert_eq!(Authority::read(&files.public()).unwrap(), made);
}

#[test]
fn nothing_is_ever_overwritten() {
    let home = TempDir::new().unwrap();
    let made = authority(home.path(), "acme", 30303);
    let folder = home.path().join("acme");
    let before = fs::read(folder.join("authority.json")).unwrap();
    let again = create_authority(&folder, "acme", made.endpoint.clone(), None, false);
    assert!(matches!(again, Err(KeygenError::Exists { .. })));
    assert_eq!(fs::read(folder.join("authority.json")).unwrap(), before);

    let request = SpecRequest::new("home", 2026);
    let shared = home.path().join("shared");
    write_shared(&shared, &request, std::slice::from_ref(&made)).unwrap();
    assert!(matches!(write_shared(&shared, &request, &[made]), Err(KeygenError::Exists { .. })));

    let accounts = home.path().join("accounts");
    create_account(&accounts, &Secret::generate().unwrap(), None).unwrap();
    let second = create_account(&accounts, &Secret::generate().unwrap(), None);
    assert!(matches!(second, Err(KeygenError::Exists { .. })));
    assert_eq!(keystores(&accounts).unwrap().len(), 1);
    // With a password of its own, another account may join.
    create_account(&accounts, &Secret::generate().unwrap(), Some(&"chosen".into())).unwrap();
    assert_eq!(keystores(&accounts).unwrap().len(), 2);

    let hidden =
        fs::read_dir(home.path()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "nothing half made stays behind");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let home = TempDir::new().unwrap();
    let mut request = InitRequest { authorities: 2, port: 30303, by_name: false, spec: SpecRequest::new("home", 1) };
    request.spec.admin_threshold = Some(9);
    assert!(init(&home.path().join("demo"), &request).is_err());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn init_is_the_same_ceremony_at_once() {
    let home = TempDir::new().unwrap();
    let demo = home.path().join("demo");
    let request = InitRequest { authorities: 3, port: 40000, by_name: false, spec: SpecRequest::new("home", 2026) };
    let made = init(&demo, &request).unwrap();
    let paths: Vec<PathBuf> = made.iter().rev().map(|one| AuthorityFolder(demo.join(&one.name)).public()).collect();
    let again = home.path().join("again");
    write_shared(&again, &request.spec, &read_authorities(&paths).unwrap()).unwrap();
    for file in ["spec.json", "reserved_peers", ".env", "acme/authority.toml", "cygnus/authority.toml"] {
        assert_eq!(fs::read(demo.join("shared").join(file)).unwrap(), fs::read(again.join(file)).unwrap(), "{file}");
    }
    let peers = fs::read_to_string(again.join("reserved_peers")).unwrap();
    assert_eq!(peers.lines().count(), 3);
    assert!(peers.lines().nth(1).unwrap().ends_with("@127.0.0.1:40001"));
}

#[test]
fn a_free_chain_is_what_a_node_reads() {
    let companies = companies();
    let text = spec::build(&SpecRequest::new("home", 2026), &companies).unwrap();
    let spec = ChainSpec::parse_strict(&text).unwrap();
    assert_eq!((spec.name.as_str(), spec.data_dir.as_str(), spec.params.chain_id), ("home", "home", 2026));
    let set = "0xA000000000000000000000000000000000000001".parse().unwrap();
    assert_eq!(spec.engine.validators, ValidatorsSpec::SafeContract(set));
    assert_eq!(spec.engine.two_thirds_majority_transition, Some(0));
    assert_eq!(spec.engine.finality_certificates_transition, Some(0));
    assert!(spec.params.gas_free);
    assert_eq!(spec.genesis.base_fee_per_gas, Some(0));
    assert_eq!(spec.genesis.gas_limit, 100_000_000);
    for eip in [3651, 3855, 3860, 1153, 5656, 6780, 2537, 7623, 7702] {
        assert!(spec.params.later_eip_active(eip, 0, 0), "EIP-{eip}");
    }
    for eip in [4844, 7516, 4788, 2935, 4895] {
        assert!(!spec.params.later_eip_active(eip, u64::MAX, u64::MAX), "EIP-{eip} needs blobs or a beacon chain");
    }
    assert_eq!(spec.accounts.values().filter(|account| account.builtin.is_some()).count(), 16);
    assert!(spec.accounts.values().all(|account| account.constructor.is_none()));
    // The set's first slot is its length, in order of the companies' names.
    let accounts = genesis_accounts(&spec);
    assert_eq!(accounts.accounts[&set].storage[&U256::ZERO], U256::from(companies.len()));
    let permissions: Address = "0xA000000000000000000000000000000000000002".parse().unwrap();
    assert_eq!(accounts.accounts[&permissions].storage[&U256::from(2)], U256::from(3), "3 of 4 admins");
    assert_eq!(accounts.accounts[&permissions].storage[&U256::from(4)], U256::from(Rights::DEFAULT.bits()));
}

#[test]
fn a_fixed_price_has_its_collector_and_a_list_its_order() {
    let companies = companies();
    let mut request = SpecRequest::new("home", 2026);
    request.gas_price = GasPrice::Fixed(7);
    request.validators = ValidatorsKind::List;
    let spec = ChainSpec::parse_strict(&spec::build(&request, &companies).unwrap()).unwrap();
    assert_eq!(spec.params.fixed_base_fee, Some(7));
    assert_eq!(spec.genesis.base_fee_per_gas, Some(7));
    assert_eq!(spec.params.eip1559_fee_collector, companies.iter().map(|one| one.address).min());
    assert_eq!(spec.params.eip1559_fee_collector_transition, Some(0));
    let expected = companies.iter().map(|one| one.address).collect();
    assert_eq!(spec.engine.validators, ValidatorsSpec::List(expected));
}

/// What a case changes in a good request.
type Change<'a> = &'a dyn Fn(&mut SpecRequest);

#[test]
fn every_refusal_says_what_and_why() {
    let companies = companies();
    let hardhat: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
    let refusal = |change: &dyn Fn(&mut SpecRequest), companies: &[Authority]| {
        let mut request = SpecRequest::new("home", 2026);
        change(&mut request);
        let error = spec::build(&request, companies).unwrap_err();
        assert!(error.is_refusal());
        error.to_string()
    };
    let grant = |account| Grant { account, rights: Rights::DEFAULT };
    let fund = |account| Fund { account, wei: U256::from(1) };
    let other = Address::repeat_byte(0x77);
    let checks: [(Change<'_>, &str); 10] = [
        (&|r| r.grants = vec![grant(hardhat)], "well-known development key"),
        (&|r| r.funds = vec![fund(hardhat)], "--dev"),
        (&|r| r.admins = vec![hardhat], "Anvil"),
        (&|r| r.grants = vec![grant(other), grant(other)], "given twice"),
        (&|r| r.grants = vec![grant(companies[0].address)], "may do everything"),
        (&|r| r.funds = vec![fund(Address::with_last_byte(4))], "precompile"),
        (&|r| r.admin_threshold = Some(5), "threshold 5"),
        (&|r| r.fee_collector = Some(other), "collects no fees"),
        (&|r| r.name = "../home".to_owned(), "--name"),
        (&|r| r.step_duration = 0, "--step-duration"),
    ];
    for (change, words) in checks {
        let said = refusal(change, &companies);
        assert!(said.contains(words), "{said}");
    }
    assert!(refusal(&|_| {}, &[]).contains("at least one"));
    for (what, change) in [
        ("name", (|one, two| one.name.clone_from(&two.name)) as fn(&mut Authority, &Authority)),
        ("address", |one, two| one.address = two.address),
        ("node id", |one, two| one.node_id.clone_from(&two.node_id)),
        ("endpoint", |one, two| one.endpoint = two.endpoint.clone()),
    ] {
        let mut twins = companies.clone();
        let second = twins[1].clone();
        change(&mut twins[3], &second);
        let said = refusal(&|_| {}, &twins);
        assert!(said.starts_with(&format!("{what} ")) && said.contains("given twice"), "{said}");
    }

    let mut request = SpecRequest::new("home", 2026);
    (request.grants, request.dev) = (vec![grant(hardhat)], true);
    assert!(spec::build(&request, &companies).is_ok());
    let key = Secret::from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
    let out = TempDir::new().unwrap();
    let endpoint = companies[0].endpoint.clone();
    let refused = create_authority(&out.path().join("a"), "a", endpoint, Some(key), false).unwrap_err();
    assert!(matches!(refused, KeygenError::DevelopmentKey { .. }) && !refused.to_string().contains("ac0974"));
}

#[test]
fn configurations_are_toml_with_the_documented_keys_and_no_others() {
    let readme = include_str!("../../README.md");
    let files = shared_files(&SpecRequest::new("home", 2026), &companies()).unwrap();
    let (_, text) = files.iter().find(|(path, _)| path == Path::new("acme/authority.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    for (section, keys) in &config {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `[{section}]` |"))).unwrap();
        let mut documented: Vec<_> =
            row.split('`').skip(3).step_by(2).filter(|word| *word != "local" && *word != "all").collect();
        documented.sort_unstable();
        let mut written: Vec<_> = keys.as_table().unwrap().keys().map(String::as_str).collect();
        written.sort_unstable();
        assert_eq!(written, documented, "[{section}]");
    }
    assert_eq!(config["network"]["interface"].as_str(), Some("all"), "a node others reach listens for them");
    assert_eq!(config["rpc"]["interface"].as_str(), Some("local"));
}

#[test]
fn amounts_and_addresses_are_read_as_people_write_them() {
    let account = "0x1111111111111111111111111111111111111111";
    let wei = |amount: &str| format!("{account}={amount}").parse::<Fund>().map(|fund| fund.wei);
    assert_eq!(wei("1000").unwrap(), U256::from(1000));
    assert_eq!(wei("20gwei").unwrap(), U256::from(20_000_000_000_u64));
    assert_eq!(wei("1.5ether").unwrap(), U256::from(1_500_000_000_000_000_000_u64));
    for bad in ["", "ether", "-1", "1.5", "1e18", "1.5.5ether", "1 ether", "5dollars", "1.0000000000000000001ether"] {
        assert!(wei(bad).is_err(), "{bad}");
    }
    for bad in ["host", "host:0", "host:70000", ":1", "a b:1", "a@b:1", "::1:30303", "[zz]:1"] {
        assert!(bad.parse::<keygen::Endpoint>().is_err(), "{bad}");
    }
    for good in ["host:1", "10.0.0.1:30303", "[::1]:30303", "node.acme.example:30303"] {
        assert_eq!(good.parse::<keygen::Endpoint>().unwrap().to_string(), good);
    }
}

/// A vector of the Web3 Secret Storage Definition; the password is `testpassword`.
const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
/// A keystore of geth, from its own tests; it says whose it is, and the password is `foobar`.
const SCRYPT: &str = r#"{"address":"7ef5a6135f1fd6a02593eedc869c6d41d934aef8","crypto":{"cipher":"aes-128-ctr","ciphertext":"1d0839166e7a15b9c1333fc865d69858b22df26815ccf601b28219b6192974e1","cipherparams":{"iv":"8df6caa7ff1b00c4e871f002cb7921ed"},"kdf":"scrypt","kdfparams":{"dklen":32,"n":8,"p":16,"r":8,"salt":"e5e6ef3f4ea695f496b643ebd3f75c0aa58ef4070e90c80c5d3fb0241bf1595c"},"mac":"6d16dfde774845e4585357f24bce530528bc69f4f84e1e22880d34fa45c273e5"},"id":"950077c7-71e3-4c44-a4a1-143919141ed4","version":3}"#;
const GETH_ADDRESS: &str = "7ef5a6135f1fd6a02593eedc869c6d41d934aef8";

#[test]
fn keystores_of_other_clients_open_with_and_without_their_address() {
    let folder = TempDir::new().unwrap();
    let address: Address = "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b".parse().unwrap();
    let digits = alloy::primitives::hex::encode(address);
    let geth: Address = GETH_ADDRESS.parse().unwrap();
    let stated = format!("\"address\":\"{GETH_ADDRESS}\",");
    let variants = [
        (PBKDF2.to_owned(), address),
        (PBKDF2.replacen('{', &format!("{{\"address\":\"{digits}\","), 1), address),
        (PBKDF2.replacen('{', &format!("{{\"address\":\"0x{digits}\",\"name\":\"\",\"meta\":\"{{}}\","), 1), address),
        (PBKDF2.replace("\"crypto\"", "\"Crypto\""), address),
        (PBKDF2.replace("\"id\":\"3198bc9c-6672-5ab3-d995-4942343ae5b6\",", ""), address),
        (SCRYPT.to_owned(), geth),
        (SCRYPT.replace(&stated, ""), geth),
    ];
    for (index, (text, owner)) in variants.iter().enumerate() {
        let path = folder.path().join(format!("key-{index}"));
        fs::write(&path, text).unwrap();
        let password = if *owner == geth { "foobar" } else { "testpassword" };
        assert_eq!(unlock(&path, &password.into()).unwrap().address(), *owner, "{text}");
    }
    assert_eq!(inspect(&folder.path().join("key-0")).unwrap().address, None);
    assert_eq!(find_key(folder.path(), address).unwrap(), folder.path().join("key-1"));
    assert!(matches!(find_key(folder.path(), Address::ZERO), Err(KeygenError::NoKey { .. })));
}

#[test]
fn a_keystore_that_lies_or_asks_for_absurd_work_is_refused_before_it_does_harm() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    let stranger = PBKDF2.replacen('{', "{\"address\":\"0000000000000000000000000000000000000001\",", 1);
    for (text, words) in [
        (stranger, "holds the key of"),
        (SCRYPT.replace("\"n\":8", "\"n\":1073741824"), "GiB"),
        (SCRYPT.replace("\"n\":8", "\"n\":7"), "scrypt"),
        (PBKDF2.replace("262144", "4294967295"), "pbkdf2"),
        (PBKDF2.replace("\"dklen\":32", "\"dklen\":8"), "32 bytes"),
        (PBKDF2.replace("6087dab2", ""), "iv"),
        (PBKDF2.replace("aes-128-ctr", "aes-256-gcm"), "cipher"),
        (PBKDF2.replace("\"version\":3", "\"version\":1"), "version 3"),
        ("[]".to_owned(), "not a keystore"),
        ("not JSON".to_owned(), "not JSON"),
        ("{\"version\":3}".to_owned(), "cipher"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = unlock(&path, &"testpassword".into()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

static BASELINE: LazyLock<Vec<(PathBuf, String)>> =
    LazyLock::new(|| shared_files(&full_request(), &companies()).unwrap());

fn full_request() -> SpecRequest {
    let account = Address::repeat_byte;
    let mut request = SpecRequest::new("home", 2026);
    request.funds = (1..5).map(|n| Fund { account: account(n), wei: U256::from(n) }).collect();
    request.grants = (4..8).map(|n| Grant { account: account(n), rights: Rights::ALL }).collect();
    request.admins = (0x20..0x25).map(account).collect();
    request.default_rights = "read".parse().unwrap();
    request
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_same_inputs_in_any_order_give_the_same_bytes(
        authorities in Just(companies()).prop_shuffle(),
        funds in Just(full_request().funds).prop_shuffle(),
        grants in Just(full_request().grants).prop_shuffle(),
        admins in Just(full_request().admins).prop_shuffle(),
    ) {
        let request = SpecRequest { funds, grants, admins, ..full_request() };
        prop_assert_eq!(&shared_files(&request, &authorities).unwrap(), &*BASELINE);
    }
}
