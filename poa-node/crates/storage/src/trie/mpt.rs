//! Ethereum's state commitment: a trie of accounts, each with a trie of slots, all keys hashed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alloy::{
    primitives::{Address, B256, U256, keccak256, map::HashMap},
    rlp::{self, Decodable},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use aurum_types::{Account, AccountChange, StateChanges};
use rayon::prelude::*;

use super::{
    node::{Link, Node},
    proof::{Found, has_record_at, lookup, prove},
    store::{NoNodes, NodeSource, NodeStore, Owner},
    update::{Target, Trace, Write, update},
};
use crate::{AccountProof, StorageError, StorageProof};

/// Rayon hands out accounts in portions of at least this many, so that a small block stays on one thread.
const ACCOUNTS_PER_TASK: usize = 16;

/// A state's trie: a value, cheap to clone, sharing its nodes with those it was made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateTrie {
    root: Option<Link>,
}

impl StateTrie {
    /// The trie with this root as the database holds it; nothing is read yet.
    pub(crate) fn stored(root: B256) -> Self {
        Self { root: (root != EMPTY_ROOT_HASH).then_some(Link::Stored(root)) }
    }

    #[cfg(test)]
    pub(crate) const fn of(root: Option<Link>) -> Self {
        Self { root }
    }

    /// keccak256 of its root node, or the empty trie's.
    pub(crate) fn root_hash(&self) -> B256 {
        self.root.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH)
    }

    pub(crate) const fn root(&self) -> Option<&Link> {
        self.root.as_ref()
    }
}

/// Where there may no longer be a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vacated {
    /// One path.
    Path(Owner, Nibbles),
    /// The whole storage trie of the account with this hashed address.
    Storage(B256),
}

/// An account that a block wrote, as it was before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// The account, where there was one.
    pub(crate) account: Option<Account>,
    /// Of the slots written those that were not zero. Empty where the block wiped the account's storage.
    pub(crate) slots: HashMap<U256, U256>,
}

/// What a block's changes made of a trie.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    /// The trie after them.
    pub(crate) trie: StateTrie,
    /// Every account they list, as it was.
    pub(crate) before: HashMap<Address, Before>,
    /// Every place at which the trie before had a node of its own and this one has none, perhaps with others.
    pub(crate) vacated: Vec<Vacated>,
    /// Memory of the new nodes, in bytes.
    pub(crate) created: usize,
    /// Memory of the nodes that were in memory and that it has not, in bytes, as far as that is known.
    pub(crate) replaced: usize,
}

impl Grown {
    fn add(&mut self, trace: Trace, owner: Owner) {
        self.vacated.extend(trace.vacated.into_iter().map(|path| Vacated::Path(owner, path)));
        self.created += trace.created;
        self.replaced += trace.replaced;
    }
}

/// The state commitment of every Ethereum header (yellow paper, appendix D), updated in place of rebuilt: a block costs
/// in proportion to what it wrote and to the trie's depth.
#[derive(Debug)]
pub(crate) struct Commitment {
    store: NodeStore,
    generation: AtomicU64,
}

/// An account's part of an update.
struct AccountPart {
    write: Write,
    before: Before,
    storage_gone: bool,
    trace: Trace,
}

impl Commitment {
    /// A commitment that reads old nodes from `source`.
    pub(crate) fn new(source: Arc<dyn NodeSource>) -> Self {
        Self { store: NodeStore::new(source), generation: AtomicU64::new(0) }
    }

    /// The trie after `changes` on top of `parent`. Computes only.
    ///
    /// # Errors
    /// Where a node that is needed is not in the database; when the disk fails.
    pub(crate) fn apply(&self, parent: &StateTrie, changes: &StateChanges) -> Result<Grown, StorageError> {
        // Later updates have higher numbers; two at the same time share nothing that is new.
        let born = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let accounts: Vec<_> = changes.accounts.iter().collect();
        let parts = accounts
            .par_iter()
            .with_min_len(ACCOUNTS_PER_TASK)
            .map(|(address, change)| self.account_part(parent, address, change, born))
            .collect::<Result<Vec<_>, _>>()?;
        let mut grown = Grown::default();
        let mut writes = Vec::with_capacity(parts.len());
        for ((address, _), AccountPart { write, before, storage_gone, trace }) in accounts.into_iter().zip(parts) {
            let owner = write.key;
            grown.vacated.extend(storage_gone.then_some(Vacated::Storage(owner)));
            grown.add(trace, Some(owner));
            grown.before.insert(*address, before);
            writes.push(write);
        }
        writes.sort_unstable_by_key(|write| write.key);
        let target = Target { store: &self.store, owner: None, born };
        let mut trace = Trace::default();
        grown.trie = StateTrie { root: update(&target, parent.root(), &writes, &mut trace)? };
        grown.add(trace, None);
        Ok(grown)
    }

