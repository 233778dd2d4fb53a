//! Who used which of the last steps: what to look at when blocks are missing.

use alloy::primitives::Address;
use aurum_aura::AuraSeal;
use aurum_types::{Header, Step, ValidatorSet};

use super::View;
use crate::{BlockRef, Fault, ReadError, reader::Reader, recent::Link};

/// Most steps that are looked back.
pub const MAX_STEPS: u64 = 1_024;

/// One step of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// Whose turn it was.
    pub proposer: Address,
    /// What came of it.
    pub outcome: StepOutcome,
}

/// What came of a step, as the canonical chain shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// A block.
    Sealed(BlockRef),
    /// A message that it passes, carried by this block (aura.md §1.3).
    EmptyStep(BlockRef),
    /// Nothing.
    Missed,
    /// It still runs, and there is no block yet.
    Open,
}

impl View {
    /// The last `count` steps up to the clock's, oldest first, at most [`MAX_STEPS`]. Shorter where the chain, or what is
    /// known of earlier validators, ends.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn recent_steps(&self, count: u64) -> Result<Vec<StepReport>, ReadError> {
        let reader = self.reader();
        let now = reader.schedule.step_at(reader.clock.now());
        let head = std::sync::Arc::clone(reader.recent().head_link());
        Ok(steps_before(reader, &head, now, count.min(MAX_STEPS))?)
    }
}

fn steps_before(reader: &Reader, head: &Link, now: Step, count: u64) -> Result<Vec<StepReport>, Fault> {
    let oldest = Step((now.0 + 1).saturating_sub(count));
    let validators = head.engine.child_validators();
    let epoch_begins_after = head.engine.status().epoch_recorded_at;
    let mut reports = Vec::new();

    let head_step = head.header.step().unwrap_or_default();
    for step in (head_step.0 + 1..=now.0).rev().map(Step).take_while(|step| *step >= oldest) {
        let Some(proposer) = validators.proposer(step) else { return Ok(reports) };
        let outcome = if step == now { StepOutcome::Open } else { StepOutcome::Missed };
        reports.push(StepReport { step, proposer, outcome });
    }

    let (mut hash, mut child) = (head.hash, head.header.clone());
    // Genesis has no step of its own.
    while child.number > 0 {
        let Some(step) = child.step().filter(|step| *step >= oldest) else { break };
        let block = BlockRef { number: child.number, hash };
        reports.push(StepReport { step, proposer: child.author, outcome: StepOutcome::Sealed(block) });
        let Some(parent) = reader.header(child.parent_hash)? else { break };
        let Some(set) = set_after(reader, &child, validators, epoch_begins_after) else { break };
        if parent.number > 0 {
            reports
                .extend(steps_between(reader, &set, &parent, &child, block).take_while(|report| report.step >= oldest));
        }
        (hash, child) = (child.parent_hash, parent);
    }
    reports.reverse();
    Ok(reports)
}

/// The set whose turns lie between a block and its parent; known for recent parents, and within the present epoch.
fn set_after(
    reader: &Reader,
    child: &Header,
    validators: &ValidatorSet,
    epoch_begins_after: u64,
) -> Option<ValidatorSet> {
    if child.number > epoch_begins_after {
        return Some(validators.clone());
    }
    reader.recent().link(child.parent_hash).map(|parent| parent.engine.child_validators().clone())
}

/// The steps between a block and its parent, newest first.
fn steps_between<'a>(
    reader: &Reader,
    set: &'a ValidatorSet,
    parent: &Header,
    child: &Header,
    carrier: BlockRef,
) -> impl Iterator<Item = StepReport> + use<'a> {
    let (from, to) = (parent.step().unwrap_or_default(), child.step().unwrap_or_default());
    let empty = AuraSeal::from_header(child, &reader.format).and_then(|seal| seal.empty_steps()).unwrap_or_default();
    (from.0 + 1..to.0).rev().map(Step).map_while(move |step| {
        let passed = empty.iter().any(|empty| empty.step == step.0);
        let outcome = if passed { StepOutcome::EmptyStep(carrier) } else { StepOutcome::Missed };
        Some(StepReport { step, proposer: set.proposer(step)?, outcome })
    })
}
