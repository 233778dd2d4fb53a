//! "Why is there no block?", answered from what any node can see.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use aurum_chain::view::{EngineStatus, StepOutcome, StepReport};
use aurum_types::Step;
use serde::Serialize;

use crate::{aura::SealingJson, sealing::SealingView};

/// The answer of `aura_whyNoBlock`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhyJson {
    /// Whether blocks are missing, or finality or a change waits.
    problem: bool,
    /// One sentence each; the first is about the next block.
    explanation: Vec<String>,
    /// What each validator did in the last steps, in the set's order.
    validators: Vec<ValidatorJson>,
    /// This node's own author; null for an observer.
    sealing: Option<SealingJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidatorJson {
    validator: Address,
    sealed: u64,
    empty_steps: u64,
    missed: u64,
    /// Step of its last block or empty step among those looked at.
    last_used_step: Option<u64>,
    /// Whether it let each of its last two turns pass.
    silent: bool,
}

/// One validator's last turns.
#[derive(Default)]
struct Turns {
    sealed: u64,
    empty_steps: u64,
    missed: u64,
    last_used: Option<Step>,
    missed_in_a_row: u64,
}

/// Turns missed in a row from which on an authority counts as away.
const SILENT: u64 = 2;

/// Members of `validators` that are not among `signers`.
pub(crate) fn missing(validators: &[Address], signers: &[Address]) -> Vec<Address> {
    validators.iter().filter(|validator| !signers.contains(validator)).copied().collect()
}

/// The whole answer.
pub(crate) fn explain(engine: &EngineStatus, steps: &[StepReport], sealing: Option<SealingView>) -> WhyJson {
    let problems = sentences(engine, steps, sealing.as_ref());
    let turns = turns(steps);
    let none = Turns::default();
    let validators = engine.validators.iter().map(|validator| {
        let turns = turns.get(validator).unwrap_or(&none);
        ValidatorJson {
            validator: *validator,
            sealed: turns.sealed,
            empty_steps: turns.empty_steps,
            missed: turns.missed,
            last_used_step: turns.last_used.map(|step| step.0),
            silent: turns.missed_in_a_row >= SILENT,
        }
    });
    WhyJson {
        problem: !problems.is_empty(),
        validators: validators.collect(),
        explanation: if problems.is_empty() { vec![all_is_well(engine)] } else { problems },
        sealing: sealing.map(SealingJson::from),
    }
}

fn all_is_well(engine: &EngineStatus) -> String {
    let EngineStatus { step, head_step, proposer, .. } = engine;
    match proposer {
        Some(proposer) if head_step < step => format!("Step {step} is {proposer}'s turn; the last one has its block."),
        _ => format!("Step {step} has its block."),
    }
}

/// What is wrong, if something is.
pub(crate) fn sentences(engine: &EngineStatus, steps: &[StepReport], sealing: Option<&SealingView>) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(no_validators(engine));
    sentences.extend(since_the_head(engine, steps));
    sentences.extend(silent_ones(engine, steps));
    sentences.extend(finality(engine));
    sentences.extend(pending_change(engine));
    sentences.extend(own(engine, sealing));
    sentences
}

fn no_validators(engine: &EngineStatus) -> Option<String> {
    engine.validators.is_empty().then(|| "The validator set is empty: nobody can seal the next block.".to_owned())
}

/// Steps after the head's that passed without a block.
fn since_the_head(engine: &EngineStatus, steps: &[StepReport]) -> Option<String> {
    let passed: Vec<_> = steps.iter().filter(|report| report.step > engine.head_step && is_missed(report)).collect();
    let last = passed.last()?;
    let count = engine.step.0.saturating_sub(engine.head_step.0).saturating_sub(1);
    let (step, proposer) = (last.step, last.proposer);
    Some(match count {
        1 => format!("Step {step} passed without a block; it was {proposer}'s."),
        _ => {
            format!("{count} steps passed without a block since step {}; the last was {proposer}'s.", engine.head_step)
        }
    })
}

fn silent_ones(engine: &EngineStatus, steps: &[StepReport]) -> Vec<String> {
    let turns = turns(steps);
    let silent = engine.validators.iter().filter_map(|validator| {
        let turns = turns.get(validator).filter(|turns| turns.missed_in_a_row >= SILENT)?;
        Some(match turns.last_used {
            Some(step) => format!("{validator} missed its last {} turns, since step {step}.", turns.missed_in_a_row),
            None => format!("{validator} missed all of its last {} turns.", turns.missed_in_a_row),
        })
    });
    silent.collect()
}

/// Finality that waits for longer than a round of everybody takes.
fn finality(engine: &EngineStatus) -> Option<String> {
    let finality = &engine.finality;
    let validators = engine.validators.len();
    let round = u64::try_from(validators).unwrap_or(u64::MAX);
    if !finality.exists || finality.lag <= round || finality.signers.len() >= finality.needed {
        return None;
    }
    let next = finality.finalized.number.saturating_add(1);
    Some(format!(
        "Block {next} is not final: {} of {} needed have built on it; {} have not.",
        finality.signers.len(),
        finality.needed,
        list(&missing(&engine.validators, &finality.signers)),
    ))
}

fn pending_change(engine: &EngineStatus) -> Option<String> {
    let change = engine.pending_change.as_ref()?;
    Some(format!(
        "A change to {} validators, signalled in block {}, waits for its finality: {} of {} needed have built on it; {} have not.",
        change.validators.len(),
        change.signalled_in.number,
        change.signers.len(),
        change.needed,
        list(&missing(&engine.validators, &change.signers)),
    ))
}

