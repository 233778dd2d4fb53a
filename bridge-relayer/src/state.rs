//! How far a transfer is, for this relayer, as a value with pure transitions.
//!
//! ```text
//! Seen ─► Final ─► PolicyOk ─► Signed ─► Submitted ─► Mined ─► Attested ─► Submitted ─► Mined ─► …
//!                                 ▲    (attest)  │      │          │        (execute)
//!                                 │              ▼      ▼          ▼
//!                                 └── new epoch, lost, reverted: decided again, Orphaned if a reorganisation took it
//! any state ─► Done: the destination says, in a final block, that the transfer is paid out
//! ```
//!
//! The chains decide what is true; this only says what this relayer has done, so that it can do the rest.

use std::fmt;

use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{chain::BlockRef, deposit::Deposit, lane::Lane};

/// Names a transfer between the two bridges of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Its direction.
    pub lane: Lane,
    /// Its position among the deposits of that direction.
    pub nonce: u64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.lane, self.nonce)
    }
}

/// What a transaction of this relayer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Publishes its attestation on home.
    Attest,
    /// Pays the transfer out on the destination.
    Execute,
}

impl Work {
    /// `attest` or `execute`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attest => "attest",
            Self::Execute => "execute",
        }
    }
}

/// A signature of this relayer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Epoch of the destination's validators it is for.
    pub epoch: u64,
    /// What is signed.
    pub digest: B256,
    /// r ‖ s ‖ v.
    pub signature: Bytes,
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum Step {
    /// A final block's log says the deposit was made.
    Seen,
    /// The source bridge's own memory says the same.
    Final,
    /// Nothing speaks against it: the policy of the deposit is one we know, the destination knows the token.
    PolicyOk,
    /// Our signature exists. It may or may not be on home.
    Signed {
        /// It.
        attestation: Attestation,
    },
    /// A transaction for it is on its way.
    Submitted {
        /// Our signature.
        attestation: Attestation,
        /// What the transaction does.
        work: Work,
        /// Its account nonce.
        nonce: u64,
    },
    /// The transaction is in a block that is not final.
    Mined {
        /// Our signature.
        attestation: Attestation,
        /// What the transaction does.
        work: Work,
        /// Its account nonce.
        nonce: u64,
        /// Its hash.
        tx: B256,
        /// Where.
        block: BlockRef,
    },
    /// The block that held the transaction is gone; it is sent again.
    Orphaned {
        /// Our signature.
        attestation: Attestation,
        /// What the transaction does.
        work: Work,
        /// Its account nonce.
        nonce: u64,
    },
    /// Our attestation is on home. Others', or the execution, are awaited.
    Attested {
        /// Our signature.
        attestation: Attestation,
    },
    /// Paid out, and final.
    Done {
        /// The transaction that did it, where it was found.
        tx: Option<B256>,
        /// Its block, where it was found.
        block: Option<BlockRef>,
    },
}

/// What can happen to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The source bridge confirms the deposit.
    Verified,
    /// Policy and destination accept it.
    Approved,
    /// We signed it.
    Signed(Attestation),
    /// A transaction is journalled, about to be sent.
    Submitted {
        /// What it does.
        work: Work,
        /// Its account nonce.
        nonce: u64,
    },
    /// It is in a block.
    Mined {
        /// Its account nonce.
        nonce: u64,
        /// Its hash.
        tx: B256,
        /// Where.
        block: BlockRef,
    },
    /// Its block is gone.
    Orphaned {
        /// Its account nonce.
        nonce: u64,
    },
    /// Its block is final and it succeeded.
    Confirmed {
        /// Its account nonce.
        nonce: u64,
    },
    /// It reverted, was refused, or its nonce was used otherwise.
    Failed {
        /// Its account nonce.
        nonce: u64,
    },
    /// Home shows our attestation, however it came there.
    OnHome,
    /// Home does not show our attestation any more.
    OffHome,
    /// The destination says in a final block that it is paid out.
    Executed {
        /// The transaction that did it, where it was found.
        tx: Option<B256>,
        /// Its block, where it was found.
        block: Option<BlockRef>,
    },
}

/// An event that cannot happen in a state: a fault of this program.
#[derive(Debug, thiserror::Error)]
#[error("{event:?} cannot happen to a transfer that is {state}")]
pub struct IllegalEvent {
    /// State the transfer is in.
    pub state: &'static str,
    /// What was to happen.
    pub event: Event,
}

