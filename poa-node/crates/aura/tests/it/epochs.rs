//! Stories of validator changes, told to the engine state block by block.

use std::{cell::Cell, convert::Infallible, sync::Arc};

use crate::common::{addresses, child, genesis, list_spec, set, signer, spec};
use alloy::{
    consensus::TxType,
    primitives::{Address, B256, Log, LogData, b256},
    sol_types::{SolType, sol_data},
};
use aurum_aura::{EngineState, Signer, Source, validators_source};
use aurum_types::{BlockNumber, ChainSpec, Header, Receipt, ReceiptOutcome, ValidatorSet, logs_bloom};
use proptest::prelude::*;
use serde_json::{Value, json};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::repeat_byte(0xc1);
const TOPIC: B256 = b256!("55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89");

fn event(contract: Address, parent: B256, set: &ValidatorSet) -> Log {
    let data = <(sol_data::Array<sol_data::Address>,)>::abi_encode_params(&(set.as_slice().to_vec(),));
    Log { address: contract, data: LogData::new_unchecked(vec![TOPIC, parent], data.into()) }
}

fn receipt(logs: Vec<Log>) -> Receipt {
    Receipt { tx_type: TxType::Legacy, outcome: ReceiptOutcome::Status(true), cumulative_gas_used: 0, logs }
}

/// One branch of a chain: the head, its engine state, what is final.
#[derive(Clone)]
struct Branch {
    spec: Arc<ChainSpec>,
    head: Header,
    state: EngineState,
    finalized: Vec<BlockNumber>,
}

impl Branch {
    fn new(spec: Arc<ChainSpec>, initial: ValidatorSet) -> Self {
        let head = genesis(&spec);
        let state = EngineState::genesis(&spec, &head, initial);
        Self { spec, head, state, finalized: Vec::new() }
    }

    /// One block, by the proposer of `step`, with these logs in one receipt each; contracts answer `answers`.
    fn step_with(&mut self, step: u64, logs: impl FnOnce(B256) -> Vec<Vec<Log>>, answers: &ValidatorSet) -> &mut Self {
        let author = self.state.child_validators().proposer(aurum_types::Step(step)).unwrap();
        let mut header = child(&self.spec, &self.head, step, author);
        let receipts: Vec<_> = logs(header.parent_hash).into_iter().map(receipt).collect();
        header.logs_bloom = logs_bloom(receipts.iter().flat_map(|receipt| &receipt.logs));
        header.seal = vec![alloy::rlp::encode(step).into(), vec![0x80].into()];
        let hash = header.hash_slow();
        let answer = |_: Address| Ok::<_, Infallible>(answers.clone());
        let (state, finalized) = self.state.advance(&header, hash, &receipts, answer).unwrap();
        self.finalized.extend(finalized.into_iter().map(|(number, _)| number));
        self.state = state;
        self.head = header;
        self
    }

    /// The next block at the next step, without events.
    fn next(&mut self) -> &mut Self {
        let step = self.head.step().unwrap().0 + 1;
        self.step_with(step, |_| Vec::new(), &ValidatorSet::default())
    }

    fn signal(&mut self, contract: Address, set: &ValidatorSet) -> &mut Self {
        let step = self.head.step().unwrap().0 + 1;
        self.step_with(step, |parent| vec![vec![event(contract, parent, set)]], &ValidatorSet::default())
    }

    fn validators(&self) -> &ValidatorSet {
        self.state.child_validators()
    }
}

fn contract_spec(engine: Value) -> Arc<ChainSpec> {
    spec(json!({ "contract": CONTRACT }), engine, json!({}))
}