/// What keeps this node's own author.
fn own(engine: &EngineStatus, sealing: Option<&SealingView>) -> Option<String> {
    let sealing = sealing?;
    let none = sealing.no_block.as_ref().filter(|none| !none.intended)?;
    // An old word is history, unless it is why this node never seals.
    let round = u64::try_from(engine.validators.len()).unwrap_or(u64::MAX).saturating_mul(2);
    if engine.step.0.saturating_sub(none.step.0) > round {
        return None;
    }
    Some(format!("This node ({}) made no block in step {}: {}.", sealing.address, none.step, none.reason))
}

fn list(addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}

const fn is_missed(report: &StepReport) -> bool {
    matches!(report.outcome, StepOutcome::Missed)
}

fn turns(steps: &[StepReport]) -> BTreeMap<Address, Turns> {
    let mut all: BTreeMap<Address, Turns> = BTreeMap::new();
    for report in steps {
        let turns = all.entry(report.proposer).or_default();
        match report.outcome {
            StepOutcome::Sealed(_) => turns.sealed += 1,
            StepOutcome::EmptyStep(_) => turns.empty_steps += 1,
            StepOutcome::Missed => {
                turns.missed += 1;
                turns.missed_in_a_row += 1;
                continue;
            }
            StepOutcome::Open => continue,
        }
        turns.last_used = Some(report.step);
        turns.missed_in_a_row = 0;
    }
    all
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use aurum_chain::{
        BlockRef,
        view::{FinalityStatus, PendingChangeStatus},
    };

    use super::*;
    use crate::sealing::NoBlockView;

    fn who(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn block(number: u64) -> BlockRef {
        BlockRef { number, hash: B256::repeat_byte(7) }
    }

    /// Three validators at step 100; the head, block 50, has step `head_step`.
    fn engine(head_step: u64) -> EngineStatus {
        EngineStatus {
            step: Step(100),
            step_started_ms: 0,
            head_step: Step(head_step),
            validators: vec![who(1), who(2), who(3)],
            proposer: Some(who(2)),
            epoch_recorded_at: 0,
            finality: FinalityStatus { exists: true, finalized: block(48), lag: 2, signers: vec![who(1)], needed: 2 },
            pending_change: None,
            missed: Vec::new(),
            equivocations: Vec::new(),
        }
    }

    /// Steps 91 to 100: validator 1 + step mod 3 has the turn, `silent` uses none.
    fn steps(silent: Option<Address>, head_step: u64) -> Vec<StepReport> {
        let report = |step: u64| {
            let proposer = who(1 + u8::try_from(step % 3).expect("small"));
            let outcome = if step == 100 {
                StepOutcome::Open
            } else if Some(proposer) == silent || step > head_step {
                StepOutcome::Missed
            } else {
                StepOutcome::Sealed(block(step - 50))
            };
            StepReport { step: Step(step), proposer, outcome }
        };
        (91..=100).map(report).collect()
    }

    #[test]
    fn a_chain_in_order_has_no_problem() {
        let why = explain(&engine(99), &steps(None, 99), None);
        assert!(!why.problem, "{:?}", why.explanation);
        assert!(why.validators.iter().all(|validator| !validator.silent && validator.missed == 0));
    }

    #[test]
    fn steps_without_a_block_are_counted_and_whose_they_were_is_said() {
        let said = sentences(&engine(98), &steps(None, 98), None);
        assert_eq!(said, [format!("Step 99 passed without a block; it was {}'s.", who(1))]);
        let said = sentences(&engine(90), &steps(None, 90), None);
        assert!(said[0].starts_with("9 steps passed without a block since step 90"), "{said:?}");
        assert_eq!(said.len(), 4, "and each of the three is silent: {said:?}");
    }

    #[test]
    fn an_authority_that_is_away_is_named_by_every_observer() {
        let why = explain(&engine(99), &steps(Some(who(3)), 99), None);
        assert!(why.problem);
        assert_eq!(why.explanation, [format!("{} missed all of its last 3 turns.", who(3))]);
        assert!(why.validators[2].silent && why.validators[2].missed == 3);
    }

    #[test]
    fn finality_and_a_pending_change_say_who_has_signed_how_many_are_needed_and_who_is_missing() {
        let mut engine = engine(99);
        engine.finality.lag = 4;
        let signalled_in = block(49);
        engine.pending_change =
            Some(PendingChangeStatus { signalled_in, validators: vec![who(9)], signers: vec![who(1)], needed: 2 });
        let said = sentences(&engine, &steps(None, 99), None);
        assert_eq!(
            said[0],
            format!("Block 49 is not final: 1 of 2 needed have built on it; {}, {} have not.", who(2), who(3))
        );
        assert!(said[1].starts_with("A change to 1 validators, signalled in block 49"), "{said:?}");
        assert!(said[1].contains("1 of 2 needed"), "{said:?}");
    }

    #[test]
    fn an_authority_says_why_it_made_no_block_and_forgets_it_later() {
        let reason = || "catching up".to_owned();
        let no_block = |step| NoBlockView { step: Step(step), code: "catching_up", reason: reason(), intended: false };
        let sealing = |step| SealingView {
            address: who(1),
            last_sealed: None,
            no_block: Some(no_block(step)),
            key_elsewhere: None,
            clock_offset_ms: None,
        };
        let said = sentences(&engine(99), &steps(None, 99), Some(&sealing(97)));
        assert_eq!(said, [format!("This node ({}) made no block in step 97: catching up.", who(1))]);
        assert!(sentences(&engine(99), &steps(None, 99), Some(&sealing(50))).is_empty());
        let mut idle = sealing(97);
        idle.no_block = idle.no_block.map(|none| NoBlockView { intended: true, ..none });
        assert!(sentences(&engine(99), &steps(None, 99), Some(&idle)).is_empty(), "an empty step is no problem");
    }
}