    /// The account's new leaf, after its storage trie was brought up to date.
    fn account_part(
        &self,
        parent: &StateTrie,
        address: &Address,
        change: &AccountChange,
        born: u64,
    ) -> Result<AccountPart, StorageError> {
        let key = keccak256(address);
        let mut part = AccountPart {
            write: Write { key, value: None, below: None },
            before: Before::default(),
            storage_gone: false,
            trace: Trace::default(),
        };
        let mut storage = None;
        if let Some(old) = lookup(&self.store, None, parent.root(), &key)? {
            part.before.account = Some(account_of(&decode_account(&old.value)?));
            storage = storage_root(&old)?;
        }
        if change.storage_wiped || change.account.is_none() {
            part.storage_gone = storage.take().is_some();
        }
        let Some(account) = change.account else { return Ok(part) };
        if !change.storage.is_empty() {
            let target = Target { store: &self.store, owner: Some(key), born };
            let (slots, writes) = slot_writes(change);
            storage = update(&target, storage.as_ref(), &writes, &mut part.trace)?;
            let mut written = writes.iter().zip(slots);
            for (key, value) in std::mem::take(&mut part.trace.before) {
                if let Some((_, slot)) = written.find(|(write, _)| write.key == key) {
                    part.before.slots.insert(slot, decode_slot(&value)?);
                }
            }
        }
        let storage_hash = storage.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH);
        let leaf = TrieAccount::new(account.nonce, account.balance, storage_hash, account.code_hash);
        part.write.value = Some(rlp::encode(leaf));
        part.write.below = match storage {
            Some(Link::Held(held)) => Some(held),
            _ => None,
        };
        Ok(part)
    }

    /// Proves an account and some of its slots, present or absent (EIP-1186).
    ///
    /// # Errors
    /// Where a node that is needed is not in the database; when the disk fails.
    pub(crate) fn prove(
        &self,
        trie: &StateTrie,
        address: Address,
        slots: &[U256],
    ) -> Result<AccountProof, StorageError> {
        let key = keccak256(address);
        let (leaf, proof) = prove(&self.store, None, trie.root(), &key)?;
        let account = leaf.as_ref().map(|leaf| decode_account(&leaf.value)).transpose()?;
        let storage_trie = leaf.map(|leaf| storage_root(&leaf)).transpose()?.flatten();
        let storage = slots
            .iter()
            .map(|slot| {
                let hashed = keccak256(slot.to_be_bytes::<32>());
                let (leaf, proof) = prove(&self.store, Some(key), storage_trie.as_ref(), &hashed)?;
                let value = leaf.map_or(Ok(U256::ZERO), |leaf| decode_slot(&leaf.value))?;
                Ok(StorageProof { slot: *slot, value, proof })
            })
            .collect::<Result<_, StorageError>>()?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let account = account.as_ref().map(account_of);
        Ok(AccountProof { address, account, storage_root, proof, storage })
    }

    /// Whether the database has a record there once it has the trie.
    ///
    /// # Errors
    /// Where a node that is needed is not in the database; when the disk fails.
    pub(crate) fn has_record_at(&self, trie: &StateTrie, owner: Owner, path: &Nibbles) -> Result<bool, StorageError> {
        let Some(account) = owner else { return has_record_at(&self.store, None, trie.root(), path) };
        let leaf = lookup(&self.store, None, trie.root(), &account)?;
        let storage = leaf.map(|leaf| storage_root(&leaf)).transpose()?.flatten();
        has_record_at(&self.store, owner, storage.as_ref(), path)
    }
}

/// How many records the database has of the trie of accounts, and of all storage tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) accounts: u64,
    pub(crate) storage: u64,
}

