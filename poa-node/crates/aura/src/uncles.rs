//! Uncles, where a chain allows them (aura.md §1.9): headers beside the branch, checked like blocks and rewarded with
//! nothing.

use std::{collections::HashSet, time::Duration};

use alloy::primitives::B256;
use aurum_types::{Header, ValidatorSet};

use crate::{InvalidBlock, Rejected, Rules};

/// How far below its block an uncle may be.
pub const MAX_UNCLE_AGE: usize = 6;

/// A block below the one that has uncles.
#[derive(Clone, Debug)]
pub struct Ancestor {
    /// Its header.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// Hashes of the uncles it has.
    pub uncles: Vec<B256>,
    /// The set that seals its children.
    pub validators: ValidatorSet,
}

impl Rules {
    /// Checks the uncles of the block `header` (OpenEthereum `verify_block_basic` and `verify_uncles`): few enough, none
    /// twice, none on the branch or an uncle of it before, each one to six blocks below, each a child of the branch by
    /// the family rules. Their timestamps are not held against our clock, and who signed them is not asked.
    ///
    /// `ancestors` are the parent and the blocks below it in descending order, [`MAX_UNCLE_AGE`] + 1 of them or all
    /// there are.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_uncles(
        &self,
        header: &Header,
        hash: B256,
        uncles: &[Header],
        ancestors: &[Ancestor],
        now: Duration,
    ) -> Result<(), Rejected> {
        let maximum = self.maximum_uncles(header.number);
        if u64::try_from(uncles.len()).unwrap_or(u64::MAX) > maximum {
            return Err(InvalidBlock::Uncles { maximum }.into());
        }
        let mut excluded: HashSet<B256> = ancestors.iter().map(|ancestor| ancestor.hash).collect();
        excluded.insert(hash);
        excluded.extend(ancestors.iter().take(MAX_UNCLE_AGE).flat_map(|ancestor| ancestor.uncles.iter().copied()));
        let mut seen = HashSet::new();
        for uncle in uncles {
            let uncle_hash = uncle.hash_slow();
            let refuse = |reason| Err(InvalidBlock::Uncle { uncle: uncle_hash, reason }.into());
            if excluded.contains(&uncle_hash) {
                return refuse("is on the branch, or an uncle of it");
            }
            if !seen.insert(uncle_hash) {
                return refuse("is listed twice");
            }
            let depth = header.number.checked_sub(uncle.number).and_then(|depth| usize::try_from(depth).ok());
            let Some(depth) = depth.filter(|depth| (1..=MAX_UNCLE_AGE).contains(depth)) else {
                return refuse("is not one to six blocks below");
            };
            let Some(parent) = ancestors.get(depth).filter(|parent| parent.hash == uncle.parent_hash) else {
                return refuse("is no child of the branch");
            };
            self.verify_uncle(uncle, parent, now).map_err(|rejected| match rejected {
                Rejected::Invalid(rule) => {
                    Rejected::Invalid(InvalidBlock::UncleHeader { uncle: uncle_hash, rule: Box::new(rule) })
                }
                early @ Rejected::TemporarilyInvalid(_) => early,
            })?;
        }
        Ok(())
    }

    fn verify_uncle(&self, uncle: &Header, parent: &Ancestor, now: Duration) -> Result<(), Rejected> {
        let seal = self.verify_params(uncle)?;
        self.verify_seal_basic(uncle, &seal, now)?;
        self.verify_family(uncle, &seal, &parent.header, &parent.validators)?;
        Ok(())
    }
}
