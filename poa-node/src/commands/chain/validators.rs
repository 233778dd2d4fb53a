//! `chain validators`: who seals a block, as far as spec and genesis state tell.

use aurum_types::{BlockNumber, ChainSpec, spec::ValidatorsSpec};
use serde_json::{Value, json};

use super::{Genesis, Loaded, SpecArgs};
use crate::commands::{
    Answer,
    json::{bytes, uint64},
};

/// For which block.
#[derive(Clone, Debug, clap::Args)]
pub struct ValidatorsArgs {
    /// The chain.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Block to be sealed: decides which set of a `multi` speaks
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub block: BlockNumber,
}

/// The entry of `validators` from which the sealers of block `number` come, with the block it starts at.
///
/// A list at block K of a `multi` is recorded when block K is adopted and seals from K + 1 on; with
/// `immediateTransitions` it seals K itself (OpenEthereum `Multi::correct_set_by_number`, `is_epoch_end`; aura.md §1.11).
/// An entry directly before another one's block never comes into force: the header at K is spoken for by K + 1. A contract at K
/// is named from K + 1 on, though its set waits until block K is final.
pub fn entry_in_force(spec: &ChainSpec, number: BlockNumber) -> (BlockNumber, &ValidatorsSpec) {
    let ValidatorsSpec::Multi(sets) = &spec.engine.validators else { return (0, &spec.engine.validators) };
    let number = number.max(1);
    let mut switched = if spec.engine.immediate_transitions {
        sets.range(..=number).next_back()
    } else {
        let begins = |key: BlockNumber| key.checked_add(1).is_none_or(|next| !sets.contains_key(&next));
        sets.range(1..number).rev().find(|(key, _)| begins(**key))
    };
    switched = switched.or_else(|| sets.range(..=1).next_back());
    switched.map_or((0, &spec.engine.validators), |(from, entry)| (*from, entry))
}

/// The name the spec gives a kind of validator set.
const fn kind(validators: &ValidatorsSpec) -> &'static str {
    match validators {
        ValidatorsSpec::List(_) => "list",
        ValidatorsSpec::SafeContract(_) => "safeContract",
        ValidatorsSpec::Contract(_) => "contract",
        ValidatorsSpec::Multi(_) => "multi",
    }
}

/// Kind and addresses. Of a `multi`, member `entry` says which set was asked.
///
/// # Errors
/// When genesis cannot be made, or a contract does not answer.
pub fn validators(loaded: &Loaded, block: BlockNumber) -> anyhow::Result<Answer> {
    let spec = &loaded.spec;
    let (from, entry) = entry_in_force(spec, block);
    let contract = match entry {
        ValidatorsSpec::SafeContract(contract) | ValidatorsSpec::Contract(contract) => bytes(contract),
        ValidatorsSpec::List(_) | ValidatorsSpec::Multi(_) => Value::Null,
    };
    let found = match entry {
        ValidatorsSpec::List(list) => Some(list.clone()),
        other => Genesis::of(spec)?.validators(other)?.map(|set| set.as_slice().to_vec()),
    };
    let entry = json!({ "from": uint64(from), "kind": kind(entry), "contract": contract });
    let kind = kind(&spec.engine.validators);
    Ok(match found {
        Some(validators) => {
            let validators: Vec<_> = validators.iter().map(bytes).collect();
            Answer::yes(json!({ "kind": kind, "validators": validators, "entry": entry }))
        }
        None => {
            let error = "the contract answers no getValidators() on the genesis state";
            eprintln!("error: {error}");
            Answer::no(json!({ "kind": kind, "validators": [], "entry": entry, "error": error }))
        }
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::dev::DevConfig;

    fn multi(immediate: bool, keys: &[BlockNumber]) -> ChainSpec {
        let mut spec = DevConfig { chain_id: 1, block_time: None }.spec();
        let entry = |key: &BlockNumber| (*key, ValidatorsSpec::List(vec![Address::with_last_byte(*key as u8)]));
        spec.engine.validators = ValidatorsSpec::Multi(keys.iter().map(entry).collect());
        spec.engine.immediate_transitions = immediate;
        spec
    }

    fn from(spec: &ChainSpec, numbers: &[BlockNumber]) -> Vec<BlockNumber> {
        numbers.iter().map(|number| entry_in_force(spec, *number).0).collect()
    }

    #[test]
    fn a_list_at_a_block_seals_from_the_next_one_on() {
        assert_eq!(from(&multi(false, &[0, 5]), &[0, 1, 5, 6, 100]), [0, 0, 0, 5, 5]);
        // Key 1 speaks for genesis already.
        assert_eq!(from(&multi(false, &[0, 1]), &[1, 2]), [1, 1]);
        // The header at 5 is spoken for by key 6, which it does not begin.
        assert_eq!(from(&multi(false, &[0, 5, 6]), &[5, 6, 7]), [0, 0, 6]);
    }

    #[test]
    fn with_immediate_transitions_it_seals_its_own_block() {
        assert_eq!(from(&multi(true, &[0, 5, 6]), &[1, 4, 5, 6, 7]), [0, 0, 5, 6, 6]);
    }
}
