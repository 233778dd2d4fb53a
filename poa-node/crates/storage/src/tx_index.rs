//! Where a transaction is in the persisted canonical chain, by the first bytes of its hash.
//!
//! Eight bytes instead of thirty-two. Two transactions may share them, by chance or by somebody's effort: then the record
//! lists both places, and whoever asks compares the hash of what stands there.

use alloy::primitives::{
    B256,
    map::{Entry, HashMap},
};
use aurum_types::BlockNumber;

use crate::{
    StorageError,
    codec::{Body, NumberHash, Place, TxPrefix},
    rocks::{Batch, Rocks},
    tables,
};

/// The index as some writes, not made yet, will leave it. Each record is written once in the end.
pub(crate) struct TxIndexBatch<'a> {
    rocks: &'a Rocks,
    records: HashMap<TxPrefix, Vec<Place>>,
}

impl<'a> TxIndexBatch<'a> {
    pub(crate) fn new(rocks: &'a Rocks) -> Self {
        Self { rocks, records: HashMap::default() }
    }

    /// Adds a transaction.
    pub(crate) fn add(&mut self, hash: B256, place: Place) -> Result<(), StorageError> {
        let record = self.record(hash)?;
        if !record.contains(&place) {
            record.push(place);
        }
        Ok(())
    }

    /// Takes a transaction off.
    pub(crate) fn remove(&mut self, hash: B256, place: Place) -> Result<(), StorageError> {
        self.record(hash)?.retain(|other| *other != place);
        Ok(())
    }

    /// Writes every record touched.
    pub(crate) fn finish(self, batch: &mut Batch<'_>) {
        for (prefix, places) in self.records {
            if places.is_empty() {
                batch.delete::<tables::Transactions>(&prefix);
            } else {
                batch.put::<tables::Transactions>(&prefix, &places);
            }
        }
    }

    fn record(&mut self, hash: B256) -> Result<&mut Vec<Place>, StorageError> {
        Ok(match self.records.entry(TxPrefix::of(hash)) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                let stored = self.rocks.get::<tables::Transactions>(place.key())?;
                place.insert(stored.unwrap_or_default())
            }
        })
    }
}

/// The place of the transaction with this hash, and the hash of its block.
///
/// # Errors
/// [`StorageError::Corrupt`] for a place that is none; when the disk fails.
pub(crate) fn locate(rocks: &Rocks, hash: B256) -> Result<Option<(B256, Place)>, StorageError> {
    for place in rocks.get::<tables::Transactions>(&TxPrefix::of(hash))?.unwrap_or_default() {
        // The block may be taken off between these reads.
        let Some(block) = canonical(rocks, place.block)? else { continue };
        let Some(body) = rocks.get_bytes::<tables::Bodies>(&NumberHash { number: place.block, hash: block })? else {
            continue;
        };
        let found = Body::transaction_hash(&body, place.index);
        if found.ok_or_else(|| StorageError::corrupt("Transactions", format!("no place {place:?}")))? == hash {
            return Ok(Some((block, place)));
        }
    }
    Ok(None)
}

fn canonical(rocks: &Rocks, number: BlockNumber) -> Result<Option<B256>, StorageError> {
    rocks.get::<tables::Canonical>(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_whose_hashes_begin_alike_are_kept_apart() {
        let directory = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(directory.path()).unwrap();
        let (one, mut two) = (B256::repeat_byte(1), B256::repeat_byte(1));
        two[31] = 2;
        let (first, second) = (Place { block: 1, index: 7 }, Place { block: 2, index: 0 });
        let write = |change: &dyn Fn(&mut TxIndexBatch<'_>)| {
            let (mut index, mut batch) = (TxIndexBatch::new(&rocks), Batch::new(&rocks));
            change(&mut index);
            index.finish(&mut batch);
            batch.write().unwrap();
            rocks.get::<tables::Transactions>(&TxPrefix::of(one)).unwrap()
        };
        assert_eq!(write(&|index| index.add(one, first).unwrap()), Some(vec![first]));
        assert_eq!(write(&|index| index.add(two, second).unwrap()), Some(vec![first, second]));
        assert_eq!(write(&|index| index.remove(one, first).unwrap()), Some(vec![second]));
        assert_eq!(write(&|index| index.remove(two, second).unwrap()), None);
    }
}
