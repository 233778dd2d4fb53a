//! What to do next about a transfer: a function of its journalled state and of what the chains say.

use std::{fmt, time::Duration};

use alloy::primitives::U256;

use crate::state::{Step, Work};

/// What the chains say about one transfer, as far as its state needs it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whether the destination paid it out.
    pub executed: Executed,
    /// Whether the source bridge, in a final block, remembers exactly this deposit.
    pub verified: bool,
    /// Whether we know the policy it was made under.
    pub policy_known: bool,
    /// Whether the destination knows the token.
    pub token_known: bool,
    /// Whether home counts our attestations.
    pub validator: bool,
    /// Epoch of the destination's validators to sign under.
    pub signing_epoch: u64,
    /// Epoch of the destination's validators it would execute under.
    pub executing_epoch: u64,
    /// Last epoch under which home has our attestation of this transfer, 0 if none.
    pub attested_epoch: u64,
    /// Attestations of our digest the destination counts.
    pub count: usize,
    /// How many it needs.
    pub needed: usize,
    /// Why the destination would refuse to pay now.
    pub obstacle: Option<Obstacle>,
    /// How many relayers are to act before us.
    pub distance: u64,
    /// How long we have seen it ready to be executed.
    pub ready_for: Duration,
    /// How long each relayer before us has.
    pub takeover_delay: Duration,
}

/// Whether a transfer is paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// Not in the latest block.
    No,
    /// In a block that may still go away.
    Latest,
    /// In a final block.
    Final,
}

/// Why the destination would refuse to pay now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The bridge is paused.
    Paused,
    /// More than one payout may be.
    OverMax {
        /// What it may be.
        max: U256,
    },
    /// More than is left today.
    OverDaily {
        /// What is left.
        left: U256,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, ever.
    Rest,
    /// Record that the deposit is confirmed.
    Verify,
    /// Record that policy and destination accept it.
    Approve,
    /// Sign it under this epoch.
    Sign {
        /// The destination's epoch.
        epoch: u64,
    },
    /// Record that home has our attestation.
    NoteOnHome,
    /// Record that home has it no longer.
    NoteOffHome,
    /// Send a transaction.
    Submit(Work),
    /// Record that it is paid out.
    Finish,
    /// Ask again later.
    Wait(Why),
}

/// Why a transfer waits; told to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The source bridge does not remember the deposit: its node tells two stories.
    NotInSource,
    /// Its policy is newer than this program.
    UnknownPolicy,
    /// The destination has no pair for the token.
    UnknownToken,
    /// Home does not count our attestations.
    NotAValidator,
    /// The destination's validators are not final.
    NoEpoch,
    /// Its transaction is on its way.
    InFlight(Work),
    /// Others' attestations are missing.
    Attestations {
        /// How many there are.
        count: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The destination's set has changed in a block that is not final.
    EpochNotFinal,
    /// The destination refuses now.
    Obstacle(Obstacle),
    /// Another relayer is to act first.
    Turn {
        /// How much longer it has.
        left: Duration,
    },
    /// It is paid out in a block that is not final.
    Finality,
    /// A step failed and is tried again.
    Retry(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the bridge is paused"),
            Self::OverMax { max } => write!(f, "the amount is above the largest payout, {max}"),
            Self::OverDaily { left } => write!(f, "the amount is above what is left of the daily limit, {left}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInSource => f.write_str("the source bridge does not confirm the deposit"),
            Self::UnknownPolicy => f.write_str("made under a policy this relayer does not know"),
            Self::UnknownToken => f.write_str("the destination does not know the token"),
            Self::NotAValidator => f.write_str("this relayer is not a validator"),
            Self::NoEpoch => f.write_str("the destination's validators are not final yet"),
            Self::InFlight(Work::Attest) => f.write_str("our attestation is on its way"),
            Self::InFlight(Work::Execute) => f.write_str("our execution is on its way"),
            Self::Attestations { count, needed } => write!(f, "{count} of {needed} attestations"),
            Self::EpochNotFinal => f.write_str("the destination's validators are changing"),
            Self::Obstacle(obstacle) => obstacle.fmt(f),
            Self::Turn { left } => write!(f, "another relayer is on duty for {} s more", left.as_secs() + 1),
            Self::Finality => f.write_str("paid out, waiting for finality"),
            Self::Retry(reason) => write!(f, "tried again after: {reason}"),
        }
    }
}

