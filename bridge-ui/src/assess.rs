//! What the facts about one transfer mean for the person waiting for it. Pure.

use alloy::primitives::{Address, U256};
use aurum_contracts::{Side, TokenPair};
use serde::Serialize;

use crate::{
    chain::Execution,
    time,
    transfer::{Deposit, text},
};

/// What both chains say about a transfer; `None` where a chain does not answer.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Final block of the source; inner `None` while it knows none.
    pub(crate) finalized: Option<Option<u64>>,
    pub(crate) attestations: Option<Attestations>,
    pub(crate) executed: Option<bool>,
    pub(crate) execution: Option<Execution>,
    /// What would keep it from being paid out now.
    pub(crate) obstacle: Option<Obstacle>,
    /// Unix seconds.
    pub(crate) now: u64,
}

/// Who attested a transfer, of the validators the destination counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Attestations {
    /// They did.
    pub signers: Vec<Address>,
    /// They did not.
    pub missing: Vec<Address>,
    /// How many must.
    pub needed: usize,
    /// Somebody attested it for another set of validators, or with another content.
    pub earlier: bool,
}

/// Why a destination does not pay out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Paused,
    OverMax { max: U256 },
    OverDaily { left: U256, ready_at: Option<u64> },
}

/// One step of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// `deposited`, `final`, `attested` or `executed`.
    pub name: &'static str,
    /// How far it is.
    pub state: StepState,
    /// In a few words.
    pub title: String,
    /// In a sentence.
    pub detail: String,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepState {
    /// Happened.
    Done,
    /// Happening now.
    Active,
    /// Held up: by a pause or a limit.
    Blocked,
    /// Its turn comes later.
    Waiting,
    /// The chain that knows does not answer.
    Unknown,
}

impl StepState {
    /// As in `data-state`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
        }
    }
}

/// What [`assess`] finds.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    pub(crate) steps: Vec<Step>,
    pub(crate) waiting: Option<String>,
    pub(crate) can_execute: bool,
}

/// `names` are those of the source and destination chains.
pub(crate) fn assess(
    from: Side,
    names: (&str, &str),
    deposit: &Deposit,
    facts: &Facts,
    pair: Option<&TokenPair>,
) -> Assessment {
    let (source, destination) = names;
    let executed = facts.executed == Some(true);
    let enough = facts.attestations.as_ref().is_some_and(Attestations::is_enough);
    let any = facts.attestations.as_ref().is_some_and(|attestations| !attestations.signers.is_empty());
    let attested = executed || enough;

    let finality = match facts.finalized {
        // Validators attest only what is final.
        _ if attested || any => (StepState::Done, format!("block {} of {source} is final", deposit.block)),
        None => (StepState::Unknown, format!("{source} does not answer")),
        Some(Some(block)) if block >= deposit.block => {
            (StepState::Done, format!("block {} of {source} is final", deposit.block))
        }
        Some(Some(block)) => {
            (StepState::Active, format!("waiting for block {} of {source}; final is block {block}", deposit.block))
        }
        Some(None) => (StepState::Active, format!("no block of {source} is final yet")),
    };
    let is_final = finality.0 == StepState::Done;

    let attestation = match &facts.attestations {
        _ if executed => (StepState::Done, "enough validators agreed".to_owned()),
        None => (StepState::Unknown, "the attestations cannot be read now".to_owned()),
        Some(_) if enough => (StepState::Done, "enough validators agreed".to_owned()),
        Some(attestations) if is_final => (StepState::Active, attestations.missing_text()),
        Some(_) => (StepState::Waiting, "validators attest final deposits only".to_owned()),
    };

    let obstacle = facts.obstacle.as_ref().filter(|_| !executed);
    let reason = obstacle.map(|obstacle| obstacle.text(destination, facts.now, pair));
    let execution = match (facts.executed, &reason) {
        (Some(true), _) => (StepState::Done, format!("paid out on {destination}")),
        (None, _) => (StepState::Unknown, format!("{destination} does not answer")),
        (Some(false), Some(reason)) if enough => (StepState::Blocked, reason.clone()),
        (Some(false), None) if enough => {
            (StepState::Active, "a relayer pays it out; you may also do it yourself".to_owned())
        }
        (Some(false), _) => (StepState::Waiting, "follows by itself".to_owned()),
    };

    let waiting = match (facts.executed, reason) {
        (Some(true), _) => None,
        (_, Some(reason)) => Some(reason),
        (Some(false), None) if !enough && is_final => facts
            .attestations
            .as_ref()
            .filter(|found| found.earlier)
            .map(|_| "the validators changed, or disagree; the transfer is being attested again".to_owned()),
        _ => None,
    };
    let count = facts.attestations.as_ref().map_or_else(
        || "Attested".to_owned(),
        |attestations| match (executed, attestations.signers.len(), attestations.needed) {
            // After a change of the set the old attestations do not show any more.
            (true, count, needed) if count < needed => "Attested".to_owned(),
            (_, count, needed) if count > needed => format!("Attested by {count}, {needed} needed"),
            (_, count, needed) => format!("Attested {count} of {needed}"),
        },
    );
    let paid = if from == Side::Foreign { "Minted" } else { "Unlocked" };
    let step = |name, title: String, (state, detail): (StepState, String)| Step { name, state, title, detail };
    let deposited = (StepState::Done, format!("in block {} of {source}", deposit.block));
    Assessment {
        steps: vec![
            step("deposited", "Deposit mined".into(), deposited),
            step("final", "Final".into(), finality),
            step("attested", count, attestation),
            step("executed", format!("{paid} on {destination}"), execution),
        ],
        waiting,
        can_execute: enough && facts.executed == Some(false) && obstacle.is_none(),
    }
}

