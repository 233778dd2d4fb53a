//! The state after one persisted block: the flat tables, or what history says they were.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber, EMPTY_CODE_HASH, StateError, StateReader};

use crate::{
    StorageError, Tip,
    codec::{AddressAt, Key, Slot, SlotAt},
    core::Core,
    overlay::Slice,
    rocks::Rocks,
    tables,
};

/// Stays right while the tip moves on above its block: then history answers instead of the flat tables.
#[derive(Clone, Debug)]
pub(crate) struct PersistedState {
    core: Arc<Core>,
    block: Tip,
    /// [`Core::unwinds`] when the block was known to be canonical.
    unwinds: u64,
}

impl PersistedState {
    /// `unwinds` must have been read before `block` was found canonical.
    pub(crate) const fn new(core: Arc<Core>, block: Tip, unwinds: u64) -> Self {
        Self { core, block, unwinds }
    }

    /// Reads flat state first and history after it, so that whatever is written in between is seen in history.
    ///
    /// Under a slice in which the key is not written, flat state may as well be that of a block of the slice: it is spared
    /// the look into history.
    fn read<T>(
        &self,
        under: Option<&Slice>,
        flat: impl FnOnce() -> Result<T, StorageError>,
        history: impl FnOnce() -> Result<Option<T>, StorageError>,
    ) -> Result<T, StorageError> {
        let missing = StorageError::MissingState { block: self.block.hash };
        let unwinds = self.core.unwinds();
        if *unwinds != self.unwinds && self.core.canonical_hash(self.block.number)? != Some(self.block.hash) {
            return Err(missing);
        }
        let now = flat()?;
        let written = self.core.flat();
        if written.number == self.block.number || under.is_some_and(|slice| slice.holds(written)) {
            return Ok(now);
        }
        let before = history()?;
        if self.core.history_floor() > self.block.number {
            return Err(missing);
        }
        Ok(before.unwrap_or(now))
    }

    /// Whether the block is canonical as it was, and its history kept: asked after something was found out without
    /// [`Self::read`]. An unwind in between makes what was found doubtful, even where it left the block alone.
    pub(crate) fn still_holds(&self) -> Result<bool, StorageError> {
        let unwinds = self.core.unwinds();
        Ok(*unwinds == self.unwinds && self.core.history_floor() <= self.block.number)
    }

    /// Whether the flat tables are this very state.
    pub(crate) fn is_flat(&self) -> bool {
        self.core.flat().number == self.block.number
    }

    pub(crate) fn rocks(&self) -> &Rocks {
        &self.core.rocks
    }

    /// The first block whose writes this state does not have.
    pub(crate) fn behind(&self) -> BlockNumber {
        self.block.number + 1
    }

    /// [`StateReader::account`] with its own error.
    pub(crate) fn read_account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        self.account_under(None, address)
    }

    /// The account, which the blocks of the slice, that stand on this state's, did not write.
    pub(crate) fn account_under(
        &self,
        slice: Option<&Slice>,
        address: Address,
    ) -> Result<Option<Account>, StorageError> {
        let rocks = &self.core.rocks;
        let from = AddressAt { key: address, block: self.behind() };
        self.read(
            slice,
            || rocks.get::<tables::Accounts>(&address),
            || rocks.seek::<tables::AccountHistory>(&from, address.len()),
        )
    }

    /// [`StateReader::storage`] with its own error.
    pub(crate) fn read_slot(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        self.slot_under(None, address, slot)
    }

    /// The slot, which the blocks of the slice, that stand on this state's, did not write.
    pub(crate) fn slot_under(&self, slice: Option<&Slice>, address: Address, slot: U256) -> Result<U256, StorageError> {
        let rocks = &self.core.rocks;
        let key = Slot { address, slot };
        let from = SlotAt { key, block: self.behind() };
        self.read(
            slice,
            || Ok(rocks.get::<tables::Slots>(&key)?.unwrap_or_default()),
            || rocks.seek::<tables::SlotHistory>(&from, key.to_bytes().len()),
        )
    }
}

impl StateReader for PersistedState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.read_account(address)?)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.read_slot(address, slot)?)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        if hash == EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        let code = self.core.rocks.get::<tables::Code>(&hash)?;
        Ok(code.ok_or_else(|| StorageError::corrupt("Code", format!("no code with hash {hash}")))?)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        if number > self.block.number {
            return Ok(None);
        }
        Ok(self.read(None, || self.core.canonical_hash(number), || Ok(None))?)
    }
}
