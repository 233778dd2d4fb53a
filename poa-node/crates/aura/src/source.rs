//! Which entry of the spec's `validators` speaks for a block (aura.md §2.2).

use alloy::primitives::Address;
use aurum_types::{BlockNumber, ChainSpec, ValidatorSet, spec::ValidatorsSpec};

/// Where a validator set is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the spec.
    List(ValidatorSet),
    /// In a contract's state: `getValidators()`.
    Contract {
        /// The contract.
        address: Address,
        /// Whether misbehaviour is reported to it (`contract`, not `safeContract`).
        reports: bool,
    },
}

impl Source {
    /// The contract, if it is one.
    pub const fn contract(&self) -> Option<Address> {
        match self {
            Self::List(_) => None,
            Self::Contract { address, .. } => Some(*address),
        }
    }
}

/// The source that speaks for the header at `number`, which is the one its child's set comes from: of `multi`, the
/// largest key ≤ `number` + 1 (OpenEthereum `correct_set_by_number`). For genesis ask with 0.
pub fn validators_source(spec: &ChainSpec, number: BlockNumber) -> Source {
    Schedule::new(&spec.engine.validators).at(number).source.clone()
}

/// One entry of [`Schedule`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) from: BlockNumber,
    pub(crate) source: Source,
}

impl Entry {
    /// Whether the header at `number` is the one that switches to this entry.
    pub(crate) const fn begins_at(&self, number: BlockNumber) -> bool {
        self.from == number
    }
}

/// `validators` as a list of entries by first block; a set that is not `multi` is one entry from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule(Vec<Entry>);

impl Schedule {
    pub(crate) fn new(spec: &ValidatorsSpec) -> Self {
        let mut entries = Vec::new();
        collect(spec, 0, &mut entries);
        if entries.is_empty() {
            entries.push(Entry { from: 0, source: Source::List(ValidatorSet::default()) });
        }
        Self(entries)
    }

    pub(crate) fn at(&self, number: BlockNumber) -> &Entry {
        let last = number.saturating_add(1);
        self.0.iter().rev().find(|entry| entry.from <= last).unwrap_or(&self.0[0])
    }
}

fn collect(spec: &ValidatorsSpec, from: BlockNumber, entries: &mut Vec<Entry>) {
    match spec {
        ValidatorsSpec::List(list) => {
            entries.push(Entry { from, source: Source::List(ValidatorSet::new(list.clone())) });
        }
        ValidatorsSpec::SafeContract(address) => {
            entries.push(Entry { from, source: Source::Contract { address: *address, reports: false } });
        }
        ValidatorsSpec::Contract(address) => {
            entries.push(Entry { from, source: Source::Contract { address: *address, reports: true } });
        }
        ValidatorsSpec::Multi(by_block) => by_block.iter().for_each(|(from, inner)| collect(inner, *from, entries)),
    }
}