#[test]
fn a_signal_applies_after_the_block_that_finalizes_it() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..3));
    // Genesis is an epoch of its own: block 1 calls finalizeChange.
    assert_eq!(branch.state.child_begins_epoch(), Some(CONTRACT));
    branch.next();
    assert_eq!(branch.state.child_begins_epoch(), None);

    branch.signal(CONTRACT, &set(5..7));
    let pending = branch.state.pending_change().unwrap();
    assert_eq!((pending.signalled_at, pending.needed, pending.signers.len()), (2, 2, 1));
    assert_eq!(pending.validators, set(5..7));
    assert_eq!(branch.validators(), &set(0..3));

    // Block 3 is by the second authority: block 2 is final there, so F = 3 and the new set seals 4.
    branch.next();
    assert_eq!(branch.finalized, [1, 2]);
    assert_eq!(branch.validators(), &set(5..7));
    assert_eq!(branch.state.child_begins_epoch(), Some(CONTRACT));
    assert_eq!(branch.state.pending_change(), None);
    assert_eq!(branch.state.status().epoch_recorded_at, 3);

    // The new epoch counts its own signers only; block 3 is final with its descendants.
    branch.next();
    assert_eq!(branch.state.child_begins_epoch(), None);
    assert_eq!(branch.finalized, [1, 2]);
    branch.next();
    assert_eq!(branch.finalized, [1, 2, 4]);
}

#[test]
fn one_authority_changes_at_the_next_block() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..1));
    branch.next().signal(CONTRACT, &set(1..2));
    assert_eq!(branch.finalized, [1, 2]);
    assert_eq!(branch.validators(), &set(1..2));
    assert_eq!(branch.state.child_begins_epoch(), Some(CONTRACT));
}

#[test]
fn signals_are_lost_while_one_is_pending() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..4));
    branch.signal(CONTRACT, &set(4..6)).signal(CONTRACT, &set(6..9));
    assert_eq!(branch.state.pending_change().unwrap().validators, set(4..6));
    branch.next();
    assert_eq!(branch.validators(), &set(4..6));
    // The lost one does not come back when its block would be final.
    for _ in 0..6 {
        branch.next();
    }
    assert_eq!(branch.validators(), &set(4..6));
    assert_eq!(branch.state.pending_change(), None);
}

#[test]
fn the_finalizing_blocks_own_signal_is_lost() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..2));
    branch.signal(CONTRACT, &set(2..4));
    branch.signal(CONTRACT, &set(7..9));
    assert_eq!(branch.validators(), &set(2..4));
    assert_eq!(branch.state.pending_change(), None);
    branch.next().next();
    assert_eq!(branch.validators(), &set(2..4));
}

#[test]
fn the_last_receipt_wins_and_in_it_the_first_event() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..4));
    let logs = |parent: B256| {
        let garbage = Log { address: CONTRACT, data: LogData::new_unchecked(vec![TOPIC, parent], vec![1, 2].into()) };
        vec![
            vec![event(CONTRACT, parent, &set(1..2))],
            vec![garbage, event(CONTRACT, parent, &set(2..3)), event(CONTRACT, parent, &set(3..4))],
            vec![event(OTHER, parent, &set(5..6)), event(CONTRACT, B256::ZERO, &set(6..7))],
        ]
    };
    branch.step_with(1, logs, &ValidatorSet::default());
    assert_eq!(branch.state.pending_change().unwrap().validators, set(2..3));
}

#[test]
fn an_event_that_does_not_name_the_parent_is_none() {
    let mut branch = Branch::new(contract_spec(json!({})), set(0..4));
    branch.step_with(1, |_| vec![vec![event(CONTRACT, B256::ZERO, &set(1..2))]], &ValidatorSet::default());
    assert_eq!(branch.state.pending_change(), None);
}

#[test]
fn a_list_in_multi_applies_from_the_next_block() {
    let multi = json!({ "multi": { "0": { "list": addresses(0..3) }, "4": { "list": addresses(3..5) } } });
    let mut branch = Branch::new(spec(multi, json!({}), json!({})), set(0..3));
    branch.next().next().next();
    assert_eq!(branch.validators(), &set(0..3), "block 4 is still the old set's");
    branch.next();
    assert_eq!(branch.head.number, 4);
    assert_eq!(branch.validators(), &set(3..5), "block 5 is the new set's");
    assert!(branch.state.records_epoch());
    assert_eq!(branch.state.child_begins_epoch(), None, "a list has nothing to call");
}

