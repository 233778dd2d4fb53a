//! Which validators a branch has had, and what finality certificates need to know of branches.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use aurum_aura::certificate::{Branches, Checkpoint, Electorate, ValidatorHistory};
use aurum_storage::Database;
use aurum_types::{BlockNumber, ValidatorSet};

use crate::{BlockRef, Fault, reader::Reader, recent::Link};

/// Name in table Meta of the height of the block of whose snapshot the database was made: below it only the canonical
/// branch's epochs are known, and not its blocks.
pub(crate) const RESTORED: &str = "restored-at";

/// What a block recorded: the set that seals its children, and the history of sets up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) validators: Arc<ValidatorSet>,
    pub(crate) history: ValidatorHistory,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Stored {
    history: B256,
    validators: Vec<Address>,
}

impl Epoch {
    pub(crate) fn genesis(validators: ValidatorSet) -> Self {
        Self { history: ValidatorHistory::first(&validators), validators: Arc::new(validators) }
    }

    fn after(history: ValidatorHistory, validators: ValidatorSet) -> Self {
        Self { history: history.then(&validators), validators: Arc::new(validators) }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let validators = self.validators.as_slice().to_vec();
        alloy_rlp::encode(Stored { history: self.history.0, validators })
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let Stored { history, validators } = Stored::decode(&mut bytes).ok()?;
        Some(Self { validators: Arc::new(ValidatorSet::new(validators)), history: ValidatorHistory(history) })
    }
}

/// Every epoch of every branch, by the block that recorded it. There are few: sets change by vote of people.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    all: BTreeMap<(BlockNumber, B256), Epoch>,
    /// See [`RESTORED`]; zero where all blocks are known.
    restored: BlockNumber,
}

impl Epochs {
    /// All that are stored.
    pub(crate) fn load(database: &Database) -> Result<Self, Fault> {
        let mut epochs = BTreeMap::new();
        for (at, bytes) in database.epochs()? {
            let epoch = Epoch::decode(&bytes);
            let epoch = epoch.ok_or_else(|| Fault::Inconsistent(format!("the epoch recorded by {}", at.hash)))?;
            epochs.insert((at.number, at.hash), epoch);
        }
        let restored = match database.meta(RESTORED)? {
            None => 0,
            Some(bytes) => {
                let number = <[u8; 8]>::try_from(&bytes[..]).map(BlockNumber::from_be_bytes);
                number.map_err(|_| Fault::Inconsistent("the height of the restored block".to_owned()))?
            }
        };
        Ok(Self { all: epochs, restored })
    }

    /// Whether nothing was ever recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn insert(&mut self, at: BlockRef, epoch: Epoch) {
        self.all.insert((at.number, at.hash), epoch);
    }

    /// Whether this block recorded a set.
    pub(crate) fn recorded_by(&self, number: BlockNumber, hash: B256) -> bool {
        self.all.contains_key(&(number, hash))
    }

    /// Those recorded up to a height, on all branches, the latest first.
    fn down_from(&self, number: BlockNumber) -> impl Iterator<Item = (Checkpoint, &Epoch)> {
        let upto = self.all.range(..=(number, B256::repeat_byte(0xff))).rev();
        upto.map(|((number, hash), epoch)| (Checkpoint { number: *number, hash: *hash }, epoch))
    }
}

impl Reader {
    /// The epochs on the branch of `block` from the one in force after `first` up to and with `block`, the latest first.
    /// Empty where the record does not reach that far.
    pub(crate) fn epochs_between(
        &self,
        first: BlockNumber,
        block: Checkpoint,
    ) -> Result<Vec<(Checkpoint, Epoch)>, Fault> {
        let (candidates, restored): (Vec<_>, _) = {
            let epochs = self.epochs();
            (epochs.down_from(block.number).map(|(at, epoch)| (at, epoch.clone())).collect(), epochs.restored)
        };
        let mut found = Vec::new();
        for (at, epoch) in candidates {
            if at.number > restored && self.ancestor(block, at.number)? != Some(at.hash) {
                continue;
            }
            found.push((at, epoch));
            if at.number <= first {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// What `block`, a child of `parent`, recorded, if it recorded a set.
    pub(crate) fn epoch_of(&self, parent: &Link, link: &Link) -> Result<Option<Epoch>, Fault> {
        if !link.engine.records_epoch() {
            return Ok(None);
        }
        let before = Checkpoint { number: parent.header.number, hash: parent.hash };
        // Restored from a snapshot: the history before is not known, and nothing is counted on it.
        let Some(history) = self.history(before)? else { return Ok(None) };
        Ok(Some(Epoch::after(history, link.engine.child_validators().clone())))
    }
}

impl Branches for Reader {
    type Error = Fault;

    fn ancestor(&self, block: Checkpoint, number: BlockNumber) -> Result<Option<B256>, Fault> {
        let mut cursor = block;
        loop {
            if number > cursor.number {
                return Ok(None);
            }
            if self.canonical_hash(cursor.number)? == Some(cursor.hash) {
                return self.canonical_hash(number);
            }
            let Some(header) = self.header(cursor.hash)?.filter(|header| header.number == cursor.number) else {
                return Ok(None);
            };
            if number == cursor.number {
                return Ok(Some(cursor.hash));
            }
            cursor = Checkpoint { number: header.number.saturating_sub(1), hash: header.parent_hash };
        }
    }

    fn electorate(&self, root: Checkpoint, last: Checkpoint) -> Result<Option<Electorate>, Fault> {
        let from = self.spec.engine.finality_certificates_transition.unwrap_or(0);
        let first = root.number.max(from).min(last.number);
        let mut sets: Vec<_> =
            self.epochs_between(first, last)?.into_iter().map(|(_, epoch)| epoch.validators).collect();
        sets.reverse();
        Ok((!sets.is_empty()).then(|| Electorate::new(sets)))
    }

    fn history(&self, block: Checkpoint) -> Result<Option<ValidatorHistory>, Fault> {
        let epochs = self.epochs_between(block.number, block)?;
        Ok(epochs.first().map(|(_, epoch)| epoch.history))
    }
}
