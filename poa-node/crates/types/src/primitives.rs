//! Numbers that must not be confused with each other.

use std::fmt;

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

/// Height of a block; genesis is 0.
pub type BlockNumber = u64;

/// Number of an AuRa step: the count of step durations since the Unix epoch (aura.md §1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Step(pub u64);

impl Step {
    /// The step after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Total difficulty of the chain that ends in a block. Fork choice prefers the higher; on a tie the first seen stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(pub U256);

impl Score {
    /// The score after a block of this `difficulty`. Saturates: 2^128 blocks of 2^128 cannot occur.
    #[must_use]
    pub const fn plus(self, difficulty: U256) -> Self {
        Self(self.0.saturating_add(difficulty))
    }
}