impl Attestations {
    fn is_enough(&self) -> bool {
        self.needed > 0 && self.signers.len() >= self.needed
    }

    fn missing_text(&self) -> String {
        match self.needed.saturating_sub(self.signers.len()) {
            1 => "one more validator must agree".to_owned(),
            more => format!("{more} more validators must agree"),
        }
    }
}

impl Obstacle {
    fn text(&self, destination: &str, now: u64, pair: Option<&TokenPair>) -> String {
        match self {
            Self::Paused => format!("the bridge on {destination} is paused; the transfer waits and is not lost"),
            Self::OverMax { max } => format!(
                "more than {destination} pays out at once ({}); the transfer waits until that limit is raised",
                text(*max, pair)
            ),
            Self::OverDaily { left, ready_at } => {
                let left = text(*left, pair);
                let when = match ready_at {
                    Some(at) => format!("in about {}, {}", time::span(at.saturating_sub(now)), time::utc(*at)),
                    None => "when the limit is raised".to_owned(),
                };
                format!("{left} is left of the daily limit of {destination}; this transfer fits {when}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StepState::{Active, Blocked, Done, Unknown, Waiting};
    use alloy::primitives::B256;

    fn attestations(count: u8, needed: usize) -> Option<Attestations> {
        let of = |range: std::ops::Range<u8>| range.map(Address::repeat_byte).collect();
        Some(Attestations { signers: of(0..count), missing: of(count..4), needed, earlier: false })
    }

    fn facts() -> Facts {
        Facts {
            finalized: Some(Some(5)),
            attestations: attestations(0, 3),
            executed: Some(false),
            execution: None,
            obstacle: None,
            now: 1000,
        }
    }

    fn look(facts: &Facts) -> ([StepState; 4], Option<String>, bool) {
        let deposit = Deposit {
            id: B256::ZERO,
            nonce: U256::ZERO,
            sender: Address::ZERO,
            recipient: Address::ZERO,
            token: Address::ZERO,
            amount: U256::from(7),
            policy_epoch: 0,
            block: 10,
        };
        let found = assess(Side::Foreign, ("Public", "Home"), &deposit, facts, None);
        let states = found.steps.iter().map(|step| step.state).collect::<Vec<_>>();
        (states.try_into().unwrap(), found.waiting, found.can_execute)
    }

    #[test]
    fn steps_follow_each_other() {
        let check = |facts: Facts, expected: [StepState; 4], executable: bool| {
            let (states, waiting, can_execute) = look(&facts);
            assert_eq!((states, waiting, can_execute), (expected, None, executable), "{facts:?}");
        };
        check(facts(), [Done, Active, Waiting, Waiting], false);
        check(Facts { finalized: Some(None), ..facts() }, [Done, Active, Waiting, Waiting], false);
        let is_final = Facts { finalized: Some(Some(10)), ..facts() };
        check(is_final.clone(), [Done, Done, Active, Waiting], false);
        check(Facts { attestations: attestations(2, 3), ..facts() }, [Done, Done, Active, Waiting], false);
        let attested = Facts { attestations: attestations(3, 3), ..is_final };
        check(attested.clone(), [Done, Done, Done, Active], true);
        check(Facts { executed: Some(true), ..attested }, [Done; 4], false);
        check(Facts { executed: Some(true), ..facts() }, [Done; 4], false);
    }

    #[test]
    fn a_threshold_of_nobody_attests_nothing() {
        let (states, _, can_execute) =
            look(&Facts { attestations: attestations(0, 0), finalized: Some(Some(10)), ..facts() });
        assert_eq!((states, can_execute), ([Done, Done, Active, Waiting], false));
    }

    #[test]
    fn says_what_holds_it_up() {
        let attested = Facts { attestations: attestations(4, 3), ..facts() };
        let check = |obstacle, word: &str| {
            let (states, waiting, can_execute) = look(&Facts { obstacle: Some(obstacle), ..attested.clone() });
            assert_eq!((states, can_execute), ([Done, Done, Done, Blocked], false));
            let waiting = waiting.unwrap();
            assert!(waiting.contains(word), "{waiting}");
        };
        check(Obstacle::Paused, "paused");
        check(Obstacle::OverMax { max: U256::from(3) }, "at once (3 units)");
        check(Obstacle::OverDaily { left: U256::from(2), ready_at: Some(1060) }, "in about 60 s, 1970-01-01 00:17:40");
        check(Obstacle::OverDaily { left: U256::from(2), ready_at: None }, "when the limit is raised");
    }

    #[test]
    fn chains_that_do_not_answer_are_named_not_guessed() {
        let (states, ..) = look(&Facts { finalized: None, attestations: None, executed: None, ..facts() });
        assert_eq!(states, [Done, Unknown, Unknown, Unknown]);
        let (states, ..) = look(&Facts { finalized: None, attestations: None, executed: Some(true), ..facts() });
        assert_eq!(states, [Done; 4]);
    }

    #[test]
    fn a_changed_set_is_told() {
        let mut changed = Facts { finalized: Some(Some(10)), ..facts() };
        if let Some(found) = &mut changed.attestations {
            found.earlier = true;
        }
        let (states, waiting, _) = look(&changed);
        assert_eq!(states, [Done, Done, Active, Waiting]);
        assert!(waiting.unwrap().contains("attested again"));
    }
}
