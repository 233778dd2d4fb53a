//! What the tests of this crate share: specs, keys, sealed headers and the public vectors.
#![allow(clippy::needless_pass_by_value, reason = "values are written in place")]

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use aurum_aura::{AuraSeal, KeySigner, Rules, Signer, difficulty, next_base_fee};
use aurum_types::{ChainSpec, Header, Step, ValidatorSet, genesis_header};
use serde_json::{Value, json};

/// Text of a public vector; `None`, after saying so, where the folder is absent.
pub(crate) fn vector(path: &str) -> Option<String> {
    let file = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests"))
        .join("../../../../shared/vectors/aura")
        .join(path);
    let text = fs::read_to_string(&file).ok();
    if text.is_none() {
        println!("SKIPPED: {} is not there", file.display());
    }
    text
}

/// The authority with the key keccak256(`id`).
pub(crate) fn signer(id: usize) -> KeySigner {
    let secret = keccak256(id.to_string());
    KeySigner::new(secp256k1::SecretKey::from_byte_array(secret.0).unwrap())
}

pub(crate) fn addresses(ids: impl IntoIterator<Item = usize>) -> Vec<Address> {
    ids.into_iter().map(|id| signer(id).address()).collect()
}

pub(crate) fn set(ids: impl IntoIterator<Item = usize>) -> ValidatorSet {
    ValidatorSet::new(addresses(ids))
}

/// A spec with these validators; `engine` and `params` are merged over harmless defaults.
pub(crate) fn spec(validators: Value, engine: Value, params: Value) -> Arc<ChainSpec> {
    let mut spec = json!({
        "name": "test",
        "engine": { "authorityRound": { "params": { "stepDuration": 5, "validators": validators } } },
        "params": { "gasLimitBoundDivisor": "0x400", "maximumExtraDataSize": "0x20", "minGasLimit": "0x1388", "networkID": "0x69" },
        "genesis": {
            "seal": { "authorityRound": { "step": "0x0", "signature": format!("0x{}", "00".repeat(65)) } },
            "difficulty": "0x20000", "gasLimit": "0x222222"
        },
        "accounts": {}
    });
    let merge = |into: &mut Value, from: Value| {
        into.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    };
    merge(&mut spec["engine"]["authorityRound"]["params"], engine);
    merge(&mut spec["params"], params);
    Arc::new(ChainSpec::parse(&spec.to_string()).unwrap().0)
}

pub(crate) fn list_spec(n: usize, engine: Value, params: Value) -> Arc<ChainSpec> {
    spec(json!({ "list": addresses(0..n) }), engine, params)
}

pub(crate) fn genesis(spec: &ChainSpec) -> Header {
    genesis_header(spec, B256::ZERO)
}

/// A valid child of `parent` at `step`, unsealed.
pub(crate) fn child(spec: &ChainSpec, parent: &Header, step: u64, author: Address) -> Header {
    let empty = genesis(spec);
    Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        author,
        difficulty: difficulty(parent.step().unwrap(), Step(step), 0),
        gas_limit: parent.gas_limit,
        timestamp: parent.timestamp + 1,
        base_fee_per_gas: next_base_fee(spec, parent, parent.number + 1),
        logs_bloom: empty.logs_bloom,
        ..empty
    }
}

/// Puts a seal by `signer` on `header`.
pub(crate) fn seal(spec: &ChainSpec, header: &mut Header, step: u64, signer: &impl Signer, empty_steps: Option<Bytes>) {
    let format = spec.header_format();
    let empty_steps = format.has_empty_steps(header.number).then(|| empty_steps.unwrap_or_else(|| vec![0xc0].into()));
    let mut seal = AuraSeal { step: Step(step), signature: [0; 65], empty_steps };
    header.seal = seal.to_fields();
    seal.signature = signer.sign(header.seal_hash(&format)).unwrap();
    header.seal = seal.to_fields();
}

/// A sealed child of `parent`, by whoever of `0..n` has that step.
pub(crate) fn sealed_child(spec: &ChainSpec, parent: &Header, step: u64, n: usize) -> Header {
    let signer = signer(step as usize % n);
    let mut header = child(spec, parent, step, signer.address());
    seal(spec, &mut header, step, &signer, None);
    header
}

/// The start of `step` by the rules' schedule.
pub(crate) fn at_step(rules: &Rules, step: u64) -> Duration {
    rules.steps().start_of(Step(step))
}

pub(crate) fn hex_u256(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn hex_bytes(value: &Value) -> Bytes {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}