impl Step {
    /// The state's name, as in the journal and in crash points.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Seen => "Seen",
            Self::Final => "Final",
            Self::PolicyOk => "PolicyOk",
            Self::Signed { .. } => "Signed",
            Self::Submitted { .. } => "Submitted",
            Self::Mined { .. } => "Mined",
            Self::Orphaned { .. } => "Orphaned",
            Self::Attested { .. } => "Attested",
            Self::Done { .. } => "Done",
        }
    }

    /// What the transaction on its way does, if there is one.
    pub const fn work(&self) -> Option<Work> {
        match self {
            Self::Submitted { work, .. } | Self::Mined { work, .. } | Self::Orphaned { work, .. } => Some(*work),
            _ => None,
        }
    }

    /// Our signature, if there is one.
    pub const fn attestation(&self) -> Option<&Attestation> {
        match self {
            Self::Signed { attestation }
            | Self::Submitted { attestation, .. }
            | Self::Mined { attestation, .. }
            | Self::Orphaned { attestation, .. }
            | Self::Attested { attestation } => Some(attestation),
            Self::Seen | Self::Final | Self::PolicyOk | Self::Done { .. } => None,
        }
    }

    /// Whether nothing remains to be done.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// The state after `event`.
    ///
    /// Reports about a transaction other than the one this state waits for change nothing: it belongs to an earlier
    /// attempt, and the chain is asked anyway.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn after(&self, event: Event) -> Result<Self, IllegalEvent> {
        match (self, event) {
            (_, Event::Executed { tx, block }) => Ok(Self::Done { tx, block }),
            (Self::Seen, Event::Verified) => Ok(Self::Final),
            (Self::Final, Event::Approved) => Ok(Self::PolicyOk),
            (
                Self::PolicyOk | Self::Signed { .. } | Self::Attested { .. } | Self::Mined { .. },
                Event::Signed(attestation),
            ) => Ok(Self::Signed { attestation }),
            (Self::Signed { attestation }, Event::Submitted { work: work @ Work::Attest, nonce })
            | (
                Self::Attested { attestation } | Self::Mined { attestation, work: Work::Attest, .. },
                Event::Submitted { work: work @ Work::Execute, nonce },
            ) => Ok(Self::Submitted { attestation: attestation.clone(), work, nonce }),
            (Self::Orphaned { attestation, work, nonce }, Event::Submitted { work: again, nonce: same })
                if *work == again && *nonce == same =>
            {
                Ok(Self::Submitted { attestation: attestation.clone(), work: again, nonce: same })
            }
            (Self::Signed { attestation } | Self::Attested { attestation }, Event::OnHome) => {
                Ok(Self::Attested { attestation: attestation.clone() })
            }
            (Self::Attested { attestation }, Event::OffHome) => Ok(Self::Signed { attestation: attestation.clone() }),
            (state, event) => state.after_report(event),
        }
    }

    /// The state after a report about a transaction.
    fn after_report(&self, event: Event) -> Result<Self, IllegalEvent> {
        let (Event::Mined { nonce, .. }
        | Event::Orphaned { nonce }
        | Event::Confirmed { nonce }
        | Event::Failed { nonce }) = event
        else {
            return Err(IllegalEvent { state: self.name(), event });
        };
        let (Self::Submitted { attestation, work, nonce: awaited }
        | Self::Mined { attestation, work, nonce: awaited, .. }
        | Self::Orphaned { attestation, work, nonce: awaited }) = self
        else {
            return Ok(self.clone());
        };
        if *awaited != nonce {
            return Ok(self.clone());
        }
        let (attestation, work) = (attestation.clone(), *work);
        Ok(match event {
            Event::Mined { tx, block, .. } => Self::Mined { attestation, work, nonce, tx, block },
            Event::Orphaned { .. } => Self::Orphaned { attestation, work, nonce },
            // Whether it worked is seen on the destination; until then the attestation is what is sure.
            Event::Confirmed { .. } => Self::Attested { attestation },
            _ if work == Work::Attest => Self::Signed { attestation },
            _ => Self::Attested { attestation },
        })
    }
}

/// A transfer as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// How it began.
    pub deposit: Deposit,
    /// How far it is.
    #[serde(flatten)]
    pub step: Step,
    /// Our transactions for it, newest last.
    #[serde(default)]
    pub txs: Vec<OwnTx>,
    /// Unix seconds of the last change.
    pub updated: u64,
}

/// A transaction this relayer sent for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTx {
    /// What it does.
    pub work: Work,
    /// Its hash.
    pub hash: B256,
}

