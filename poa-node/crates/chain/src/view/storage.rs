//! The storage of a contract, slot by slot, as it was before a transaction (`debug_storageRangeAt`).

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, keccak256};
use aurum_evm::TraceLimits;
use aurum_types::AccountChange;

use super::{TraceView, View};
use crate::ReadError;

/// Slots between two looks at the limits.
const STRIDE: usize = 1024;

/// Which part of a storage is asked for. Slots are in the order of their hashes, which is that of the storage trie.
#[derive(Clone, Copy, Debug)]
pub struct StoragePage {
    /// The contract.
    pub address: Address,
    /// Least hash.
    pub start: B256,
    /// Most slots of the answer.
    pub count: usize,
    /// Most slots of the contract: since none are in the order of their hashes, all are looked at for each page.
    pub most: usize,
}

/// A slot that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageSlot {
    /// Keccak-256 of the slot.
    pub hash: B256,
    /// The slot.
    pub slot: U256,
    /// What is in it.
    pub value: U256,
}

/// A part of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageRange {
    /// By hash, ascending.
    pub slots: Vec<StorageSlot>,
    /// Hash of the slot behind them, if there is one.
    pub next: Option<B256>,
}

impl View {
    /// A part of a contract's storage before the transaction at `index` of a block of the chain.
    ///
    /// # Errors
    /// [`ReadError::TooManySlots`], [`ReadError::NoState`] where the parent's state is not kept any more, and
    /// [`ReadError::Trace`] past the deadline or when nobody waits any more.
    pub fn storage_range(
        &self,
        block: &TraceView,
        index: usize,
        page: StoragePage,
        limits: &TraceLimits,
    ) -> Result<StorageRange, ReadError> {
        let StoragePage { address, start, count, most } = page;
        limits.check()?;
        let change = block.changes_before(index, limits)?.accounts.remove(&address);
        let of_parent = match &change {
            Some(change) if change.account.is_none() => return Ok(StorageRange::default()),
            Some(change) if change.storage_wiped => Default::default(),
            _ => {
                let listed = self.reader().slots(block.block().header().parent_hash, address, most, limits);
                limits.check()?;
                listed?
            }
        };
        let written = change.iter().flat_map(|change| change.storage.keys().copied());
        let hashed = |slot: U256| (keccak256(slot.to_be_bytes::<32>()), slot);
        let slots: BTreeMap<B256, U256> =
            of_parent.into_iter().chain(written).map(hashed).filter(|(hash, _)| *hash >= start).collect();
        let mut range = StorageRange::default();
        for (looked, (hash, slot)) in slots.into_iter().enumerate() {
            if looked % STRIDE == 0 {
                limits.check()?;
            }
            let value = value(block, address, change.as_ref(), slot)?;
            if value.is_zero() {
                continue;
            }
            if range.slots.len() == count {
                range.next = Some(hash);
                break;
            }
            range.slots.push(StorageSlot { hash, slot, value });
        }
        Ok(range)
    }
}

/// What is in a slot of an account that exists, with what the block did to it so far.
fn value(block: &TraceView, address: Address, change: Option<&AccountChange>, slot: U256) -> Result<U256, ReadError> {
    match change {
        Some(change) if change.storage_wiped => Ok(change.storage.get(&slot).copied().unwrap_or_default()),
        Some(AccountChange { storage, .. }) if storage.contains_key(&slot) => Ok(storage[&slot]),
        _ => Ok(block.parent().storage(address, slot)?),
    }
}
