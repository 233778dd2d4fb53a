//! Difficulty as score (aura.md §1.4), and who did not use their step.

use alloy::primitives::{Address, U256};
use aurum_types::{Step, ValidatorSet};

/// 2^128 − 1: what a block's difficulty stays below once scores are validated.
pub const MAX_DIFFICULTY: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0, 0]);

/// The difficulty of a block at `step` after a parent at `parent_step` that carries `empty_steps` messages:
/// 2^128 − 1 + parent step − step + empty steps (OpenEthereum `calculate_score`).
pub fn difficulty(parent_step: Step, step: Step, empty_steps: usize) -> U256 {
    // Cannot wrap: 2^128 − 1 exceeds every step, and the sum stays far below 2^256.
    MAX_DIFFICULTY + U256::from(parent_step.0) - U256::from(step.0) + U256::from(empty_steps)
}

/// Whose steps passed unused between a parent and its child, in step order; at most one round of the set, so a long
/// silence names everybody once.
pub fn skipped_proposers(validators: &ValidatorSet, parent_step: Step, step: Step) -> Vec<(Step, Address)> {
    (parent_step.0.saturating_add(1)..step.0)
        .take(validators.len())
        .filter_map(|skipped| validators.proposer(Step(skipped)).map(|proposer| (Step(skipped), proposer)))
        .collect()
}