impl Record {
    /// A deposit just read.
    pub const fn seen(lane: Lane, deposit: Deposit, now: u64) -> Self {
        let key = Key { lane, nonce: deposit.nonce };
        Self { key, deposit, step: Step::Seen, txs: Vec::new(), updated: now }
    }

    /// The record after `event` at `now`.
    ///
    /// # Errors
    /// When the event cannot happen in its state.
    pub fn after(&self, event: Event, now: u64) -> Result<Self, IllegalEvent> {
        let step = self.step.after(event)?;
        Ok(Self { step, updated: now, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestation(epoch: u64) -> Attestation {
        Attestation { epoch, digest: B256::repeat_byte(1), signature: Bytes::from_static(&[2; 65]) }
    }

    fn run(from: Step, events: impl IntoIterator<Item = Event>) -> Step {
        events.into_iter().fold(from, |step, event| step.after(event).expect("legal"))
    }

    fn attested() -> Step {
        run(
            Step::Seen,
            [
                Event::Verified,
                Event::Approved,
                Event::Signed(attestation(1)),
                Event::Submitted { work: Work::Attest, nonce: 4 },
                Event::Mined { nonce: 4, tx: B256::ZERO, block: BlockRef::default() },
                Event::Confirmed { nonce: 4 },
            ],
        )
    }

    #[test]
    fn the_straight_way_ends_in_done() {
        let step = run(
            attested(),
            [
                Event::Submitted { work: Work::Execute, nonce: 9 },
                Event::Mined { nonce: 9, tx: B256::ZERO, block: BlockRef::default() },
                Event::Executed { tx: None, block: None },
            ],
        );
        assert!(step.is_done());
    }

    #[test]
    fn an_orphaned_transaction_is_submitted_again() {
        let step = run(
            attested(),
            [
                Event::Submitted { work: Work::Execute, nonce: 9 },
                Event::Mined { nonce: 9, tx: B256::ZERO, block: BlockRef::default() },
                Event::Orphaned { nonce: 9 },
            ],
        );
        assert_eq!(step.name(), "Orphaned");
        let step = step.after(Event::Submitted { work: Work::Execute, nonce: 9 }).expect("legal");
        assert_eq!(step.work(), Some(Work::Execute));
    }

    #[test]
    fn a_failed_attestation_goes_back_to_signed_and_a_failed_execution_to_attested() {
        let step = run(
            Step::Signed { attestation: attestation(1) },
            [Event::Submitted { work: Work::Attest, nonce: 4 }, Event::Failed { nonce: 4 }],
        );
        assert_eq!(step.name(), "Signed");
        let step = run(attested(), [Event::Submitted { work: Work::Execute, nonce: 9 }, Event::Failed { nonce: 9 }]);
        assert_eq!(step, attested());
    }

    #[test]
    fn reports_about_other_transactions_change_nothing() {
        let step = run(attested(), [Event::Submitted { work: Work::Execute, nonce: 9 }]);
        assert_eq!(step.after(Event::Failed { nonce: 4 }).expect("legal"), step);
        assert_eq!(attested().after(Event::Failed { nonce: 4 }).expect("legal"), attested());
    }

    #[test]
    fn a_new_epoch_signs_again() {
        let step = run(attested(), [Event::Signed(attestation(2))]);
        assert_eq!(step.attestation().map(|attestation| attestation.epoch), Some(2));
        assert_eq!(step.name(), "Signed");
    }

    #[test]
    fn nothing_is_submitted_before_it_is_signed() {
        for step in [Step::Seen, Step::Final, Step::PolicyOk] {
            for work in [Work::Attest, Work::Execute] {
                assert!(step.after(Event::Submitted { work, nonce: 0 }).is_err());
            }
        }
        let signed = Step::Signed { attestation: attestation(1) };
        assert!(signed.after(Event::Submitted { work: Work::Execute, nonce: 0 }).is_err());
    }

    #[test]
    fn done_stays_done() {
        let done = Step::Done { tx: None, block: None };
        assert!(done.after(Event::Signed(attestation(2))).is_err());
        assert_eq!(done.after(Event::Failed { nonce: 0 }).expect("a late report"), done);
    }

    #[test]
    fn steps_survive_the_journal() {
        for step in [Step::Seen, attested(), Step::Done { tx: Some(B256::ZERO), block: None }] {
            let json = serde_json::to_string(&step).expect("json");
            assert_eq!(serde_json::from_str::<Step>(&json).expect("json"), step);
        }
    }
}