#[test]
fn with_immediate_transitions_a_list_in_multi_applies_at_its_block() {
    let multi = json!({ "multi": { "0": { "list": addresses(0..3) }, "4": { "list": addresses(3..5) } } });
    let mut branch = Branch::new(spec(multi, json!({ "immediateTransitions": true }), json!({})), set(0..3));
    branch.next().next();
    assert_eq!(branch.validators(), &set(0..3), "block 3 is the old set's");
    branch.next();
    assert_eq!(branch.validators(), &set(3..5), "block 4 is the new set's");
    assert!(branch.finalized.is_empty());
    assert_eq!(branch.state.child_begins_epoch(), None);
}

#[test]
fn a_contract_in_multi_is_signalled_at_its_block_and_applies_after_finality() {
    let multi = json!({ "multi": { "0": { "list": addresses(0..3) }, "4": { "contract": CONTRACT } } });
    let mut branch = Branch::new(spec(multi, json!({}), json!({})), set(0..3));
    assert_eq!(branch.state.child_begins_epoch(), None);
    branch.next().next().next();
    assert_eq!(branch.state.pending_change(), None);
    branch.step_with(4, |_| Vec::new(), &set(8..10));
    assert_eq!(branch.state.pending_change().unwrap().validators, set(8..10));
    assert_eq!(branch.validators(), &set(0..3));
    branch.next();
    assert_eq!(branch.validators(), &set(8..10), "block 4 is final at 5");
    assert_eq!(branch.state.child_begins_epoch(), Some(CONTRACT));
}

#[test]
fn a_list_in_multi_drops_the_change_that_waits() {
    let multi = json!({ "multi": { "0": { "contract": CONTRACT }, "3": { "list": addresses(3..5) } } });
    let mut branch = Branch::new(spec(multi, json!({}), json!({})), set(0..9));
    branch.signal(CONTRACT, &set(6..7));
    assert!(branch.state.pending_change().is_some());
    branch.next().next();
    assert_eq!(branch.validators(), &set(3..5));
    assert_eq!(branch.state.pending_change(), None);
}

#[test]
fn with_immediate_transitions_the_contract_is_asked_after_every_block() {
    let mut branch = Branch::new(contract_spec(json!({ "immediateTransitions": true })), set(0..3));
    assert_eq!(branch.state.child_begins_epoch(), None);
    branch.step_with(1, |_| Vec::new(), &set(0..3)).step_with(2, |_| Vec::new(), &set(4..5));
    assert_eq!(branch.validators(), &set(4..5));
    assert!(branch.finalized.is_empty());
}

#[test]
fn the_contract_is_asked_only_where_its_word_counts() {
    let asked = Cell::new(0);
    let spec = contract_spec(json!({}));
    let head = genesis(&spec);
    let state = EngineState::genesis(&spec, &head, set(0..3));
    let header = child(&spec, &head, 1, signer(1).address());
    let answer = |_: Address| {
        asked.set(asked.get() + 1);
        Ok::<_, Infallible>(ValidatorSet::default())
    };
    state.advance(&header, header.hash_slow(), &[], answer).unwrap();
    assert_eq!(asked.get(), 0);
}

#[test]
fn the_callers_error_comes_back() {
    let spec = contract_spec(json!({ "immediateTransitions": true }));
    let head = genesis(&spec);
    let state = EngineState::genesis(&spec, &head, set(0..3));
    let header = child(&spec, &head, 1, signer(1).address());
    let result = state.advance(&header, header.hash_slow(), &[], |_| Err("disk"));
    assert_eq!(result.unwrap_err(), "disk");
}

#[test]
fn the_source_for_genesis_may_be_that_of_block_one() {
    // OpenEthereum correct_set_by_number(0): the largest key up to 1.
    let multi = json!({ "multi": { "0": { "list": addresses(0..1) }, "1": { "safeContract": CONTRACT } } });
    let source = validators_source(&spec(multi, json!({}), json!({})), 0);
    assert_eq!(source, Source::Contract { address: CONTRACT, reports: false });
    assert_eq!(validators_source(&list_spec(2, json!({}), json!({})), 7), Source::List(set(0..2)));
}

