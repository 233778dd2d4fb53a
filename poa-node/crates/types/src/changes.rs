//! What one block did to the state: a value that is built once and moved from stage to stage.

use alloy::primitives::{Address, B256, Bytes, U256, map::HashMap};

use crate::Account;

/// One account's part of a block's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block; `None` when it no longer exists.
    pub account: Option<Account>,
    /// All storage from before the block is gone (self-destruct, or re-creation); `storage` then lists what is new.
    pub storage_wiped: bool,
    /// Slots written, with their values after the block; zero means removed.
    pub storage: HashMap<U256, U256>,
}

/// Accounts, slots and code written by one block, with their values *after* it.
///
/// An account that is listed is written even if its values did not change; one that is not listed was not touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// Changed accounts.
    pub accounts: HashMap<Address, AccountChange>,
    /// New code by its hash.
    pub code: HashMap<B256, Bytes>,
}

impl StateChanges {
    /// Whether the block left the state as it was.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.code.is_empty()
    }
}