impl Commitment {
    /// Reads a whole trie, checking every node's hash.
    ///
    /// # Errors
    /// Where a node is not in the database; when the disk fails.
    pub(crate) fn census(&self, trie: &StateTrie) -> Result<Census, StorageError> {
        let mut census = Census::default();
        if let Some(root) = trie.root() {
            self.count(root, None, &Nibbles::new(), &mut census)?;
        }
        Ok(census)
    }

    fn count(&self, link: &Link, owner: Owner, path: &Nibbles, census: &mut Census) -> Result<(), StorageError> {
        if link.has_record() {
            let place = if owner.is_some() { &mut census.storage } else { &mut census.accounts };
            *place += 1;
        }
        match &*self.store.load(link, owner, || *path)? {
            Node::Leaf { path: rest, value, below } if owner.is_none() => {
                let storage = storage_root(&Found { value: value.clone(), below: below.clone() })?;
                storage.map_or(Ok(()), |root| self.count(&root, Some(owner_of(path, rest)), &Nibbles::new(), census))
            }
            Node::Leaf { .. } => Ok(()),
            Node::Extension { path: rest, child } => self.count(child, owner, &path.join(rest), census),
            Node::Branch(children) => (0u8..).zip(children.iter()).try_for_each(|(nibble, child)| {
                let Some(child) = child else { return Ok(()) };
                self.count(child, owner, &path.join(&Nibbles::from_nibbles([nibble])), census)
            }),
        }
    }
}

/// The root of the storage trie that an account's leaf names; `None` for the empty one.
fn storage_root(leaf: &Found) -> Result<Option<Link>, StorageError> {
    if let Some(held) = &leaf.below {
        return Ok(Some(Link::Held(Arc::clone(held))));
    }
    let root = decode_account(&leaf.value)?.storage_root;
    Ok((root != EMPTY_ROOT_HASH).then_some(Link::Stored(root)))
}

/// The slots that a block wrote, and what it wrote, in the order of their hashes.
fn slot_writes(change: &AccountChange) -> (Vec<U256>, Vec<Write>) {
    let write = |(slot, value): (&U256, &U256)| {
        let key = keccak256(slot.to_be_bytes::<32>());
        (*slot, Write { key, value: (!value.is_zero()).then(|| rlp::encode(value)), below: None })
    };
    let mut writes: Vec<_> = change.storage.iter().map(write).collect();
    writes.sort_unstable_by_key(|(_, write)| write.key);
    writes.into_iter().unzip()
}

fn account_of(leaf: &TrieAccount) -> Account {
    Account { nonce: leaf.nonce, balance: leaf.balance, code_hash: leaf.code_hash }
}

fn decode_account(mut leaf: &[u8]) -> Result<TrieAccount, StorageError> {
    TrieAccount::decode(&mut leaf).map_err(|error| StorageError::corrupt("AccountNodes", format!("leaf: {error}")))
}

fn decode_slot(mut leaf: &[u8]) -> Result<U256, StorageError> {
    U256::decode(&mut leaf).map_err(|error| StorageError::corrupt("StorageNodes", format!("leaf: {error}")))
}

/// A whole state's root from nothing, without a database.
pub(crate) fn genesis_root_of(changes: &StateChanges) -> Result<B256, StorageError> {
    Ok(Commitment::new(Arc::new(NoNodes)).apply(&StateTrie::default(), changes)?.trie.root_hash())
}

/// Root of the trie of `leaves`, by hashed key: what [`crate::Writer::recompute_root`] compares with.
pub(crate) fn root_of(leaves: impl IntoIterator<Item = (B256, Vec<u8>)>) -> Result<B256, StorageError> {
    let mut writes: Vec<_> =
        leaves.into_iter().map(|(key, value)| Write { key, value: Some(value), below: None }).collect();
    writes.sort_unstable_by_key(|write| write.key);
    let store = NodeStore::new(Arc::new(NoNodes));
    let target = Target { store: &store, owner: None, born: 0 };
    let root = update(&target, None, &writes, &mut Trace::default())?;
    Ok(root.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH))
}

/// The hashed address whose leaf, at `path`, ends in `rest`.
pub(super) fn owner_of(path: &Nibbles, rest: &Nibbles) -> B256 {
    let mut owner = B256::ZERO;
    path.join(rest).pack_to(&mut owner[..]);
    owner
}
