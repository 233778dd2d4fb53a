//! `chain header`: a header against the engine's rules, one by one, instead of up to the first that fails.

mod rules;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::hex;
use anyhow::Context as _;
use aurum_aura::{EmptyStep, Rules};
use aurum_types::{ChainSpec, Header, HeaderFormat, ValidatorSet, spec::ValidatorsSpec};
use serde_json::{Value, json};

pub use self::rules::Check;
use self::rules::{Facts, judge};
use super::{Genesis, Loaded, SpecArgs, entry_in_force};
use crate::commands::{
    Answer,
    json::{bytes, uint, uint64},
};

/// Which header.
#[derive(Clone, Debug, clap::Args)]
pub struct HeaderArgs {
    /// The chain.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// The header's RLP, hex
    #[arg(long, value_name = "RLP")]
    pub rlp: String,
    /// Its parent's RLP, hex; without it, what depends on the parent is not checked. Block 1 has genesis for parent
    #[arg(long, value_name = "RLP")]
    pub parent: Option<String>,
    /// Unix time in seconds for the rules on early blocks [default: now]
    #[arg(long, value_name = "UNIX")]
    pub time: Option<u64>,
}

/// Everything a header says, and each rule's verdict: true, false, or null where the context for it is missing. `valid` is
/// true when none is false.
///
/// # Errors
/// When the bytes are no header of this chain, or genesis cannot be made.
pub fn header(loaded: &Loaded, args: &HeaderArgs) -> anyhow::Result<Answer> {
    let spec = &loaded.spec;
    let format = spec.header_format();
    let header = match decode(&args.rlp, &format) {
        Ok(header) => header,
        Err(error) => {
            let error = format!("--rlp: {error:#}");
            eprintln!("error: {error}");
            return Ok(Answer::no(json!({ "valid": false, "checks": [], "error": error })));
        }
    };
    let mut parent = args.parent.as_deref().map(|text| decode(text, &format)).transpose().context("--parent")?;
    let genesis = if header.number <= 1 { Some(Genesis::of(spec)?) } else { None };
    if let Some(genesis) = genesis.as_ref().filter(|genesis| header.number == 1 && header.parent_hash == genesis.hash) {
        parent.get_or_insert_with(|| genesis.header.clone());
    }
    let validators = static_validators(spec, header.number, genesis.as_ref())?;
    let now = match args.time {
        Some(seconds) => Duration::from_secs(seconds),
        None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
    };
    let facts = Facts::of(&header, &format);
    let checks = if header.number == 0 {
        let expected = genesis.map(|genesis| genesis.hash).unwrap_or_default();
        rules::judge_genesis(facts.hash, expected)
    } else {
        let rules = Rules::new(spec);
        judge(
            &rules::Context { spec, rules: &rules, parent: parent.as_ref(), validators: validators.as_ref(), now },
            &facts,
        )
    };
    let valid = checks.iter().all(|check| check.ok != Some(false));
    let json = describe(&facts, valid, &checks);
    Ok(if valid { Answer::yes(json) } else { Answer::no(json) })
}

fn describe(facts: &Facts<'_>, valid: bool, checks: &[Check]) -> Value {
    let header = facts.header;
    let empty_step = |empty: &EmptyStep| {
        let signer = empty.signer(header.parent_hash).map_or(Value::Null, bytes);
        json!({ "step": uint64(empty.step), "signer": signer })
    };
    json!({
        "number": uint64(header.number),
        "hash": bytes(facts.hash),
        "parentHash": bytes(header.parent_hash),
        "bareHash": bytes(header.bare_hash()),
        "sealHash": bytes(facts.seal_hash),
        "step": header.step().map_or(Value::Null, |step| uint64(step.0)),
        "signature": facts.signature.map_or(Value::Null, bytes),
        "signer": facts.signer.map_or(Value::Null, bytes),
        "author": bytes(header.author),
        "difficulty": uint(header.difficulty),
        "timestamp": uint64(header.timestamp),
        "baseFeePerGas": header.base_fee_per_gas.map_or(Value::Null, uint64),
        "emptySteps": facts.empty_steps.iter().flatten().map(empty_step).collect::<Vec<_>>(),
        "valid": valid,
        "checks": checks.iter().map(|Check { rule, ok, detail }| json!({ "rule": rule, "ok": ok, "detail": detail })).collect::<Vec<_>>(),
    })
}

/// Exactly one header in hex, with or without 0x.
fn decode(text: &str, format: &HeaderFormat) -> anyhow::Result<Header> {
    let bytes = hex::decode(text.trim()).context("not hex")?;
    let mut rest = bytes.as_slice();
    let header =
        Header::decode(&mut rest, format).map_err(|error| anyhow::anyhow!("not a header of this chain: {error}"))?;
    anyhow::ensure!(rest.is_empty(), "{} bytes after the header", rest.len());
    Ok(header)
}

/// The set that seals block `number`, where spec and genesis settle it: a list in force, or at block 1 a contract's word at
/// genesis. A contract's later word is in states we do not have.
fn static_validators(
    spec: &Arc<ChainSpec>,
    number: u64,
    genesis: Option<&Genesis>,
) -> anyhow::Result<Option<ValidatorSet>> {
    match entry_in_force(spec, number).1 {
        ValidatorsSpec::List(list) => Ok(Some(ValidatorSet::new(list.clone()))),
        contract if number == 1 => genesis.map_or(Ok(None), |genesis| genesis.validators(contract)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
