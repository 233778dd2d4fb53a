//! Real chains' specs, genesis blocks and headers (`shared/vectors/aura`, beside the repository).

use std::{fs, path::PathBuf};

use alloy::primitives::{Address, B256, Bytes, hex};
use alloy_rlp::Encodable;
use aurum_types::{
    ChainSpec, Header, HeaderFormat, crypto, genesis_accounts, genesis_header,
    spec::{ParseOptions, SpecError, SpecWarningKind},
    state_root_slow,
};
use serde_json::Value;

/// The folder of vectors, or `None`, said aloud, where it is absent.
fn vectors() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../../../shared/vectors/aura");
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: {} is absent", path.display());
    None
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn hash(value: &Value, key: &str) -> B256 {
    text(value, key).parse().unwrap()
}

#[test]
fn every_spec_parses_and_has_the_known_genesis_block() {
    let Some(folder) = vectors() else { return };
    let known = json(folder.join("genesis_hashes.json"));
    let options = ParseOptions { strict: false, any_engine: true };
    let (mut count, mut without_constructors) = (0, 0);
    for entry in known["genesis"].as_array().unwrap() {
        let name = text(entry, "spec");
        let file = fs::read_to_string(folder.join(name)).unwrap();
        let (spec, warnings) = ChainSpec::parse_with(&file, options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unknown: Vec<_> = warnings.iter().filter(|w| w.kind == SpecWarningKind::UnknownKey).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");

        let root = hash(entry, "stateRoot");
        let header = genesis_header(&spec, root);
        let mut encoded = Vec::new();
        header.encode(&mut encoded);
        assert_eq!(hex::encode_prefixed(&encoded), text(entry, "genesisHeaderRlp"), "{name}");
        assert_eq!(header.hash_slow(), hash(entry, "genesisHash"), "{name}");
        assert_eq!(Header::decode(&mut encoded.as_slice(), &spec.header_format()).unwrap(), header, "{name}");
        if entry["constructors"] == 0 {
            assert_eq!(state_root_slow(&genesis_accounts(&spec)), root, "{name}");
            without_constructors += 1;
        }
        count += 1;
    }
    assert_eq!((count, without_constructors), (27, 6));
}

#[test]
fn other_engines_are_refused_by_name() {
    let Some(folder) = vectors() else { return };
    for (file, name) in [("test_constructor.json", "null"), ("test_validator_multi.json", "basicAuthority")] {
        let text = fs::read_to_string(folder.join("specs").join(file)).unwrap();
        assert_eq!(ChainSpec::parse(&text).unwrap_err(), SpecError::Engine { name: name.to_owned() });
    }
}

#[test]
fn real_headers_keep_their_hashes_and_signers() {
    let Some(folder) = vectors() else { return };
    let format = HeaderFormat { base_fee_from: None, empty_steps_from: None, genesis_base_fee: false };
    for entry in json(folder.join("headers/real_headers.json")).as_array().unwrap() {
        let header = check_header(entry, &format);
        if entry["sealValid"] == true {
            assert_eq!(signer(&header, &format), text(entry, "recoveredSigner").parse::<Address>().unwrap());
        }
    }
}

#[test]
fn synthetic_headers_with_empty_steps_and_base_fee_keep_their_hashes_and_signers() {
    let Some(folder) = vectors() else { return };
    for entry in json(folder.join("headers/synthetic_headers.json"))["headers"].as_array().unwrap() {
        let format = HeaderFormat {
            base_fee_from: entry["baseFeePerGas"].as_u64().map(|_| 1),
            empty_steps_from: entry["emptyStepsRlp"].as_str().map(|_| 1),
            genesis_base_fee: false,
        };
        let header = check_header(entry, &format);
        assert_eq!(header.base_fee_per_gas, entry["baseFeePerGas"].as_u64());
        assert_eq!(header.bare_hash(), hash(entry, "bareHash"));
        assert_eq!(signer(&header, &format), header.author);
    }
}

fn check_header(entry: &Value, format: &HeaderFormat) -> Header {
    let rlp: Bytes = text(entry, "rlp").parse().unwrap();
    let mut rest = rlp.as_ref();
    let header = Header::decode(&mut rest, format).unwrap();
    assert!(rest.is_empty());
    let mut again = Vec::new();
    header.encode(&mut again);
    assert_eq!(again, rlp);
    assert_eq!(header.length(), rlp.len());
    assert_eq!(header.hash_slow(), hash(entry, "hash"));
    assert_eq!(header.seal_hash(format), hash(entry, "sealHash"));
    assert_eq!(header.step().unwrap().0, entry["step"].as_u64().unwrap());
    header
}

fn signer(header: &Header, format: &HeaderFormat) -> Address {
    // The second seal field: a string of 65 bytes behind its two-byte prefix.
    let signature: [u8; 65] = header.seal[1][2..].try_into().unwrap();
    crypto::recover(header.seal_hash(format), &signature).unwrap()
}
