//! Going back to an earlier head, final blocks and all: what `evm_revert` does to a development chain. No other chain has
//! the [`crate::Development`] that it takes.

use std::{io, sync::Arc};

use alloy::primitives::B256;
use aurum_aura::{EngineState, Source, validators_source};
use aurum_pool::Pool;
use aurum_types::{Recovered, Score, Transaction};

use crate::{
    BlockRef, Fault, HeadChange,
    persist::persist_due,
    pipeline::Importer,
    reader::Reader,
    recent::{Link, Recent},
    sightings::Sightings,
    snapshot::Snapshot,
};

/// A head that was, with what waited then. Held in memory only.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    link: Arc<Link>,
    waiting: Vec<Recovered<Transaction>>,
}

/// Why the chain was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum RewindError {
    /// The chain was taken back below this block since.
    #[error("block {} ({}) is not on the chain any more", .0.number, .0.hash)]
    Gone(BlockRef),
    /// What a restart would go by could not be rewritten. The chain was taken back all the same.
    #[error("the chain was taken back, but not all of it written: {0}")]
    Written(#[from] io::Error),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Checkpoint {
    /// Block 0, with nothing that waits.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn genesis(reader: &Reader) -> Result<Self, Fault> {
        let hash = reader.genesis_hash();
        let header = reader.header(hash)?.ok_or_else(|| Fault::Inconsistent("genesis is gone".to_owned()))?;
        let Source::List(validators) = validators_source(&reader.spec, 0) else {
            return Err(Fault::Inconsistent("a development chain has a list of validators".to_owned()));
        };
        let engine = EngineState::genesis(&reader.spec, &header, validators);
        let (score, finalized) = (Score(header.difficulty), BlockRef { number: 0, hash });
        Ok(Self { link: Arc::new(Link { hash, header, score, engine, finalized }), waiting: Vec::new() })
    }

    /// The present.
    pub(crate) fn of(reader: &Reader, pool: &Pool) -> Self {
        let content = pool.content();
        let mut waiting: Vec<_> = content.pending.into_values().chain(content.queued.into_values()).flatten().collect();
        waiting.sort_unstable_by_key(|pooled| pooled.arrival());
        let waiting = waiting.iter().map(|pooled| pooled.transaction().clone()).collect();
        Self { link: Arc::clone(reader.recent().head_link()), waiting }
    }

    /// Its head.
    pub fn head(&self) -> BlockRef {
        self.link.at()
    }

    /// Unix time in its header, in seconds.
    pub fn timestamp(&self) -> u64 {
        self.link.header.timestamp
    }

    /// The step of its header; `None` at genesis.
    pub fn step(&self) -> Option<aurum_types::Step> {
        self.link.header.step()
    }
}

impl Importer {
    /// See [`crate::Chain::rewind`].
    pub(crate) fn rewind(&mut self, to: &Checkpoint) -> Result<(), RewindError> {
        self.persist.check()?;
        let (reader, at) = (Arc::clone(&self.reader), to.head());
        let latest = reader.head().latest;
        if reader.canonical_hash(at.number)? != Some(at.hash) {
            return Err(RewindError::Gone(at));
        }
        let above =
            (at.number + 1..=latest.number).map(|number| Ok(BlockRef { number, hash: canonical(&reader, number)? }));
        let retracted = self.bodies(&above.collect::<Result<Vec<_>, Fault>>()?)?;
        self.take_off(to)?;
        *reader.sightings() = Sightings::default();
        let base_fee = reader.base_fee_after(&to.link.header);
        let journal =
            self.pool.as_ref().map_or(Ok(()), |pool| pool.start_over(to.waiting.clone(), at.number, base_fee));
        tracing::info!(number = at.number, hash = %at.hash, blocks = retracted.len(), "the chain was taken back");
        self.publish(&Arc::new(HeadChange { head: reader.head(), enacted: Vec::new(), retracted }));
        Ok(journal?)
    }

    /// Moves the persisted tip and the tree to the checkpoint. In between nobody reads the tree.
    fn take_off(&self, to: &Checkpoint) -> Result<(), Fault> {
        let reader = &self.reader;
        let mut writer = self.persist.writer();
        while persist_due(reader, &mut writer)? {}
        let mut recent = reader.recent_mut();
        let (persisted, latest) = (recent.persisted(), recent.head().latest);
        if persisted != latest {
            let (persisted, latest) = (persisted.number, latest.number);
            return Err(Fault::Inconsistent(format!(
                "block {latest} of a lone authority is not final, but {persisted}"
            )));
        }
        writer.rewind_to(to.link.header.number, &Snapshot::of(&to.link, &to.link).encode())?;
        let tree = Recent::new(Link::clone(&to.link), Link::clone(&to.link));
        let certificates = reader.spec.engine.finality_certificates_transition.is_some();
        *recent = if certificates { tree.with_certificates() } else { tree };
        Ok(())
    }
}

fn canonical(reader: &Reader, number: u64) -> Result<B256, Fault> {
    let missing = || Fault::Inconsistent(format!("the chain has a gap at block {number}"));
    reader.canonical_hash(number)?.ok_or_else(missing)
}