#[test]
fn two_thirds_take_longer_to_apply_a_change() {
    let mut branch = Branch::new(contract_spec(json!({ "twoThirdsMajorityTransition": 0 })), set(0..3));
    branch.next().signal(CONTRACT, &set(5..7)).next();
    assert_eq!(branch.state.pending_change().unwrap().signers.len(), 2);
    branch.next();
    assert_eq!(branch.validators(), &set(5..7));
}

#[test]
fn bytes_of_another_version_are_refused() {
    let spec = contract_spec(json!({}));
    let state = Branch::new(Arc::clone(&spec), set(0..3)).state;
    let mut bytes = state.encode();
    assert_eq!(EngineState::decode(&spec, &bytes).unwrap(), state);
    bytes[0] = 99;
    assert!(EngineState::decode(&spec, &bytes).is_err());
    assert!(EngineState::decode(&spec, &[]).is_err());
}

/// What one generated block does: which earlier block it extends, how many steps it skips, whether it signals.
#[derive(Clone, Debug)]
struct Made {
    parent: usize,
    skip: u64,
    signal: Option<usize>,
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let one = (any::<prop::sample::Index>(), 1u64..4, prop::option::weighted(0.2, 0usize..4));
    proptest::collection::vec(one, 1..60).prop_map(|blocks| {
        let made = |(i, (parent, skip, signal)): (usize, (prop::sample::Index, u64, Option<usize>))| {
            // Mostly long branches, with forks.
            let parent = if i > 0 && parent.index(4) > 0 { i } else { parent.index(i + 1) };
            Made { parent, skip, signal }
        };
        blocks.into_iter().enumerate().map(made).collect()
    })
}

fn grow(branch: &Branch, made: &Made) -> Branch {
    let mut next = branch.clone();
    let step = branch.head.step().unwrap().0 + made.skip;
    let logs = |parent| made.signal.map(|first| vec![event(CONTRACT, parent, &set(first..first + 3))]);
    next.step_with(step, |parent| logs(parent).into_iter().collect(), &set(0..4));
    next
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forks_give_the_same_states_in_any_order(blocks in made(), two_thirds in any::<bool>()) {
        let engine = if two_thirds { json!({ "twoThirdsMajorityTransition": 5 }) } else { json!({}) };
        let first = Branch::new(contract_spec(engine), set(0..4));
        // Breadth first, as blocks arrive.
        let mut tree = vec![first.clone()];
        for made in &blocks {
            let next = grow(&tree[made.parent], made);
            tree.push(next);
        }
        // Each block again, straight from genesis, through bytes at every step, as after restarts.
        for (index, branch) in tree.iter().enumerate().skip(1) {
            let mut path = vec![index];
            while let Some(parent) = path.last().filter(|last| **last > 0).map(|last| blocks[*last - 1].parent) {
                path.push(parent);
            }
            let mut alone = first.clone();
            for step in path.iter().rev().skip(1) {
                alone.state = EngineState::decode(&alone.spec, &alone.state.encode()).unwrap();
                alone = grow(&alone, &blocks[*step - 1]);
            }
            prop_assert_eq!(&alone.state, &branch.state);
            prop_assert_eq!(alone.state.encode(), branch.state.encode());
            prop_assert_eq!(&alone.finalized, &branch.finalized);
            prop_assert!(alone.finalized.is_sorted());
            let pending = branch.state.pending_change();
            prop_assert!(pending.is_none_or(|pending| pending.signers.len() < pending.needed));
        }
    }

    #[test]
    fn arbitrary_bytes_decode_or_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let spec = contract_spec(json!({}));
        if let Some(first) = bytes.first_mut() { *first = 1; }
        if let Ok(state) = EngineState::decode(&spec, &bytes) {
            prop_assert_eq!(state.encode(), bytes);
        }
    }
}
