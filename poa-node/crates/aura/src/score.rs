//! Difficulty as score (aura.md §1.4), and who did not use their step.

use alloy::primitives::{Address, U256};
use aurum_types::{BlockNumber, Step, ValidatorSet};

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

/// Whom the authority `me` reports for steps that passed unused before the block `number` at `step` (OpenEthereum
/// `report_skipped`): each skipped proposer once, never itself, nobody for block 1, whose parent has no step of its own.
/// Only where empty steps are not active: without them silence is an offence, with them it is not to be told from a
/// message that was left out.
pub fn skipped_to_report(
    validators: &ValidatorSet,
    number: BlockNumber,
    parent_step: Step,
    step: Step,
    me: Address,
) -> Vec<Address> {
    let mut reported = Vec::new();
    if number == 1 {
        return reported;
    }
    for (_, skipped) in skipped_proposers(validators, parent_step, step) {
        if skipped == me {
            continue;
        }
        if reported.contains(&skipped) {
            break;
        }
        reported.push(skipped);
    }
    reported
}
