//! Building before our step: a candidate on the head, which grows as transactions come.
//!
//! Whatever it is begun with may be otherwise when the step comes: another head, later empty steps, another report. Then
//! the candidate is thrown away and the block is built anew, as if there had been none.

use std::time::{Duration, Instant};

use aurum_aura::EmptyStep;
use aurum_chain::Authoring;
use aurum_types::Step;

use super::{
    Author,
    build::{Candidate, Filled, Recipe},
    engine_txs::{self, Sender},
    pace::rest_of,
};

/// How long a candidate is filled at a time, before the author looks for a new head.
const SLICE: Duration = Duration::from_millis(25);

/// What comes of beginning a block before its step.
pub(super) enum Begun {
    /// It is there.
    Candidate(Box<Candidate>),
    /// It will be, with the first transaction.
    NothingYet,
    /// The block of the step before may come: not so soon.
    Later(Duration),
    /// It is not our turn on this head; or it is not possible: what is wrong then is found and told when the step has come.
    No,
}

impl Author {
    /// Begins the block of `step`, which has not begun, on the head: once the head is of the step before, or so much of
    /// that step has passed that its block should be here.
    pub(super) fn begin_ahead(&self, step: Step) -> Begun {
        let Ok(parent) = self.chain.authoring() else { return Begun::No };
        let is_used = self.inner().record.step().is_some_and(|last| step <= last);
        if !parent.may_seal(self.address(), step) || is_used || self.lookout.key_elsewhere().is_some() {
            return Begun::No;
        }
        let last = Step(step.0.saturating_sub(1));
        let left = self.steps.start_of(step).saturating_sub(self.clock.now());
        let patience = left.saturating_sub(rest_of(self.steps.duration_of(last)));
        if parent.parent().step() != Some(last) && !patience.is_zero() {
            return Begun::Later(patience);
        }
        if self.chain.pool().status().pending == 0 {
            return Begun::NothingYet;
        }
        let engine = engine_txs::make(&parent, Sender(&*self.sealing.signer), &mut self.reports());
        let recipe = Recipe {
            author: self.address(),
            step,
            now: self.steps.start_of(step),
            engine,
            empty_steps: parent.empty_steps(step),
            gas_target: self.sealing.gas_target,
        };
        match Candidate::begin(parent, self.chain.pool(), recipe) {
            Ok(candidate) => {
                // Once the step has come, every millisecond is one less for the others.
                if let Err(error) = self.inner().record.reserve(step) {
                    tracing::warn!(%step, %error, "a step cannot be recorded before it comes");
                }
                Begun::Candidate(Box::new(candidate))
            }
            Err(error) => {
                tracing::debug!(%step, %error, "no block is begun before its step");
                Begun::No
            }
        }
    }

    /// Adds for a moment what there is, but not into the step. `None`: the candidate is no good.
    pub(super) fn fill_ahead(&self, candidate: &mut Candidate) -> Option<Filled> {
        let left = self.steps.start_of(candidate.step()).saturating_sub(self.clock.now());
        candidate
            .fill(self.chain.pool(), self.lookout.pace().most(), Instant::now() + SLICE.min(left))
            .inspect_err(
                |error| tracing::debug!(step = %candidate.step(), %error, "a block that was begun is given up"),
            )
            .ok()
    }

    /// Whether the head is still the candidate's parent.
    pub(super) fn is_on_head(&self, candidate: &Candidate) -> bool {
        self.chain.head().latest.hash == candidate.parent_hash()
    }

    /// Whether the candidate is what a block of `step` on `parent` is to be.
    pub(super) fn is_current(
        &self,
        candidate: &Candidate,
        step: Step,
        parent: &Authoring,
        empty_steps: &[EmptyStep],
    ) -> bool {
        if candidate.step() != step || candidate.parent_hash() != parent.parent_hash() {
            return false;
        }
        let reports = engine_txs::due_reports(parent, Sender(&*self.sealing.signer), &mut self.reports());
        candidate.carries(empty_steps, &reports)
    }
}
