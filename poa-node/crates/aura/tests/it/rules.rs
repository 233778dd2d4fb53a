//! Each rule refuses what it is for, and the kind of refusal is the protocol's.

use std::{sync::Arc, time::Duration};

use crate::common::{self, at_step, child, genesis, list_spec, seal, sealed_child, set, signer};
use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_aura::{
    Ancestor, AuraSeal, EmptyStep, EmptyStepMessage, EmptyStepRefused, EmptySteps, InvalidBlock, InvalidSeal, Offence,
    Rejected, Rules, Signer, TemporarilyInvalid, next_base_fee, skipped_proposers, skipped_to_report,
};
use aurum_types::{ChainSpec, Header, Step, ValidatorSet};
use proptest::prelude::*;
use serde_json::json;

const STEP: u64 = 1_000;

struct Case {
    spec: Arc<ChainSpec>,
    rules: Rules,
    parent: Header,
}

impl Case {
    fn new(engine: serde_json::Value, params: serde_json::Value) -> Self {
        let spec = list_spec(3, engine, params);
        let genesis = genesis(&spec);
        let parent = sealed_child(&spec, &genesis, STEP - 1, 3);
        Self { rules: Rules::new(&spec), spec, parent }
    }

    /// Verifies a good block at [`STEP`] after `change` and a new seal by its proposer.
    fn verify(&self, change: impl FnOnce(&mut Header)) -> Result<(), Rejected> {
        let proposer = signer(STEP as usize % 3);
        let mut header = child(&self.spec, &self.parent, STEP, proposer.address());
        change(&mut header);
        seal(&self.spec, &mut header, STEP, &proposer, None);
        self.judge(&header)
    }

    fn judge(&self, header: &Header) -> Result<(), Rejected> {
        self.rules.verify(header, &self.parent, &set(0..3), at_step(&self.rules, STEP))
    }

