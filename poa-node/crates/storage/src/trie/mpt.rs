//! Ethereum's state commitment: a trie of accounts, each with a trie of slots, all keys hashed.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    rlp::{self, Decodable},
};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use aurum_types::{AccountChange, StateChanges};
use rayon::prelude::*;

use super::{
    proof::{lookup, prove},
    store::{NodeSource, NodeStore},
    update::{Fresh, Write, update},
};
use crate::{AccountProof, Commitment, Committed, StorageError, StorageProof, TrieNodes};

/// Rayon hands out accounts in portions of at least this many, so that a small block stays on one thread.
const ACCOUNTS_PER_TASK: usize = 16;

/// The state commitment of every Ethereum header (yellow paper, appendix D), updated in place of rebuilt: a block costs
/// in proportion to what it wrote.
#[derive(Debug)]
pub struct MerklePatricia {
    store: NodeStore,
}

impl MerklePatricia {
    /// A commitment that reads old nodes from `source`.
    pub fn new(source: Arc<dyn NodeSource>) -> Self {
        Self { store: NodeStore::new(source) }
    }

    fn account(&self, root: B256, key: &B256) -> Result<Option<TrieAccount>, StorageError> {
        lookup(&self.store, root, key)?.map(|leaf| decode_account(&leaf)).transpose()
    }

    /// The account's new leaf, after its storage trie was brought up to date.
    fn account_write(
        &self,
        root: B256,
        address: &Address,
        change: &AccountChange,
    ) -> Result<(Write, Vec<Fresh>), StorageError> {
        let key = keccak256(address);
        let Some(account) = change.account else {
            return Ok((Write { key, value: None }, Vec::new()));
        };
        let old_root = if change.storage_wiped {
            EMPTY_ROOT_HASH
        } else {
            self.account(root, &key)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root)
        };
        let (storage_root, fresh) = update(&self.store, old_root, &slot_writes(change))?;
        let leaf = TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash);
        Ok((Write { key, value: Some(rlp::encode(leaf)) }, fresh))
    }
}

impl Commitment for MerklePatricia {
    fn apply(&self, parent: B256, changes: &StateChanges) -> Result<Committed, StorageError> {
        let accounts: Vec<_> = changes.accounts.iter().collect();
        let parts = accounts
            .par_iter()
            .with_min_len(ACCOUNTS_PER_TASK)
            .map(|(address, change)| self.account_write(parent, address, change))
            .collect::<Result<Vec<_>, _>>()?;
        let mut fresh = Vec::new();
        let mut writes = Vec::with_capacity(parts.len());
        for (write, mut storage) in parts {
            writes.push(write);
            fresh.append(&mut storage);
        }
        writes.sort_unstable_by_key(|write| write.key);
        let (root, mut accounts) = update(&self.store, parent, &writes)?;
        fresh.append(&mut accounts);
        let nodes = fresh
            .into_iter()
            .map(|Fresh { hash, rlp, node }| {
                self.store.remember(hash, node);
                (hash, rlp)
            })
            .collect();
        Ok(Committed { root, nodes: TrieNodes::new(nodes) })
    }

    fn prove(&self, root: B256, address: Address, slots: &[U256]) -> Result<AccountProof, StorageError> {
        let (leaf, proof) = prove(&self.store, root, &keccak256(address))?;
        let account = leaf.map(|leaf| decode_account(&leaf)).transpose()?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let storage = slots
            .iter()
            .map(|slot| {
                let (leaf, proof) = prove(&self.store, storage_root, &keccak256(slot.to_be_bytes::<32>()))?;
                let value = leaf.map_or(Ok(U256::ZERO), |leaf| decode_slot(&leaf))?;
                Ok(StorageProof { slot: *slot, value, proof })
            })
            .collect::<Result<_, StorageError>>()?;
        let account = account.map(|account| aurum_types::Account {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
        });
        Ok(AccountProof { address, account, storage_root, proof, storage })
    }
}

fn slot_writes(change: &AccountChange) -> Vec<Write> {
    let mut writes: Vec<_> = change
        .storage
        .iter()
        .map(|(slot, value)| Write {
            key: keccak256(slot.to_be_bytes::<32>()),
            value: (!value.is_zero()).then(|| rlp::encode(value)),
        })
        .collect();
    writes.sort_unstable_by_key(|write| write.key);
    writes
}

fn decode_account(mut leaf: &[u8]) -> Result<TrieAccount, StorageError> {
    TrieAccount::decode(&mut leaf).map_err(|error| StorageError::corrupt("Nodes", format!("account leaf: {error}")))
}

fn decode_slot(mut leaf: &[u8]) -> Result<U256, StorageError> {
    U256::decode(&mut leaf).map_err(|error| StorageError::corrupt("Nodes", format!("slot leaf: {error}")))
}

/// A whole state's root from nothing, without a database: what a genesis header states.
///
/// # Errors
/// Never in practice; the signature is the commitment's.
pub fn genesis_root(changes: &StateChanges) -> Result<B256, StorageError> {
    Ok(MerklePatricia::new(Arc::new(super::NoNodes)).apply(EMPTY_ROOT_HASH, changes)?.root)
}

/// Root of the trie of `leaves` (sorted by hashed key): what [`crate::Writer::recompute_root`] compares with.
pub(crate) fn root_of(leaves: impl IntoIterator<Item = (B256, Vec<u8>)>) -> Result<B256, StorageError> {
    let mut writes: Vec<_> = leaves.into_iter().map(|(key, value)| Write { key, value: Some(value) }).collect();
    writes.sort_unstable_by_key(|write| write.key);
    Ok(update(&NodeStore::new(Arc::new(super::NoNodes)), EMPTY_ROOT_HASH, &writes)?.0)
}
