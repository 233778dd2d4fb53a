//! The engine state against a model that does what OpenEthereum's code says, word by word and from genesis every time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use crate::common::{addresses, child, genesis, set, spec};
use alloy::{
    consensus::TxType,
    primitives::{Address, B256, Log, LogData, b256},
    rlp,
    sol_types::{SolType, sol_data},
};
use aurum_aura::{AuraSeal, EmptyStep, EngineState};
use aurum_types::{BlockNumber, ChainSpec, Header, Receipt, ReceiptOutcome, Step, ValidatorSet, logs_bloom};
use proptest::prelude::*;
use serde_json::{Value, json};

const TOPIC: B256 = b256!("55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89");
const CONTRACTS: [Address; 2] = [Address::repeat_byte(0xc0), Address::repeat_byte(0xc1)];

#[derive(Clone, Debug)]
enum Kind {
    List(ValidatorSet),
    Contract(Address),
}

/// What a contract answers that becomes the source at `number`.
fn answer_at(number: BlockNumber) -> ValidatorSet {
    let first = usize::try_from(number % 5).unwrap();
    set(first..first + 1 + usize::try_from(number % 4).unwrap())
}

/// One block as the model knows it.
#[derive(Clone, Debug)]
struct Fact {
    number: BlockNumber,
    author: Address,
    /// Signers of the empty steps it carries.
    approving: Vec<Address>,
    /// Contracts that announced a set in it, in order.
    signals: Vec<(Address, ValidatorSet)>,
}

/// OpenEthereum's epochs and rolling finality over one branch.
#[derive(Debug)]
struct Model {
    validators: ValidatorSet,
    recorded_at: BlockNumber,
    finalized: Vec<BlockNumber>,
    /// Every pending transition ever stored, by its block (`pending_transitions`): lost ones are in it for ever.
    signalled: BTreeMap<BlockNumber, ValidatorSet>,
    begins: Option<Address>,
}

fn entry(schedule: &[(BlockNumber, Kind)], number: BlockNumber) -> &(BlockNumber, Kind) {
    schedule.iter().rev().find(|(from, _)| *from <= number + 1).unwrap()
}

fn model(schedule: &[(BlockNumber, Kind)], two_thirds_from: Option<BlockNumber>, facts: &[Fact]) -> Model {
    let first = match &entry(schedule, 0).1 {
        Kind::List(list) => list.clone(),
        Kind::Contract(_) => answer_at(0),
    };
    let mut model =
        Model { validators: first, recorded_at: 0, finalized: Vec::new(), signalled: BTreeMap::new(), begins: None };
    // RollingFinality: blocks with whoever stands behind them.
    let mut headers: VecDeque<(BlockNumber, Vec<Address>)> = VecDeque::new();
    for fact in facts {
        let (from, kind) = entry(schedule, fact.number);
        // signals_epoch_end
        if let Kind::Contract(contract) = kind {
            if *from == fact.number {
                model.signalled.insert(fact.number, answer_at(fact.number));
            } else if let Some((_, new)) = fact.signals.iter().find(|(by, _)| by == contract) {
                model.signalled.insert(fact.number, new.clone());
            }
        }
        // build_finality
        if let Some((_, signers)) = headers.back_mut() {
            signers.extend(&fact.approving);
        }
        headers.push_back((fact.number, vec![fact.author]));
        let mut newly = Vec::new();
        while let Some((number, _)) = headers.front() {
            let signers: BTreeSet<_> = headers.iter().flat_map(|(_, signers)| signers).collect();
            let all = model.validators.len();
            let is_final = match two_thirds_from {
                Some(from) if *number >= from => signers.len() * 3 > all * 2,
                _ => signers.len() * 2 > all,
            };
            if !is_final {
                break;
            }
            newly.extend(headers.pop_front().map(|(number, _)| number));
        }
        model.finalized.extend(&newly);
        // is_epoch_end
        let change = match kind {
            Kind::List(list) if *from == fact.number => Some(list),
            _ => newly.iter().find_map(|number| model.signalled.get(number)),
        };
        if let Some(new) = change.cloned() {
            model.validators = new;
            model.recorded_at = fact.number;
            headers.clear();
        }
    }
    let number = facts.last().map_or(0, |fact| fact.number);
    if model.recorded_at == number {
        // on_epoch_begin of the child
        if let Kind::Contract(contract) = entry(schedule, number + 1).1 {
            model.begins = Some(contract);
        }
    }
    model
}

/// One branch: facts for the model, and the engine's state.
#[derive(Clone)]
struct Branch {
    head: Header,
    state: EngineState,
    finalized: Vec<BlockNumber>,
    facts: Vec<Fact>,
}

/// What one generated block does.
#[derive(Clone, Debug)]
struct Made {
    /// Which block it is built on, counted back from the latest; 0 is the latest.
    back: usize,
    skip: u64,
    /// Of the skipped steps, which are carried as empty ones (bits).
    carried: u8,
    signals: Vec<(usize, usize, usize)>,
    restart: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let signal = (0..2usize, 0..6usize, 1..5usize);
    (
        prop_oneof![4 => Just(0), 1 => 0..6usize],
        1..5u64,
        any::<u8>(),
        prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(signal, 1..3)],
        any::<bool>(),
    )
        .prop_map(|(back, skip, carried, signals, restart)| Made { back, skip, carried, signals, restart })
}