    fn invalid(&self, change: impl FnOnce(&mut Header)) -> InvalidBlock {
        match self.verify(change) {
            Err(Rejected::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn plain() -> Case {
    Case::new(json!({}), json!({}))
}

#[test]
fn accepts_a_good_block() {
    assert_eq!(plain().verify(|_| ()), Ok(()));
}

#[test]
fn rejects_what_the_header_says_of_itself() {
    let case = plain();
    assert!(matches!(case.invalid(|h| h.gas_used = h.gas_limit + 1), InvalidBlock::TooMuchGasUsed { .. }));
    assert!(matches!(case.invalid(|h| h.gas_limit = 0x1387), InvalidBlock::GasLimitTooLow { .. }));
    assert!(matches!(case.invalid(|h| h.extra_data = vec![0; 33].into()), InvalidBlock::ExtraData { .. }));
    assert!(matches!(case.invalid(|h| h.uncles_hash = B256::ZERO), InvalidBlock::Uncles { maximum: 0 }));
    let out_of_bounds = case.invalid(|h| h.difficulty = aurum_aura::MAX_DIFFICULTY);
    assert!(matches!(out_of_bounds, InvalidBlock::DifficultyOutOfBounds { .. }));
    assert_eq!(case.verify(|h| h.extra_data = vec![0; 32].into()), Ok(()));
}

#[test]
fn rejects_what_does_not_follow_from_the_parent() {
    let case = plain();
    let limit = case.parent.gas_limit;
    let parent_time = case.parent.timestamp;
    assert!(matches!(case.invalid(|h| h.timestamp = parent_time), InvalidBlock::TimestampNotAfterParent { .. }));
    assert!(matches!(case.invalid(|h| h.number += 1), InvalidBlock::Number { .. }));
    assert!(matches!(case.invalid(|h| h.gas_limit = limit + limit / 1024), InvalidBlock::GasLimitOutOfBounds { .. }));
    assert!(matches!(case.invalid(|h| h.gas_limit = limit - limit / 1024), InvalidBlock::GasLimitOutOfBounds { .. }));
    assert_eq!(case.verify(|h| h.gas_limit = limit + limit / 1024 - 1), Ok(()));
    assert!(matches!(case.invalid(|h| h.difficulty -= U256::from(1)), InvalidBlock::Difficulty { .. }));
    assert!(matches!(
        case.invalid(|h| h.base_fee_per_gas = Some(1)),
        InvalidBlock::Seal(_) | InvalidBlock::BaseFee { .. }
    ));
}

#[test]
fn score_and_step_rules_start_at_their_transitions() {
    let case = Case::new(json!({ "validateScoreTransition": 3, "validateStepTransition": 3 }), json!({}));
    assert_eq!(case.verify(|h| h.difficulty = U256::from(7)), Ok(()));
    // Going back in steps is allowed before the transition, staying never.
    for (step, allowed) in [(STEP - 2, true), (STEP - 1, false)] {
        let header = sealed_child(&case.spec, &case.parent, step, 3);
        assert_eq!(case.judge(&header).is_ok(), allowed, "step {step}");
    }
}

#[test]
fn a_second_block_for_a_step_is_a_double_vote() {
    let case = plain();
    for step in [STEP - 1, STEP - 2] {
        let proposer = signer(step as usize % 3);
        let mut header = child(&case.spec, &case.parent, step, proposer.address());
        // The true score of such a block is out of bounds already; this one gets as far as the step.
        header.difficulty = U256::from(1);
        seal(&case.spec, &mut header, step, &proposer, None);
        let verdict = case.judge(&header);
        assert!(matches!(verdict, Err(Rejected::Invalid(InvalidBlock::DoubleVote { .. }))), "{verdict:?}");
    }
}

#[test]
fn early_blocks_are_temporarily_invalid_and_far_ones_invalid() {
    let case = plain();
    for (ahead, expected) in [(0, 0), (1, 1), (4, 1), (5, 2)] {
        let verdict = case.judge(&sealed_child(&case.spec, &case.parent, STEP + ahead, 3));
        let found = match verdict {
            Ok(()) => 0,
            Err(Rejected::TemporarilyInvalid(TemporarilyInvalid::Step { .. })) => 1,
            Err(Rejected::Invalid(InvalidBlock::StepTooFarAhead { .. })) => 2,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{ahead} steps ahead");
    }
    let now = at_step(&case.rules, STEP).as_secs();
    assert_eq!(case.verify(|h| h.timestamp = now + 15), Ok(()));
    for seconds in [16, 150] {
        let verdict = case.verify(|h| h.timestamp = now + seconds);
        assert!(matches!(verdict, Err(Rejected::TemporarilyInvalid(TemporarilyInvalid::Timestamp { .. }))));
    }
    assert!(matches!(case.invalid(|h| h.timestamp = now + 151), InvalidBlock::TimestampTooFarAhead { .. }));
    assert!(matches!(case.invalid(|h| h.timestamp = u64::MAX), InvalidBlock::TimestampTooFarAhead { .. }));
}

#[test]
fn author_and_signer_must_both_be_the_proposer() {
    let case = plain();
    let (proposer, other) = (signer(STEP as usize % 3), signer((STEP as usize + 1) % 3));
    let not_proposer = |author: &dyn Signer, sealer: &dyn Signer| {
        let mut header = child(&case.spec, &case.parent, STEP, author.address());
        let mut fields = AuraSeal { step: Step(STEP), signature: [0; 65], empty_steps: None };
        fields.signature = sealer.sign(header.seal_hash(&case.spec.header_format())).unwrap();
        header.seal = fields.to_fields();
        matches!(case.judge(&header), Err(Rejected::Invalid(InvalidBlock::NotProposer { .. })))
    };
    assert!(!not_proposer(&proposer, &proposer));
    assert!(not_proposer(&proposer, &other));
    assert!(not_proposer(&other, &proposer));
    assert!(not_proposer(&other, &other));
}

#[test]
fn an_empty_validator_set_is_an_error_not_a_panic() {
    let case = plain();
    let header = sealed_child(&case.spec, &case.parent, STEP, 3);
    let verdict = case.rules.verify(&header, &case.parent, &ValidatorSet::default(), at_step(&case.rules, STEP));
    assert_eq!(verdict, Err(InvalidBlock::NoValidators.into()));
}

#[test]
fn malformed_seals_are_refused() {
    let case = plain();
    let good = sealed_child(&case.spec, &case.parent, STEP, 3);
    let seal_error = |fields: Vec<Bytes>| match case.judge(&Header { seal: fields, ..good.clone() }) {
        Err(Rejected::Invalid(InvalidBlock::Seal(error))) => error,
        other => panic!("{other:?}"),
    };
    let [step, signature] = [good.seal[0].clone(), good.seal[1].clone()];
    assert_eq!(seal_error(vec![step.clone()]), InvalidSeal::Arity { expected: 2, found: 1 });
    let three = vec![step.clone(), signature.clone(), vec![0xc0].into()];
    assert_eq!(seal_error(three), InvalidSeal::Arity { expected: 2, found: 3 });
    assert_eq!(seal_error(vec![vec![0xc0].into(), signature]), InvalidSeal::Step);
    assert_eq!(seal_error(vec![step.clone(), step]), InvalidSeal::Signature);
    let zero = AuraSeal { step: Step(STEP), signature: [0; 65], empty_steps: None }.to_fields();
    assert_eq!(seal_error(zero), InvalidSeal::Unrecoverable);
    let bad_v = AuraSeal { step: Step(STEP), signature: [27; 65], empty_steps: None }.to_fields();
    assert_eq!(seal_error(bad_v), InvalidSeal::Unrecoverable);
}

#[test]
fn empty_steps_count_for_the_score_if_they_are_in_place() {
    let case = Case::new(json!({ "emptyStepsTransition": 1, "maximumEmptySteps": 9 }), json!({}));
    let (now, parent_hash) = (at_step(&case.rules, STEP + 3), case.parent.hash_slow());
    let empty = |step: u64| {
        let signature = signer(step as usize % 3).sign(EmptyStep::message_hash(step, parent_hash)).unwrap();
        EmptyStep { signature, step }
    };
    let judge = |steps: &[EmptyStep], counted: usize| {
        let proposer = signer((STEP + 3) as usize % 3);
        let mut header = child(&case.spec, &case.parent, STEP + 3, proposer.address());
        header.difficulty += U256::from(counted);
        seal(&case.spec, &mut header, STEP + 3, &proposer, Some(AuraSeal::encode_empty_steps(steps)));
        case.rules.verify(&header, &case.parent, &set(0..3), now)
    };
    let refused = |result| matches!(result, Err(Rejected::Invalid(InvalidBlock::EmptyStep { .. })));
    assert_eq!(judge(&[], 0), Ok(()));
    assert_eq!(judge(&[empty(STEP), empty(STEP + 2)], 2), Ok(()));
    assert!(matches!(judge(&[empty(STEP)], 0), Err(Rejected::Invalid(InvalidBlock::Difficulty { .. }))));
    assert!(refused(judge(&[empty(STEP - 1)], 1)), "the parent's own step");
    assert!(refused(judge(&[empty(STEP + 3)], 1)), "the block's own step");
    assert!(refused(judge(&[empty(STEP + 1), empty(STEP)], 2)), "out of order");
    assert!(refused(judge(&[empty(STEP), empty(STEP)], 2)), "twice");
    let stolen = EmptyStep { step: STEP + 1, ..empty(STEP) };
    assert!(refused(judge(&[stolen], 1)), "signed for another step");
}

#[test]
fn a_gas_limit_contract_replaces_bounds_and_minimum() {
    let engine = json!({ "blockGasLimitContractTransitions": { "2": "0x0000000000000000000000000000000000000005" } });
    let case = Case::new(engine, json!({}));
    assert_eq!(case.verify(|h| h.gas_limit = 7), Ok(()));
    let header = Header { number: 2, gas_limit: 7, ..Header::default() };
    assert!(case.rules.gas_limit_contract(2).is_some() && case.rules.gas_limit_contract(1).is_none());
    assert!(case.rules.verify_gas_limit(&header, &case.parent, Some(U256::from(7))).is_ok());
    assert!(case.rules.verify_gas_limit(&header, &case.parent, Some(U256::from(8))).is_err());
    assert!(case.rules.verify_gas_limit(&header, &case.parent, None).is_err());
}

#[test]
fn the_london_block_may_multiply_the_gas_limit() {
    let params = json!({ "eip1559Transition": 2, "eip1559ElasticityMultiplier": 2,
        "eip1559BaseFeeMaxChangeDenominator": 8, "eip1559BaseFeeInitialValue": 1_000 });
    let case = Case::new(json!({}), params);
    let limit = case.parent.gas_limit;
    assert_eq!(case.verify(|h| h.gas_limit = 2 * limit), Ok(()));
    assert!(matches!(case.invalid(|_| ()), InvalidBlock::GasLimitOutOfBounds { .. }));
    let wrong_fee = case.invalid(|h| (h.gas_limit, h.base_fee_per_gas) = (2 * limit, Some(999)));
    assert!(matches!(wrong_fee, InvalidBlock::BaseFee { expected: Some(1_000), found: Some(999) }));
}

#[test]
fn base_fees_follow_their_rule() {
    let london = json!({ "eip1559Transition": 2, "eip1559ElasticityMultiplier": 2,
        "eip1559BaseFeeMaxChangeDenominator": 8, "eip1559BaseFeeInitialValue": 1_000,
        "eip1559BaseFeeMinValue": 900, "eip1559BaseFeeMinValueTransition": 4 });
    let spec = list_spec(1, json!({}), london);
    let parent = |fee, gas_used| Header {
        number: 2,
        gas_limit: 20_000,
        gas_used,
        base_fee_per_gas: Some(fee),
        ..Header::default()
    };
    assert_eq!(next_base_fee(&spec, &Header::default(), 1), None);
    assert_eq!(next_base_fee(&spec, &Header::default(), 2), Some(1_000));
    for (gas_used, number, expected) in
        [(10_000, 3, 1_000), (20_000, 3, 1_125), (0, 3, 875), (0, 4, 900), (10_001, 3, 1_001), (5_000, 3, 938)]
    {
        assert_eq!(next_base_fee(&spec, &parent(1_000, gas_used), number), Some(expected), "{gas_used}");
    }
    assert_eq!(next_base_fee(&spec, &parent(u64::MAX, 20_000), 3), Some(u64::MAX));

    // From the beginning on, a genesis without a base fee counts as one of 0: OpenEthereum calc_base_fee.
    // A function, not a closure: rustc 1.95 lets two calls of a closure with equal constant arguments share one argument
    // in memory, which the first call has changed and freed (rust-lang/rust#155241).
    fn params(mut extra: serde_json::Value) -> Arc<ChainSpec> {
        extra["eip1559Transition"] = json!(0);
        extra["eip1559ElasticityMultiplier"] = json!(4);
        extra["eip1559BaseFeeMaxChangeDenominator"] = json!(8);
        extra["eip1559BaseFeeInitialValue"] = json!(1_000);
        list_spec(1, json!({}), extra)
    }
    let genesis = Header { gas_limit: 20_000, ..Header::default() };
    assert_eq!(next_base_fee(&params(json!({})), &genesis, 1), Some(0));
    let floor = json!({ "eip1559BaseFeeMinValue": 7, "eip1559BaseFeeMinValueTransition": 1 });
    assert_eq!(next_base_fee(&params(floor), &genesis, 1), Some(7));
    let stated = Header { base_fee_per_gas: Some(800), ..genesis.clone() };
    assert_eq!(next_base_fee(&params(json!({})), &stated, 1), Some(700));
    // The target is a quarter of the limit; the least step up is 1.
    let busy = Header { number: 1, gas_used: 5_001, base_fee_per_gas: Some(0), ..genesis };
    assert_eq!(next_base_fee(&params(json!({})), &busy, 2), Some(1));

    let free = list_spec(1, json!({}), json!({ "eip1559Transition": 0, "gasFree": true }));
    assert_eq!(next_base_fee(&free, &parent(7, 20_000), 3), Some(0));
    let fixed = list_spec(1, json!({}), json!({ "eip1559Transition": 0, "fixedBaseFee": 42 }));
    assert_eq!(next_base_fee(&fixed, &parent(7, 20_000), 3), Some(42));
}

#[test]
fn a_new_gas_limit_moves_towards_its_target_within_the_rules() {
    let case = plain();
    let mut parent = case.parent.clone();
    for _ in 0..2_000 {
        let next = case.rules.next_gas_limit(&parent, 8_000_000);
        let header = Header { number: parent.number + 1, gas_limit: next, ..Header::default() };
        case.rules.verify_gas_limit(&header, &parent, None).unwrap();
        parent = header;
    }
    assert_eq!(parent.gas_limit, 8_000_000);
    assert_eq!(case.rules.next_gas_limit(&parent, 8_000_000), 8_000_000);
}

#[test]
fn skipped_steps_name_each_authority_once() {
    let validators = set(0..3);
    assert!(skipped_proposers(&validators, Step(5), Step(6)).is_empty());
    let skipped = skipped_proposers(&validators, Step(5), Step(8));
    assert_eq!(skipped, [(Step(6), signer(0).address()), (Step(7), signer(1).address())]);
    assert_eq!(skipped_proposers(&validators, Step(0), Step(u64::MAX)).len(), 3);
    assert!(skipped_proposers(&validators, Step(9), Step(3)).is_empty());
}

#[test]
fn skipped_steps_are_reported_once_each_and_never_ones_own() {
    // OpenEthereum report_skipped.
    let validators = set(0..4);
    let [zero, one, two, three] = [0, 1, 2, 3].map(|id| signer(id).address());
    assert!(skipped_to_report(&validators, 7, Step(5), Step(6), zero).is_empty());
    assert_eq!(skipped_to_report(&validators, 7, Step(3), Step(6), three), [zero, one]);
    assert_eq!(skipped_to_report(&validators, 7, Step(3), Step(6), one), [zero], "never ourselves");
    assert_eq!(skipped_to_report(&validators, 7, Step(3), Step(1_000_000_000_000), one), [zero, two, three]);
    assert!(skipped_to_report(&validators, 1, Step(0), Step(60), three).is_empty(), "genesis has no step of its own");
    // A list may name somebody twice: the first repetition ends it.
    let twice = ValidatorSet::new(vec![zero, one, zero, two]);
    assert_eq!(skipped_to_report(&twice, 7, Step(3), Step(8), three), [zero, one]);
    assert!(skipped_to_report(&set(0..1), 7, Step(3), Step(u64::MAX), zero).is_empty());
}

#[test]
fn offences_are_those_openethereum_reports() {
    let case = plain();
    let (proposer, other) = (signer(STEP as usize % 3), signer((STEP as usize + 1) % 3));
    let offence = |header: &Header| match case.judge(header) {
        Err(Rejected::Invalid(rule)) => rule.offence(),
        other => panic!("{other:?}"),
    };
    let mut out_of_turn = child(&case.spec, &case.parent, STEP, other.address());
    seal(&case.spec, &mut out_of_turn, STEP, &other, None);
    assert_eq!(offence(&out_of_turn), Some(Offence::Benign));
    let far = sealed_child(&case.spec, &case.parent, STEP + 5, 3);
    assert_eq!(offence(&far), Some(Offence::Benign));
    let back = signer((STEP - 1) as usize % 3);
    let mut twice = child(&case.spec, &case.parent, STEP - 1, back.address());
    twice.difficulty = U256::from(1);
    seal(&case.spec, &mut twice, STEP - 1, &back, None);
    assert_eq!(offence(&twice), Some(Offence::Malicious));
    let mut light = child(&case.spec, &case.parent, STEP, proposer.address());
    light.difficulty -= U256::from(1);
    seal(&case.spec, &mut light, STEP, &proposer, None);
    assert_eq!(offence(&light), None);
    assert!(InvalidBlock::StepTooFarAhead { step: Step(9), current: Step(1) }.depends_on_clock());
    assert!(!InvalidBlock::NoValidators.depends_on_clock());
}

fn message(step: u64, parent: B256) -> EmptyStepMessage {
    EmptyStepMessage::sign(Step(step), parent, &signer(step as usize % 3)).unwrap()
}

#[test]
fn an_empty_step_is_taken_of_its_proposer_when_its_time_has_come() {
    // OpenEthereum handle_message.
    let (validators, parent) = (set(0..3), B256::repeat_byte(7));
    let mut collected = EmptySteps::default();
    let mut accept =
        |message: &EmptyStepMessage| collected.accept(message, Step(STEP - 1), &validators, Step(STEP + 1));
    assert_eq!(accept(&message(STEP, parent)), Ok(true));
    assert_eq!(accept(&message(STEP, parent)), Ok(false), "once");
    assert_eq!(accept(&message(STEP + 1, parent)), Ok(true));
    let early = EmptyStepRefused::Early { step: Step(STEP + 2), current: Step(STEP + 1) };
    assert_eq!(accept(&message(STEP + 2, parent)), Err(early));
    let stale = EmptyStepRefused::Stale { step: Step(STEP - 1), parent: Step(STEP - 1) };
    assert_eq!(accept(&message(STEP - 1, parent)), Err(stale));
    let stolen = EmptyStepMessage { step: Step(STEP + 1), parent_hash: B256::ZERO, ..message(STEP, B256::ZERO) };
    assert_eq!(accept(&stolen), Err(EmptyStepRefused::NotProposer { step: Step(STEP + 1) }));
    let moved = EmptyStepMessage { parent_hash: B256::ZERO, ..message(STEP, parent) };
    assert_eq!(accept(&moved), Err(EmptyStepRefused::NotProposer { step: Step(STEP) }));
}

#[test]
fn a_block_carries_what_is_strictly_between_and_later_blocks_clear_it() {
    // OpenEthereum empty_steps, clear_empty_steps.
    let (validators, parent) = (set(0..3), B256::repeat_byte(7));
    let mut collected = EmptySteps::default();
    for step in [STEP + 2, STEP, STEP + 1, STEP + 3] {
        collected.accept(&message(step, parent), Step(STEP - 1), &validators, Step(STEP + 9)).unwrap();
    }
    collected.accept(&message(STEP + 1, B256::ZERO), Step(STEP - 1), &validators, Step(STEP + 9)).unwrap();
    let steps = |collected: &EmptySteps, from, to| -> Vec<u64> {
        collected.between(Step(from), Step(to), parent).iter().map(|empty| empty.step).collect()
    };
    assert_eq!(steps(&collected, STEP - 1, STEP + 3), [STEP, STEP + 1, STEP + 2]);
    assert_eq!(steps(&collected, STEP, STEP + 2), [STEP + 1]);
    assert!(steps(&collected, STEP, STEP + 1).is_empty());
    assert!(steps(&collected, STEP + 5, STEP + 1).is_empty());
    collected.forget_until(Step(STEP + 1));
    assert_eq!(steps(&collected, STEP - 1, STEP + 9), [STEP + 2, STEP + 3]);
    collected.forget_until(Step(u64::MAX));
    assert!(collected.is_empty());
}

#[test]
fn an_empty_step_on_the_wire_is_openethereums() {
    // EmptyStep::rlp_append: [signature, [step, parent hash]].
    let message = message(STEP, B256::repeat_byte(7));
    let bytes = message.encode();
    let inner = [&[0xe4][..], &[0x82, 0x03, 0xe8], &[0xa0], &[7; 32]].concat();
    let mut expected = vec![0xf8, u8::try_from(2 + 65 + inner.len()).unwrap()];
    expected.extend([0xb8, 65]);
    expected.extend(message.signature);
    expected.extend(inner);
    assert_eq!(bytes, expected);
    assert_eq!(EmptyStepMessage::decode(&bytes), Ok(message));
    assert!(EmptyStepMessage::decode(&[&bytes[..], &[0]].concat()).is_err());
    assert_eq!(message.signer(), Ok(signer(STEP as usize % 3).address()));
}

#[test]
fn uncles_are_children_of_the_branch_within_six_blocks() {
    // OpenEthereum verify_uncles.
    let case = Case::new(json!({ "maximumUncleCount": 2 }), json!({}));
    let now = at_step(&case.rules, STEP + 50);
    let mut chain = vec![genesis(&case.spec)];
    for step in 0..9 {
        let next = sealed_child(&case.spec, chain.last().unwrap(), STEP + 3 * step, 3);
        chain.push(next);
    }
    // A sibling of block `number`, one step later.
    let sibling = |number: usize| {
        let parent = &chain[number - 1];
        sealed_child(&case.spec, parent, chain[number].step().unwrap().0 + 1, 3)
    };
    let header = sealed_child(&case.spec, &chain[9], STEP + 40, 3);
    let ancestor = |header: &Header, uncles: &[B256]| Ancestor {
        header: header.clone(),
        hash: header.hash_slow(),
        uncles: uncles.to_vec(),
        validators: set(0..3),
    };
    let below = |with: &[B256]| -> Vec<Ancestor> {
        chain.iter().rev().take(7).enumerate().map(|(i, h)| ancestor(h, if i == 2 { with } else { &[] })).collect()
    };
    let judge = |uncles: &[Header], with: &[B256]| {
        case.rules.verify_uncles(&header, header.hash_slow(), uncles, &below(with), now)
    };
    let refused = |result| matches!(result, Err(Rejected::Invalid(InvalidBlock::Uncle { .. })));
    assert_eq!(judge(&[], &[]), Ok(()));
    assert_eq!(judge(&[sibling(9), sibling(4)], &[]), Ok(()));
    assert!(refused(judge(&[sibling(3)], &[])), "seven blocks below");
    assert!(refused(judge(&[chain[8].clone()], &[])), "on the branch");
    assert!(refused(judge(&[sibling(7)], &[sibling(7).hash_slow()])), "an uncle before");
    assert!(refused(judge(&[sibling(7), sibling(7)], &[])), "twice");
    let brother = sealed_child(&case.spec, &chain[9], STEP + 41, 3);
    assert!(refused(judge(&[brother], &[])), "beside the block itself");
    let stranger = Header { parent_hash: B256::ZERO, ..sibling(8) };
    assert!(refused(judge(&[stranger], &[])), "no child of the branch");
    let three = [sibling(9), sibling(8), sibling(7)];
    assert!(matches!(judge(&three, &[]), Err(Rejected::Invalid(InvalidBlock::Uncles { maximum: 2 }))));
    let wrong = Header { difficulty: U256::from(5), ..sibling(8) };
    assert!(matches!(judge(&[wrong], &[]), Err(Rejected::Invalid(InvalidBlock::UncleHeader { .. }))));
    // Who signed it is not asked: OpenEthereum calls no verify_block_external for uncles.
    let unsigned = Header { author: Address::ZERO, ..sibling(8) };
    assert_eq!(judge(&[unsigned], &[]), Ok(()));
}

#[test]
fn uncles_are_two_before_the_transition_and_none_after_unless_said_so() {
    let case = Case::new(json!({ "maximumUncleCountTransition": 5, "maximumUncleCount": 1 }), json!({}));
    assert_eq!([0, 4, 5, 6].map(|number| case.rules.maximum_uncles(number)), [2, 2, 1, 1]);
    assert_eq!(plain().rules.maximum_uncles(0), 0);
    assert!(matches!(plain().invalid(|h| h.uncles_hash = B256::repeat_byte(1)), InvalidBlock::Uncles { maximum: 0 }));
}

#[test]
fn a_gas_limit_contract_that_does_not_answer_leaves_the_least_gas_limit() {
    let engine = json!({ "blockGasLimitContractTransitions": { "2": "0x0000000000000000000000000000000000000005" } });
    let case = Case::new(engine, json!({}));
    let parent = Header { gas_limit: 5_003, ..case.parent.clone() };
    let header = |gas_limit| Header { number: 2, gas_limit, ..Header::default() };
    assert!(matches!(
        case.rules.verify_gas_limit(&header(4_999), &parent, None),
        Err(InvalidBlock::GasLimitTooLow { minimum: 5_000, found: 4_999 })
    ));
    assert_eq!(case.rules.verify_gas_limit(&header(5_001), &parent, None), Ok(()));
}

#[test]
fn a_signer_prints_no_secret() {
    let printed = format!("{:?}", signer(1));
    assert!(printed.contains("***"));
    assert!(!printed.contains(&alloy::primitives::hex::encode(alloy::primitives::keccak256("1"))));
}

proptest! {
    #[test]
    fn any_bit_of_the_seal_matters(bit in 0usize..8 * (3 + 67 + 72), empty_steps in any::<bool>()) {
        let engine = if empty_steps { json!({ "emptyStepsTransition": 1, "maximumEmptySteps": 9 }) } else { json!({}) };
        let case = Case::new(engine, json!({}));
        let proposer = signer((STEP + 1) as usize % 3);
        let mut header = child(&case.spec, &case.parent, STEP + 1, proposer.address());
        let carried = EmptyStep {
            signature: message(STEP, header.parent_hash).signature,
            step: STEP,
        };
        header.difficulty += U256::from(u8::from(empty_steps));
        seal(&case.spec, &mut header, STEP + 1, &proposer, Some(AuraSeal::encode_empty_steps(&[carried])));
        let now = at_step(&case.rules, STEP + 1);
        prop_assert_eq!(case.rules.verify(&header, &case.parent, &set(0..3), now), Ok(()));
        let (mut byte, mut field) = (bit / 8, 0);
        while field < header.seal.len() && byte >= header.seal[field].len() {
            byte -= header.seal[field].len();
            field += 1;
        }
        prop_assume!(field < header.seal.len());
        let mut bytes = header.seal[field].to_vec();
        bytes[byte] ^= 1 << (bit % 8);
        header.seal[field] = bytes.into();
        prop_assert!(case.rules.verify(&header, &case.parent, &set(0..3), now).is_err());
    }

    #[test]
    fn arbitrary_headers_never_panic(
        step in any::<u64>(), number in any::<u64>(), gas in any::<(u64, u64)>(), timestamp in any::<u64>(),
        seal in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from), 0..4),
        now in any::<u64>(),
    ) {
        let case = Case::new(json!({ "emptyStepsTransition": 5 }), json!({ "eip1559Transition": 7 }));
        let header = Header { number, gas_limit: gas.0, gas_used: gas.1, timestamp, seal, ..child(&case.spec, &case.parent, step, case.parent.author) };
        let _ = case.rules.verify(&header, &case.parent, &set(0..3), Duration::from_secs(now));
        let mut header = header;
        common::seal(&case.spec, &mut header, step, &signer(step as usize % 3), None);
        let _ = case.rules.verify(&header, &case.parent, &set(0..3), Duration::from_secs(now));
    }

    #[test]
    fn steps_and_times_agree(durations in proptest::collection::btree_map(1u64..1_000_000, 1u64..100, 0..5), first in 1u64..100, at in 0u64..2_000_000) {
        let mut map = serde_json::Map::from_iter([("0".to_owned(), json!(first))]);
        map.extend(durations.iter().map(|(from, duration)| (from.to_string(), json!(duration))));
        let spec = list_spec(1, json!({ "stepDuration": map }), json!({}));
        let steps = aurum_aura::StepSchedule::new(&spec.engine);
        let now = Duration::from_secs(at);
        let step = steps.step_at(now);
        prop_assert!(steps.start_of(step) <= now && now < steps.start_of(step.next()));
        prop_assert_eq!(steps.step_at(steps.start_of(step)), step);
    }
}
