//! Certificates for the Solidity verifier's tests: `contracts/test/certificates.json` is what this code signs.
//! `UPDATE_FIXTURES=1` rewrites it.

use std::{fs, path::PathBuf};

use alloy::{
    primitives::{Address, B256, Bytes, U256, hex, keccak256},
    sol_types::SolValue,
};
use aurum_aura::{
    KeySigner, Signer as _,
    certificate::{Certificate, Checkpoint, Link, Trust, ValidatorHistory, Vote, VoteDomain},
};
use aurum_types::ValidatorSet;
use serde_json::{Map, Value, json};

fn key(id: u8) -> KeySigner {
    KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256([id]).0).unwrap())
}

fn set(ids: impl IntoIterator<Item = u8>) -> ValidatorSet {
    ValidatorSet::new(ids.into_iter().map(|id| key(id).address()).collect())
}

const GENESIS: B256 = B256::repeat_byte(0xa1);

fn domain() -> VoteDomain {
    VoteDomain::new(2026, GENESIS)
}

fn certificate(number: u64, history: ValidatorHistory, signers: &[u8]) -> Certificate {
    let at = |number: u64| Checkpoint { number, hash: keccak256(number.to_be_bytes()) };
    let link = Link { source: at(number), target: at(number + 1), history: history.0 };
    let votes = signers.iter().map(|id| Vote::sign(&domain(), link, &key(*id)).unwrap());
    Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect())
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    json!(hex::encode_prefixed(bytes))
}

/// As `abi.encode` of an `ICertificateVerifier.Certificate`.
fn solidity(certificate: &Certificate) -> Value {
    let Link { source, target, history } = certificate.link;
    let signatures = Bytes::from(certificate.signatures.concat());
    hex((U256::from(source.number), source.hash, target.hash, history, signatures).abi_encode())
}

fn addresses(set: &ValidatorSet) -> Value {
    let addresses: Vec<Address> = set.as_slice().to_vec();
    hex(addresses.abi_encode())
}

#[test]
fn the_solidity_verifier_is_tested_with_what_this_code_signs() {
    let (old, new) = (set(1..=4), set(3..=6));
    let trust = Trust::genesis(old.clone());
    let changed = trust.history.then(&new);
    let ordinary = certificate(6, trust.history, &[1, 2, 4]);
    let handover = certificate(9, changed, &[2, 3, 4, 5]);
    let after = certificate(12, changed, &[4, 5, 6]);
    // What Solidity must say, this code says first.
    trust.verify(&domain(), &ordinary, &[]).unwrap();
    let moved = trust.verify(&domain(), &handover, std::slice::from_ref(&new)).unwrap();
    moved.verify(&domain(), &after, &[]).unwrap();

    let fixture: Map<String, Value> = [
        ("genesisHash", hex(GENESIS)),
        ("genesisValidators", addresses(&old)),
        ("newValidators", addresses(&new)),
        ("ordinary", solidity(&ordinary)),
        ("ordinaryDigest", hex(domain().digest(&ordinary.link))),
        ("few", solidity(&certificate(6, trust.history, &[1, 2]))),
        ("strangers", solidity(&certificate(6, trust.history, &[1, 2, 9]))),
        ("handover", solidity(&handover)),
        ("handoverOldOnly", solidity(&certificate(9, changed, &[1, 2, 3, 4]))),
        ("handoverNewOnly", solidity(&certificate(9, changed, &[3, 4, 5, 6]))),
        ("after", solidity(&after)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();

    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../../contracts/test/certificates.json");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&fixture).unwrap() + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    assert_eq!(committed, Value::Object(fixture), "run with UPDATE_FIXTURES=1 after a change of what is signed");
}