fn schedules() -> impl Strategy<Value = Vec<(BlockNumber, Kind)>> {
    let kind = prop_oneof![
        (0..5usize, 1..6usize).prop_map(|(first, len)| Kind::List(set(first..first + len))),
        (0..2usize).prop_map(|index| Kind::Contract(CONTRACTS[index])),
    ];
    (kind.clone(), proptest::collection::btree_map(1..25u64, kind, 0..4))
        .prop_map(|(first, rest)| std::iter::once((0, first)).chain(rest).collect())
}

fn to_json(schedule: &[(BlockNumber, Kind)]) -> Value {
    let sets = schedule.iter().map(|(from, kind)| {
        let set = match kind {
            Kind::List(list) => json!({ "list": list.as_slice() }),
            Kind::Contract(address) => json!({ "contract": address }),
        };
        (from.to_string(), set)
    });
    json!({ "multi": Value::Object(sets.collect()) })
}

fn event(contract: Address, parent: B256, set: &ValidatorSet) -> Log {
    let data = <(sol_data::Array<sol_data::Address>,)>::abi_encode_params(&(set.as_slice().to_vec(),));
    Log { address: contract, data: LogData::new_unchecked(vec![TOPIC, parent], data.into()) }
}

impl Branch {
    fn grow(&self, spec: &ChainSpec, made: &Made) -> Self {
        let parent_step = self.head.step().unwrap().0;
        let step = parent_step + made.skip;
        let validators = self.state.child_validators();
        let author = validators.proposer(Step(step)).unwrap();
        let carried: Vec<_> =
            (parent_step + 1..step).filter(|skipped| made.carried >> (skipped % 8) & 1 == 1).collect();
        let approving = carried.iter().map(|step| validators.proposer(Step(*step)).unwrap()).collect();
        let signals: Vec<_> = made
            .signals
            .iter()
            .map(|(contract, first, len)| (CONTRACTS[*contract], set(*first..first + len)))
            .collect();

        let mut header = child(spec, &self.head, step, author);
        let logs = signals.iter().map(|(contract, set)| event(*contract, header.parent_hash, set)).collect();
        let receipt =
            Receipt { tx_type: TxType::Legacy, outcome: ReceiptOutcome::Status(true), cumulative_gas_used: 0, logs };
        header.logs_bloom = logs_bloom(&receipt.logs);
        let empty: Vec<_> = carried.iter().map(|step| EmptyStep { signature: [0; 65], step: *step }).collect();
        header.seal =
            vec![rlp::encode(step).into(), rlp::encode([0u8; 65]).into(), AuraSeal::encode_empty_steps(&empty)];
        let hash = header.hash_slow();
        let mut state = self.state.clone();
        if made.restart {
            state = EngineState::decode(spec, &state.encode()).unwrap();
        }
        let answer = |_: Address| Ok::<_, Infallible>(answer_at(header.number));
        let (state, newly) = state.advance(&header, hash, &[receipt], answer).unwrap();
        let mut next = self.clone();
        next.finalized.extend(newly.iter().map(|(number, _)| *number));
        next.facts.push(Fact { number: header.number, author, approving, signals });
        next.state = state;
        next.head = header;
        next
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn epochs_and_finality_are_the_models_under_forks_and_restarts(
        schedule in schedules(),
        two_thirds_from in prop::option::of(0..30u64),
        blocks in proptest::collection::vec(made(), 1..70),
    ) {
        let mut engine = json!({ "emptyStepsTransition": 1, "maximumEmptySteps": 9 });
        if let Some(from) = two_thirds_from {
            engine["twoThirdsMajorityTransition"] = json!(from);
        }
        let spec: Arc<ChainSpec> = spec(to_json(&schedule), engine, json!({}));
        let head = genesis(&spec);
        let start = model(&schedule, two_thirds_from, &[]);
        let state = EngineState::genesis(&spec, &head, start.validators);
        let mut tree = vec![Branch { head, state, finalized: Vec::new(), facts: Vec::new() }];
        for made in &blocks {
            let parent = &tree[tree.len() - 1 - made.back.min(tree.len() - 1)];
            let next = parent.grow(&spec, made);
            let expected = model(&schedule, two_thirds_from, &next.facts);
            let status = next.state.status();
            prop_assert_eq!(next.state.child_validators(), &expected.validators);
            prop_assert_eq!(status.epoch_recorded_at, expected.recorded_at);
            prop_assert_eq!(next.state.child_begins_epoch(), expected.begins);
            prop_assert_eq!(&next.finalized, &expected.finalized);
            // What waits is the first signal of this epoch; all others since are lost.
            let pending = expected.signalled.range(expected.recorded_at + 1..).next();
            let found = next.state.pending_change().map(|pending| (pending.signalled_at, pending.validators));
            prop_assert_eq!(found, pending.map(|(number, set)| (*number, set.clone())));
            tree.push(next);
        }
    }
}

#[test]
fn the_model_is_not_always_right_by_accident() {
    // A change that is enacted, so that the property compares something: two authorities, a signal in block 1.
    let schedule = [(0, Kind::Contract(CONTRACTS[0]))];
    let fact = |number, author: usize, signals| Fact {
        number,
        author: addresses([author])[0],
        approving: Vec::new(),
        signals,
    };
    // answer_at(0) has one authority, which makes every block final at once.
    let facts = [fact(1, 0, vec![(CONTRACTS[0], set(3..5))]), fact(2, 3, Vec::new())];
    let found = model(&schedule, None, &facts);
    assert_eq!((found.validators, found.recorded_at, found.finalized), (set(3..5), 1, vec![1]));
}