/// What to do next about a transfer in state `step`.
pub fn decide(step: &Step, facts: &Facts) -> Action {
    match (step, facts.executed) {
        (Step::Done { .. }, _) => return Action::Rest,
        (_, Executed::Final) => return Action::Finish,
        (_, Executed::Latest) => return Action::Wait(Why::Finality),
        (_, Executed::No) => {}
    }
    match step {
        Step::Done { .. } => Action::Rest,
        Step::Seen if facts.verified => Action::Verify,
        Step::Seen => Action::Wait(Why::NotInSource),
        Step::Final if !facts.policy_known => Action::Wait(Why::UnknownPolicy),
        Step::Final if !facts.token_known => Action::Wait(Why::UnknownToken),
        Step::Final => Action::Approve,
        Step::PolicyOk => sign(facts),
        Step::Signed { attestation } => {
            if attestation.epoch != facts.signing_epoch {
                sign(facts)
            } else if facts.attested_epoch >= attestation.epoch {
                Action::NoteOnHome
            } else if facts.validator {
                Action::Submit(Work::Attest)
            } else {
                Action::Wait(Why::NotAValidator)
            }
        }
        Step::Submitted { work, .. } | Step::Orphaned { work, .. } => Action::Wait(Why::InFlight(*work)),
        Step::Mined { work: Work::Execute, .. } => Action::Wait(Why::InFlight(Work::Execute)),
        // An attestation in a block counts already; if a reorganisation takes it, it is sent again.
        Step::Mined { attestation, .. } | Step::Attested { attestation } => {
            if attestation.epoch != facts.signing_epoch {
                sign(facts)
            } else if facts.attested_epoch >= attestation.epoch {
                execute(facts)
            } else if step.work().is_some() {
                // Its block went away, or it reverted: whoever cares for the transaction finds out which.
                Action::Wait(Why::InFlight(Work::Attest))
            } else {
                Action::NoteOffHome
            }
        }
    }
}

const fn sign(facts: &Facts) -> Action {
    if !facts.validator {
        Action::Wait(Why::NotAValidator)
    } else if facts.signing_epoch == 0 {
        Action::Wait(Why::NoEpoch)
    } else {
        Action::Sign { epoch: facts.signing_epoch }
    }
}

/// Pays out, once it may be and it is our turn.
fn execute(facts: &Facts) -> Action {
    if facts.executing_epoch != facts.signing_epoch {
        return Action::Wait(Why::EpochNotFinal);
    }
    if facts.needed == 0 || facts.count < facts.needed {
        return Action::Wait(Why::Attestations { count: facts.count, needed: facts.needed });
    }
    if let Some(obstacle) = facts.obstacle {
        return Action::Wait(Why::Obstacle(obstacle));
    }
    let others = facts.takeover_delay.saturating_mul(u32::try_from(facts.distance).unwrap_or(u32::MAX));
    match others.checked_sub(facts.ready_for) {
        Some(left) if !left.is_zero() => Action::Wait(Why::Turn { left }),
        _ => Action::Submit(Work::Execute),
    }
}

