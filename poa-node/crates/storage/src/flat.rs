//! Writing flat state, the history that lets it be read as it was, and the undo records that lets it go back.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, map::HashMap};
use aurum_types::{Account, BlockNumber, StateChanges};

use crate::{
    Leaf, StateRoot, StorageError,
    codec::{AddressAt, Changed, Key, Slot, SlotAt},
    rocks::{Batch, Rocks},
    tables,
    trie::Before,
};

/// The flat tables as some writes, not made yet, will leave them. Blocks are put on or taken off one after another; each
/// key is written once in the end.
pub(crate) struct FlatBatch<'a> {
    rocks: &'a Rocks,
    accounts: HashMap<Address, Option<Account>>,
    slots: HashMap<Address, HashMap<U256, U256>>,
}

impl<'a> FlatBatch<'a> {
    pub(crate) fn new(rocks: &'a Rocks) -> Self {
        Self { rocks, accounts: HashMap::default(), slots: HashMap::default() }
    }

    /// Puts the genesis state into empty tables. Nothing was before it, so nothing is recorded.
    pub(crate) fn apply_genesis(&mut self, changes: &StateChanges, batch: &mut Batch<'_>) {
        for (address, change) in &changes.accounts {
            if change.account.is_some() {
                self.accounts.insert(*address, change.account);
                self.slots.entry(*address).or_default().extend(&change.storage);
            }
        }
        put_code(changes, batch);
    }

    /// Puts one block's changes on, recording in history what was before: `before` says it of every account they list.
    pub(crate) fn apply(
        &mut self,
        block: BlockNumber,
        changes: &StateChanges,
        before: &HashMap<Address, Before>,
        batch: &mut Batch<'_>,
    ) -> Result<(), StorageError> {
        let mut changed = Changed::default();
        for (address, change) in &changes.accounts {
            let before = before.get(address).ok_or_else(|| {
                StorageError::corrupt("Accounts", format!("block {block} wrote {address}, its trie does not know it"))
            })?;
            if before.account != change.account {
                batch.put::<tables::AccountHistory>(&AddressAt { key: *address, block }, &before.account);
                changed.accounts.push(*address);
                self.accounts.insert(*address, change.account);
            }
            let mut writes: BTreeMap<U256, U256> = BTreeMap::new();
            let mut gone = HashMap::default();
            if change.storage_wiped || change.account.is_none() {
                gone = self.slots_of(*address)?;
                writes.extend(gone.keys().map(|slot| (*slot, U256::ZERO)));
            }
            if change.account.is_some() {
                writes.extend(&change.storage);
            }
            for (slot, value) in writes {
                let key = Slot { address: *address, slot };
                let before = before.slots.get(&slot).or_else(|| gone.get(&slot)).copied().unwrap_or_default();
                if before != value {
                    batch.put::<tables::SlotHistory>(&SlotAt { key, block }, &before);
                    changed.slots.push(key);
                    self.slots.entry(*address).or_default().insert(slot, value);
                }
            }
        }
        changed.accounts.sort_unstable();
        changed.slots.sort_unstable();
        batch.put::<tables::Undo>(&block, &changed);
        put_code(changes, batch);
        Ok(())
    }

    /// Takes one block's changes off again, with its records. Blocks go newest first.
    pub(crate) fn revert(&mut self, block: BlockNumber, batch: &mut Batch<'_>) -> Result<(), StorageError> {
        let changed = undo_record(self.rocks, block)?;
        for address in changed.accounts {
            let at = AddressAt { key: address, block };
            let before = self.rocks.get::<tables::AccountHistory>(&at)?;
            let before =
                before.ok_or_else(|| StorageError::corrupt("AccountHistory", format!("no {address}@{block}")))?;
            self.accounts.insert(address, before);
            batch.delete::<tables::AccountHistory>(&at);
        }
        for key in changed.slots {
            let at = SlotAt { key, block };
            let before = self.rocks.get::<tables::SlotHistory>(&at)?;
            let before = before.ok_or_else(|| {
                StorageError::corrupt("SlotHistory", format!("no {}/{:#x}@{block}", key.address, key.slot))
            })?;
            self.slots.entry(key.address).or_default().insert(key.slot, before);
            batch.delete::<tables::SlotHistory>(&at);
        }
        batch.delete::<tables::Undo>(&block);
        Ok(())
    }

    /// Deletes what history and undo say about a block.
    pub(crate) fn forget(rocks: &Rocks, block: BlockNumber, batch: &mut Batch<'_>) -> Result<(), StorageError> {
        let changed = undo_record(rocks, block)?;
        for key in changed.accounts {
            batch.delete::<tables::AccountHistory>(&AddressAt { key, block });
        }
        for key in changed.slots {
            batch.delete::<tables::SlotHistory>(&SlotAt { key, block });
        }
        batch.delete::<tables::Undo>(&block);
        Ok(())
    }

    /// Writes the last value of every key touched.
    pub(crate) fn finish(self, batch: &mut Batch<'_>) {
        for (address, account) in self.accounts {
            match account {
                Some(account) => batch.put::<tables::Accounts>(&address, &account),
                None => batch.delete::<tables::Accounts>(&address),
            }
        }
        for (address, slots) in self.slots {
            for (slot, value) in slots {
                let key = Slot { address, slot };
                if value.is_zero() {
                    batch.delete::<tables::Slots>(&key);
                } else {
                    batch.put::<tables::Slots>(&key, &value);
                }
            }
        }
    }

    /// Every slot of an account that is not zero.
    fn slots_of(&self, address: Address) -> Result<HashMap<U256, U256>, StorageError> {
        let mut slots = HashMap::default();
        for record in self.rocks.scan::<tables::Slots>(address.as_slice(), address.as_slice()) {
            let (key, value) = record?;
            slots.insert(key.slot, value);
        }
        slots.extend(self.slots.get(&address).into_iter().flatten());
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }
}

fn put_code(changes: &StateChanges, batch: &mut Batch<'_>) {
    for (hash, code) in &changes.code {
        batch.put::<tables::Code>(hash, code);
    }
}

pub(crate) fn undo_record(rocks: &Rocks, block: BlockNumber) -> Result<Changed, StorageError> {
    rocks
        .get::<tables::Undo>(&block)?
        .ok_or_else(|| StorageError::corrupt("Undo", format!("no record of block {block}")))
}

/// Root of the whole flat state. The slots are in the order of the accounts, so one account's are held at a time.
pub(crate) fn recompute_root(rocks: &Rocks) -> Result<B256, StorageError> {
    let mut root = StateRoot::new();
    let mut slots = rocks.scan::<tables::Slots>(&[], &[]).peekable();
    for record in rocks.scan::<tables::Accounts>(&[], &[]) {
        let (address, account) = record?;
        root.add(Leaf::Account(address, account))?;
        while let Some(record) = slots.next_if(|record| !matches!(record, Ok((key, _)) if key.address != address)) {
            let (key, value) = record?;
            root.add(Leaf::Slot(key.slot, value))?;
        }
    }
    if let Some(orphan) = slots.next() {
        let what = format!("slot of no account: {:?}", orphan?.0.to_bytes());
        return Err(StorageError::corrupt("Slots", what));
    }
    root.finish()
}
