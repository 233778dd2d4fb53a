//! The storage written into a genesis, handed to forge: `test/Genesis.t.sol` compares it with a real deployment.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, address};
use aurum_contracts::genesis::{self, GenesisAccount, PERMISSIONS, PermissionsGenesis, VALIDATOR_SET};
use serde_json::{Value, json};

const A: Address = address!("00000000000000000000000000000000000000a1");
const B: Address = address!("00000000000000000000000000000000000000b2");
const C: Address = address!("C000000000000000000000000000000000000003");

/// What both sides build; the same values stand in `Genesis.t.sol`.
fn accounts() -> BTreeMap<&'static str, Vec<(Address, GenesisAccount)>> {
    let permissions = PermissionsGenesis {
        admins: &[C, A, B],
        threshold: 2,
        default_rights: 16,
        entries: &[(B, 23), (A, 0), (C, 7)],
    };
    BTreeMap::from([
        ("permissions", genesis::permissions(&permissions).expect("valid")),
        ("validatorSet", genesis::validator_set(&[B, A, C], PERMISSIONS).expect("valid")),
    ])
}

fn fixture() -> Value {
    let storage = |account: &GenesisAccount| {
        let slots: Vec<&B256> = account.storage.keys().collect();
        let values: Vec<&B256> = account.storage.values().collect();
        json!({ "slots": slots, "values": values })
    };
    let contracts = accounts().into_iter().map(|(name, accounts)| {
        let [(proxy, proxy_account), (implementation, implementation_account)] = &accounts[..] else {
            panic!("a proxy and an implementation");
        };
        let value = json!({
            "proxy": proxy,
            "implementation": implementation,
            "proxyStorage": storage(proxy_account),
            "implementationStorage": storage(implementation_account),
        });
        (name.to_owned(), value)
    });
    Value::Object(contracts.collect())
}

#[test]
fn fixture_of_the_forge_test_is_what_this_crate_writes() {
    // Of the checkout that runs this, since checkouts share what was built.
    let path = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says") + "/test/genesis.json";
    let expected = fixture();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let text = serde_json::to_string_pretty(&expected).expect("serializes") + "\n";
        std::fs::write(&path, text).expect("test/genesis.json can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert_eq!(committed, expected, "run this test once with UPDATE_FIXTURES=1, then forge test");
}

#[test]
fn accounts_are_at_the_agreed_addresses_and_have_no_zero_slots() {
    let accounts = accounts();
    assert_eq!(accounts["validatorSet"][0].0, VALIDATOR_SET);
    assert_eq!(accounts["permissions"][0].0, PERMISSIONS);
    for (address, account) in accounts.values().flatten() {
        assert!(!account.code.is_empty(), "{address} has code");
        assert!(account.storage.values().all(|value| !value.is_zero()), "{address} stores zeroes");
    }
}