/// How many relayers are to act before `own` position: the one on duty for transfer `nonce` is at position
/// `nonce mod n` of the list, the others follow in its order. Whoever is not in the list comes last.
pub fn distance(nonce: u64, own: Option<usize>, validators: usize) -> u64 {
    let n = validators.max(1) as u64;
    own.map_or(n, |own| (own as u64 % n + n - nonce % n) % n)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes};

    use super::*;
    use crate::{chain::BlockRef, state::Attestation};

    /// A transfer ready to be executed by us.
    fn ready() -> Facts {
        Facts {
            executed: Executed::No,
            verified: true,
            policy_known: true,
            token_known: true,
            validator: true,
            signing_epoch: 1,
            executing_epoch: 1,
            attested_epoch: 1,
            count: 3,
            needed: 3,
            obstacle: None,
            distance: 0,
            ready_for: Duration::ZERO,
            takeover_delay: Duration::from_secs(30),
        }
    }

    fn attestation(epoch: u64) -> Attestation {
        Attestation { epoch, digest: B256::ZERO, signature: Bytes::new() }
    }

    fn signed() -> Step {
        Step::Signed { attestation: attestation(1) }
    }

    fn attested() -> Step {
        Step::Attested { attestation: attestation(1) }
    }

    fn mined(work: Work) -> Step {
        Step::Mined { attestation: attestation(1), work, nonce: 0, tx: B256::ZERO, block: BlockRef::default() }
    }

    #[test]
    fn decisions() {
        let wait = Action::Wait;
        let table: Vec<(&str, Step, Facts, Action)> = vec![
            ("done rests", Step::Done { tx: None, block: None }, ready(), Action::Rest),
            (
                "paid out ends it in any state",
                Step::Seen,
                Facts { executed: Executed::Final, ..ready() },
                Action::Finish,
            ),
            (
                "paid out but not final",
                attested(),
                Facts { executed: Executed::Latest, ..ready() },
                wait(Why::Finality),
            ),
            ("a confirmed deposit", Step::Seen, ready(), Action::Verify),
            ("a denied deposit", Step::Seen, Facts { verified: false, ..ready() }, wait(Why::NotInSource)),
            ("a good transfer", Step::Final, ready(), Action::Approve),
            ("a new policy", Step::Final, Facts { policy_known: false, ..ready() }, wait(Why::UnknownPolicy)),
            ("an unknown token", Step::Final, Facts { token_known: false, ..ready() }, wait(Why::UnknownToken)),
            ("to sign", Step::PolicyOk, ready(), Action::Sign { epoch: 1 }),
            ("no stranger signs", Step::PolicyOk, Facts { validator: false, ..ready() }, wait(Why::NotAValidator)),
            ("epoch 0 signs nothing", Step::PolicyOk, Facts { signing_epoch: 0, ..ready() }, wait(Why::NoEpoch)),
            ("to attest", signed(), Facts { attested_epoch: 0, ..ready() }, Action::Submit(Work::Attest)),
            ("attested before the journal was lost", signed(), ready(), Action::NoteOnHome),
            (
                "a new epoch before attesting",
                signed(),
                Facts { signing_epoch: 2, ..ready() },
                Action::Sign { epoch: 2 },
            ),
            ("a new epoch after", attested(), Facts { signing_epoch: 2, ..ready() }, Action::Sign { epoch: 2 }),
            (
                "a new epoch that is not final",
                attested(),
                Facts { executing_epoch: 2, ..ready() },
                wait(Why::EpochNotFinal),
            ),
            ("lost in a reorganisation", attested(), Facts { attested_epoch: 0, ..ready() }, Action::NoteOffHome),
            (
                "its block went away",
                mined(Work::Attest),
                Facts { attested_epoch: 0, ..ready() },
                wait(Why::InFlight(Work::Attest)),
            ),
            ("ours is mined", mined(Work::Attest), ready(), Action::Submit(Work::Execute)),
            ("on its way", mined(Work::Execute), ready(), wait(Why::InFlight(Work::Execute))),
            ("too few", attested(), Facts { count: 2, ..ready() }, wait(Why::Attestations { count: 2, needed: 3 })),
            (
                "a set that was never initialised",
                attested(),
                Facts { needed: 0, ..ready() },
                wait(Why::Attestations { count: 3, needed: 0 }),
            ),
            (
                "paused",
                attested(),
                Facts { obstacle: Some(Obstacle::Paused), ..ready() },
                wait(Why::Obstacle(Obstacle::Paused)),
            ),
            ("our turn", attested(), ready(), Action::Submit(Work::Execute)),
            (
                "not our turn",
                attested(),
                Facts { distance: 2, ready_for: Duration::from_secs(59), ..ready() },
                wait(Why::Turn { left: Duration::from_secs(1) }),
            ),
            (
                "they did not come",
                attested(),
                Facts { distance: 2, ready_for: Duration::from_secs(60), ..ready() },
                Action::Submit(Work::Execute),
            ),
        ];
        for (name, step, facts, expected) in table {
            assert_eq!(decide(&step, &facts), expected, "{name}");
        }
    }

    #[test]
    fn duty_rotates_and_everybody_has_a_place() {
        for nonce in 0..9 {
            let mut places: Vec<u64> = (0..4).map(|own| distance(nonce, Some(own), 4)).collect();
            assert_eq!(places[usize::try_from(nonce % 4).expect("small")], 0);
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2, 3]);
        }
        assert_eq!(distance(5, None, 4), 4);
        assert_eq!(distance(5, None, 0), 1);
    }
}
