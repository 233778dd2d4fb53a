//! A state's root from its leaves, without a database.

use alloy::{
    primitives::{Address, B256, keccak256},
    rlp,
};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use aurum_types::Account;

use crate::{Leaf, StorageError, trie};

/// Takes the leaves of a state as [`crate::Database::leaves_at`] shows them and gives its root. Holds a hashed leaf of
/// every account, and of one account at a time every slot.
#[derive(Debug, Default)]
pub struct StateRoot {
    accounts: Vec<(B256, Vec<u8>)>,
    current: Option<(Address, Account)>,
    slots: Vec<(B256, Vec<u8>)>,
}

impl StateRoot {
    /// The root of no state yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one leaf. Accounts must be different ones, and so must the slots of one account.
    ///
    /// # Errors
    /// A slot before the first account.
    pub fn add(&mut self, leaf: Leaf) -> Result<(), StorageError> {
        match leaf {
            Leaf::Account(address, account) => {
                self.close()?;
                self.current = Some((address, account));
            }
            Leaf::Slot(slot, value) => {
                if self.current.is_none() {
                    return Err(StorageError::corrupt("Slots", "slot of no account"));
                }
                self.slots.push((keccak256(slot.to_be_bytes::<32>()), rlp::encode(value)));
            }
        }
        Ok(())
    }

    /// The root of everything taken.
    ///
    /// # Errors
    /// None in practice; the signature is the trie's.
    pub fn finish(mut self) -> Result<B256, StorageError> {
        self.close()?;
        trie::root_of(self.accounts)
    }

    fn close(&mut self) -> Result<(), StorageError> {
        let Some((address, account)) = self.current.take() else { return Ok(()) };
        let slots = std::mem::take(&mut self.slots);
        let storage_root = if slots.is_empty() { EMPTY_ROOT_HASH } else { trie::root_of(slots)? };
        let leaf = TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash);
        self.accounts.push((keccak256(address), rlp::encode(leaf)));
        Ok(())
    }
}
