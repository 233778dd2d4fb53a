//! The list of authorities at some block: a value handed down to the engine, which never asks the chain for it.

use alloy::primitives::Address;

use crate::Step;

/// Authorities in the order of the spec's list or the contract's array; the order decides whose step it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ValidatorSet(Vec<Address>);

impl ValidatorSet {
    /// A set in this order. May be empty: a chain whose contract answers so can seal nothing, and says why.
    pub const fn new(validators: Vec<Address>) -> Self {
        Self(validators)
    }

    /// Whose turn `step` is: `validators[step mod len]` (OpenEthereum `authority_round`). `None` for an empty set.
    pub fn proposer(&self, step: Step) -> Option<Address> {
        let len = u64::try_from(self.0.len()).ok().filter(|len| *len > 0)?;
        self.0.get(usize::try_from(step.0 % len).ok()?).copied()
    }

    /// Whether `address` is an authority.
    pub fn contains(&self, address: Address) -> bool {
        self.0.contains(&address)
    }

    /// The authorities in order.
    pub fn as_slice(&self) -> &[Address] {
        &self.0
    }

    /// How many authorities there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody can seal.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
