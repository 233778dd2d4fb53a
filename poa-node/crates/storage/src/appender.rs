//! What arrives, and is on disk before anybody is told of it: blocks, epochs, certificates, notes.
//!
//! None of it changes the tip or its state, so it does not wait while [`crate::Writer`] persists a block or saves a
//! check-point, which may take as long as many blocks.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes};
use aurum_types::{Block, BlockNumber, Score, SealedBlock};

use crate::{
    StorageError,
    codec::{Arrival, Body, NumberHash, StoredHeader, Value},
    core::{Core, names},
    rocks::Batch,
    tables,
};

/// Stores what arrives; of [`crate::Writer::appender`]. One call at a time writes, others wait for it.
#[derive(Clone, Debug)]
pub struct Appender {
    core: Arc<Core>,
}

impl Appender {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Stores a block with the total difficulty of its chain. Returns when it is on disk: only then may it be announced.
    /// A block that is stored already keeps its first arrival.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put_block(&self, block: &SealedBlock, score: Score) -> Result<(), StorageError> {
        let (_appending, rocks) = (self.core.appending(), &self.core.rocks);
        if rocks.get::<tables::Arrivals>(&NumberHash { number: block.number(), hash: block.hash() })?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new(rocks);
        put_block(&mut batch, block.block(), block.hash(), Arrival { score, order: rocks.sequence() + 1 });
        batch.write_durably()
    }

    /// [`Self::put_block`] for several, parents before children, with one fsync: all of them are on disk when it returns,
    /// and after a crash before that none or all.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put_blocks<'a>(
        &self,
        blocks: impl IntoIterator<Item = (&'a SealedBlock, Score)>,
    ) -> Result<(), StorageError> {
        let (_appending, rocks) = (self.core.appending(), &self.core.rocks);
        let mut batch = Batch::new(rocks);
        // Each block takes several sequence numbers, so those of the next call are higher.
        for (order, (block, score)) in (rocks.sequence() + 1..).zip(blocks) {
            let at = NumberHash { number: block.number(), hash: block.hash() };
            if rocks.get::<tables::Arrivals>(&at)?.is_none() {
                put_block(&mut batch, block.block(), block.hash(), Arrival { score, order });
            }
        }
        batch.write_durably()
    }

    /// Stores what a block recorded about the validators. Durable, and to be called before [`Self::put_block`]: whoever
    /// finds the block finds this.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put_epoch(&self, number: BlockNumber, hash: B256, epoch: &[u8]) -> Result<(), StorageError> {
        let mut batch = Batch::new(&self.core.rocks);
        batch.put::<tables::Epochs>(&NumberHash { number, hash }, &Bytes::copy_from_slice(epoch));
        batch.write_durably()
    }

    /// Stores the finality certificate of the block at `number`. Durable. The first one of a height stays.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put_certificate(&self, number: BlockNumber, certificate: &[u8]) -> Result<(), StorageError> {
        let _appending = self.core.appending();
        if self.core.rocks.get::<tables::Certificates>(&number)?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new(&self.core.rocks);
        batch.put::<tables::Certificates>(&number, &Bytes::copy_from_slice(certificate));
        batch.write_durably()
    }

    /// Keeps a value under a name; on disk when this returns.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        let mut batch = Batch::new(&self.core.rocks);
        batch.put::<tables::Meta>(&format!("{}{key}", names::USER), &Bytes::copy_from_slice(value));
        batch.write_durably()
    }
}

pub(crate) fn put_block(batch: &mut Batch<'_>, block: &Block, hash: B256, arrival: Arrival) {
    let header = StoredHeader(block.header.clone());
    batch.put_encoded::<tables::Headers>(&hash, &header.to_value());
    let key = NumberHash { number: block.header.number, hash };
    batch.put_encoded::<tables::Bodies>(&key, &Body::encode_parts(&block.transactions, &block.uncles));
    batch.put::<tables::Arrivals>(&key, &arrival);
}
