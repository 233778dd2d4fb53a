//! The state before what was traced, for those who compare.

use std::cell::RefCell;

use alloy::primitives::{Address, B256, U256};
use revm::{
    Database, DatabaseRef,
    state::{AccountInfo, Bytecode},
};

use crate::database::{BlockState, Unreadable};

/// [`BlockState`] behind a shared reference. Reading remembers what was read, and changes nothing.
#[derive(Debug)]
pub(super) struct Before<'a>(RefCell<&'a mut BlockState>);

impl<'a> Before<'a> {
    pub(super) const fn new(state: &'a mut BlockState) -> Self {
        Self(RefCell::new(state))
    }
}

impl DatabaseRef for Before<'_> {
    type Error = Unreadable;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        self.0.borrow_mut().basic(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Unreadable> {
        self.0.borrow_mut().code_by_hash(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unreadable> {
        self.0.borrow_mut().storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unreadable> {
        self.0.borrow_mut().block_hash(number)
    }
}
