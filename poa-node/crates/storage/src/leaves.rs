//! A whole state, account by account: what a snapshot of it holds.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber};

use crate::{
    Database, StorageError,
    codec::{AddressAt, Slot, SlotAt},
    flat::undo_record,
    rocks::Rocks,
    tables,
};

/// One piece of a state. After each account come its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// An account.
    Account(Address, Account),
    /// A slot that is not zero, of the account before it.
    Slot(U256, U256),
}

/// What has to be taken back from the flat tables to get an older state.
#[derive(Default)]
struct Reverted {
    accounts: BTreeMap<Address, Option<Account>>,
    slots: HashMap<Address, BTreeMap<U256, U256>>,
}

impl Database {
    /// Shows every leaf of the state after the persisted block `number`: accounts in the order of their addresses, the slots
    /// of each in theirs. What newer blocks wrote is held in memory meanwhile. Nothing may be written to the database until
    /// this returns.
    ///
    /// # Errors
    /// What `visit` says; [`StorageError`] where the history does not reach back, or the disk fails.
    pub fn leaves_at<E: From<StorageError>>(
        &self,
        number: BlockNumber,
        mut visit: impl FnMut(Leaf) -> Result<(), E>,
    ) -> Result<(), E> {
        let rocks = self.rocks();
        let mut reverted = self.reverted_to(number)?;
        let mut older = std::mem::take(&mut reverted.accounts).into_iter().peekable();
        for record in rocks.scan::<tables::Accounts>(&[], &[]) {
            let (address, now) = record?;
            while let Some((gone, before)) = older.next_if(|(older, _)| *older < address) {
                show(rocks, gone, before, &mut reverted.slots, &mut visit)?;
            }
            let before = older.next_if(|(older, _)| *older == address).map_or(Some(now), |(_, before)| before);
            show(rocks, address, before, &mut reverted.slots, &mut visit)?;
        }
        for (address, before) in older {
            show(rocks, address, before, &mut reverted.slots, &mut visit)?;
        }
        Ok(())
    }

    /// Code by its hash.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where no account has such code; when the disk fails.
    pub fn code(&self, hash: B256) -> Result<Bytes, StorageError> {
        let code = self.rocks().get::<tables::Code>(&hash)?;
        code.ok_or_else(|| StorageError::corrupt("Code", format!("no code with hash {hash}")))
    }

    /// What stood in place of everything that blocks above `number` wrote.
    fn reverted_to(&self, number: BlockNumber) -> Result<Reverted, StorageError> {
        let rocks = self.rocks();
        let tip = self.persisted().ok_or(StorageError::NoGenesis)?;
        if number < self.history_from() || number > tip.number {
            let hash = self.canonical_hash(number)?.unwrap_or_default();
            return Err(StorageError::MissingState { block: hash });
        }
        let mut reverted = Reverted::default();
        for block in (number + 1..=tip.number).rev() {
            let changed = undo_record(rocks, block)?;
            for key in changed.accounts {
                let before = rocks.get::<tables::AccountHistory>(&AddressAt { key, block })?;
                let before =
                    before.ok_or_else(|| StorageError::corrupt("AccountHistory", format!("no {key}@{block}")))?;
                reverted.accounts.insert(key, before);
            }
            for key in changed.slots {
                let before = rocks.get::<tables::SlotHistory>(&SlotAt { key, block })?;
                let before =
                    before.ok_or_else(|| StorageError::corrupt("SlotHistory", format!("no slot {key:?}@{block}")))?;
                reverted.slots.entry(key.address).or_default().insert(key.slot, before);
            }
        }
        Ok(reverted)
    }
}

/// Shows one account as it was, with its slots: the flat ones, and in their place or between them those taken back.
fn show<E: From<StorageError>>(
    rocks: &Rocks,
    address: Address,
    account: Option<Account>,
    reverted: &mut HashMap<Address, BTreeMap<U256, U256>>,
    visit: &mut impl FnMut(Leaf) -> Result<(), E>,
) -> Result<(), E> {
    let mut older = reverted.remove(&address).unwrap_or_default().into_iter().peekable();
    let Some(account) = account else { return Ok(()) };
    visit(Leaf::Account(address, account))?;
    let mut slot = |slot: U256, value: U256| if value.is_zero() { Ok(()) } else { visit(Leaf::Slot(slot, value)) };
    for record in rocks.scan::<tables::Slots>(address.as_slice(), address.as_slice()) {
        let (Slot { slot: key, .. }, now) = record?;
        while let Some((gone, before)) = older.next_if(|(older, _)| *older < key) {
            slot(gone, before)?;
        }
        let before = older.next_if(|(older, _)| *older == key).map_or(now, |(_, before)| before);
        slot(key, before)?;
    }
    older.try_for_each(|(gone, before)| slot(gone, before))
}
