//! Empty steps that come from peers or are our own: judged against the tree, kept for the author (aura.md §1.3).

use alloy::primitives::B256;
use aurum_aura::{EmptyStepMessage, EmptyStepRefused};
use aurum_types::Step;

use crate::reader::Reader;

/// Why an empty step is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmptyStepError {
    /// The bytes are no empty step; whoever passed them on did not look.
    #[error("malformed: {0}")]
    Malformed(alloy_rlp::Error),
    /// The chain has none at that height.
    #[error("this chain has no empty steps at block {0}")]
    NotActive(u64),
    /// Its parent is not in the tree, or not any more.
    #[error("unknown parent {0}")]
    UnknownParent(B256),
    /// By the engine's rules.
    #[error(transparent)]
    Refused(#[from] EmptyStepRefused),
}

/// Judges and keeps a message; whether it is new.
pub(crate) fn offer(reader: &Reader, bytes: &[u8]) -> Result<bool, EmptyStepError> {
    let message = EmptyStepMessage::decode(bytes).map_err(EmptyStepError::Malformed)?;
    let parent = reader.recent().link(message.parent_hash).cloned();
    let parent = parent.ok_or(EmptyStepError::UnknownParent(message.parent_hash))?;
    let number = parent.header.number.saturating_add(1);
    if !reader.format.has_empty_steps(number) {
        return Err(EmptyStepError::NotActive(number));
    }
    let current = reader.schedule.step_at(reader.clock.now());
    let parent_step: Step = parent.header.step().unwrap_or_default();
    let validators = parent.engine.child_validators();
    let is_new = reader.empty_steps().accept(&message, parent_step, validators, current)?;
    // What was accepted is signed by whose step it is.
    if let (true, Some(observer), Some(signer)) = (is_new, reader.observer.get(), validators.proposer(message.step)) {
        observer.saw_empty_step(signer, message.step, number, message.parent_hash);
    }
    Ok(is_new)
}
