//! The branch below a block that has uncles (aura.md §1.9).

use std::{sync::Arc, time::Duration};

use aurum_aura::{Ancestor, MAX_UNCLE_AGE, Rules};
use aurum_types::SealedBlock;

use crate::{ImportError, reader::Reader, recent::Link};

/// Checks a block's uncles against the branch that ends in `parent`.
///
/// # Errors
/// [`ImportError::Invalid`], [`ImportError::TemporarilyInvalid`].
pub(crate) fn verify(
    reader: &Reader,
    rules: &Rules,
    block: &SealedBlock,
    parent: &Link,
    now: Duration,
) -> Result<(), ImportError> {
    let uncles = &block.block().uncles;
    if uncles.is_empty() {
        return Ok(());
    }
    let mut ancestors = Vec::with_capacity(MAX_UNCLE_AGE + 1);
    let mut cursor = parent.hash;
    while ancestors.len() <= MAX_UNCLE_AGE {
        let Some(view) = reader.block(cursor)? else { break };
        let header = view.header().clone();
        // After a restart the tree does not reach below its persisted tip. The set is asked for an uncle's empty steps
        // alone.
        let link: Option<Arc<Link>> = reader.recent().link(cursor).cloned();
        let engine = link.as_ref().map_or(&parent.engine, |link| &link.engine);
        let validators = engine.child_validators().clone();
        let uncles = view.block().uncles.iter().map(aurum_types::Header::hash_slow).collect();
        let (hash, below) = (cursor, header.parent_hash);
        ancestors.push(Ancestor { header, hash, uncles, validators });
        cursor = below;
    }
    Ok(rules.verify_uncles(block.header(), block.hash(), uncles, &ancestors, now)?)
}
