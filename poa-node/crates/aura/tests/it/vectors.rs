//! The public vectors: formulas, real headers of five networks, synthetic headers.

use std::{sync::Arc, time::Duration};

use crate::common::{self, genesis, hash, hex_bytes, hex_u256, list_spec, vector};
use alloy::primitives::Address;
use aurum_aura::{
    AuraSeal, EmptyStep, InvalidBlock, Rejected, Rules, StepSchedule, difficulty, initiate_change, recover_sealer,
};
use aurum_types::{ChainSpec, Header, HeaderFormat, Step, ValidatorSet};
use serde_json::{Value, json};

fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn difficulties_are_the_formulas() {
    let Some(text) = vector("formula_vectors.json") else { return };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    for case in vectors["difficulty"].as_array().unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap();
        let found = difficulty(Step(number("parentStep")), Step(number("step")), number("emptySteps") as usize);
        assert_eq!(found, hex_u256(&case["difficulty"]), "{case}");
    }
}

#[test]
fn steps_follow_changing_durations() {
    let Some(text) = vector("formula_vectors.json") else { return };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let table = &vectors["stepAtTime"];
    let spec = list_spec(1, json!({ "stepDuration": table["stepDurations"] }), json!({}));
    let steps = StepSchedule::new(&spec.engine);
    for case in table["cases"].as_array().unwrap() {
        let now = Duration::from_secs(case["time"].as_u64().unwrap());
        let step = steps.step_at(now);
        assert_eq!(step.0, case["step"].as_u64().unwrap(), "{case}");
        let next = (steps.start_of(step.next()) - now).as_secs();
        assert_eq!(next, case["secondsToNext"].as_u64().unwrap(), "{case}");
        assert!(steps.start_of(step) <= now);
    }
}

#[test]
fn real_headers_have_the_hash_seal_and_signer_their_networks_say() {
    let Some(text) = vector("headers/real_headers.json") else { return };
    let format = HeaderFormat { base_fee_from: None, empty_steps_from: None, genesis_base_fee: false };
    let headers: Vec<Value> = serde_json::from_str(&text).unwrap();
    for vector in &headers {
        let rlp = hex_bytes(&vector["rlp"]);
        let header = Header::decode(&mut rlp.as_ref(), &format).unwrap();
        assert_eq!(header.hash_slow(), hash(&vector["hash"]));
        assert_eq!(header.seal_hash(&format), hash(&vector["sealHash"]));
        let seal = AuraSeal::from_header(&header, &format).unwrap();
        assert_eq!(seal.step.0, vector["step"].as_u64().unwrap());
        assert_eq!(seal.signature.as_slice(), hex_bytes(&vector["signature"]).as_ref());
        assert_eq!(seal.to_fields(), header.seal);
        if vector["sealValid"] == true {
            assert_eq!(recover_sealer(&header, &format), Ok(address(&vector["recoveredSigner"])));
        } else {
            assert!(recover_sealer(&header, &format).is_err());
        }
    }
    // Two consecutive real blocks also agree on the score.
    for pair in headers.windows(2) {
        let [parent, child] = pair else { continue };
        if child["parentHash"] == parent["hash"] {
            let step = |header: &Value| Step(header["step"].as_u64().unwrap());
            assert_eq!(difficulty(step(parent), step(child), 0), hex_u256(&child["difficulty"]));
        }
    }
}

#[test]
fn real_empty_steps_have_their_signer() {
    let Some(text) = vector("headers/empty_step_messages.json") else { return };
    for vector in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
        let (step, parent) = (vector["step"].as_u64().unwrap(), hash(&vector["parentHash"]));
        assert_eq!(EmptyStep::message_hash(step, parent), hash(&vector["signedHash"]));
        let empty = EmptyStep { signature: hex_bytes(&vector["signature"]).as_ref().try_into().unwrap(), step };
        assert_eq!(empty.signer(parent), Ok(address(&vector["signer"])));
        let sealed = alloy::rlp::encode(&empty);
        assert_eq!(sealed, hex_bytes(&vector["sealedEmptyStepRlp"]));
    }
}

/// Runs all checks of a synthetic header against a stand-in for its parent, whose hash alone is known.
fn verify_synthetic(vector: &Value, spec: &Arc<ChainSpec>) -> Result<(), Rejected> {
    let format = spec.header_format();
    let rlp = hex_bytes(&vector["rlp"]);
    let header = Header::decode(&mut rlp.as_ref(), &format).unwrap();
    assert_eq!(header.hash_slow(), hash(&vector["hash"]), "{}", vector["label"]);
    assert_eq!(header.seal_hash(&format), hash(&vector["sealHash"]), "{}", vector["label"]);
    assert_eq!(header.bare_hash(), hash(&vector["bareHash"]), "{}", vector["label"]);
    let parent = Header { number: header.number - 1, ..genesis(spec) };
    let keys = [1, 0];
    let validators = ValidatorSet::new(common::addresses(keys));
    Rules::new(spec).verify(&header, &parent, &validators, Duration::from_secs(1_000))
}

#[test]
fn synthetic_headers_are_judged_as_openethereum_does() {
    let Some(text) = vector("headers/synthetic_headers.json") else { return };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    for vector in vectors["headers"].as_array().unwrap() {
        let file = format!("specs/{}", vector["spec"].as_str().unwrap());
        let mut spec: Value = serde_json::from_str(&common::vector(&file).unwrap()).unwrap();
        let engine = &mut spec["engine"]["authorityRound"]["params"];
        engine["stepDuration"] = json!(1);
        engine.as_object_mut().unwrap().remove("startStep");
        if !vector["baseFeePerGas"].is_null() {
            spec["params"]["eip1559Transition"] = json!("0x1");
            spec["params"]["eip1559BaseFeeInitialValue"] = vector["baseFeePerGas"].clone();
            spec["params"]["eip1559ElasticityMultiplier"] = json!("0x1");
            spec["params"]["eip1559BaseFeeMaxChangeDenominator"] = json!("0x8");
        }
        let parsed = Arc::new(ChainSpec::parse(&spec.to_string()).unwrap().0);
        let label = vector["label"].as_str().unwrap();
        let result = verify_synthetic(vector, &parsed);
        if label.starts_with("INVALID") {
            let refused = matches!(result, Err(Rejected::Invalid(InvalidBlock::EmptyStep { .. })));
            assert!(refused, "{label}: {result:?}");
        } else {
            assert_eq!(result, Ok(()), "{label}");
        }
        if label.contains("duplicate") {
            spec["engine"]["authorityRound"]["params"]["strictEmptyStepsTransition"] = json!("0x64");
            let lenient = Arc::new(ChainSpec::parse(&spec.to_string()).unwrap().0);
            assert_eq!(verify_synthetic(vector, &lenient), Ok(()), "{label}, not strict");
        }
    }
}

#[test]
fn a_chain_without_the_event_signals_nothing() {
    assert_eq!(initiate_change(Address::ZERO, &Header::default(), &[]), None);
}
