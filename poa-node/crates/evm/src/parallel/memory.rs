//! What the transactions of one block have written so far as far as anybody knows, by place and transaction: Block-STM's
//! multi-version memory (Gelashvili et al., "Block-STM", 2022, section 3), under which lies the parent's state.
//!
//! It only ever serves guesses. What a transaction wrote when it was guessed wrongly stays beside what it wrote in the end,
//! and a guess may read it; the guess is then wrong too, which is found when its turn comes.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use alloy::primitives::{Address, B256, Bytes, U256, map::HashMap};
use aurum_types::{Account, BlockNumber, StateError, StateReader};

use crate::database::Write;

/// Which writes: 0 of the block's beginning, `n + 1` of transaction `n`.
pub(super) type Version = u32;

/// Locks of a table. More than threads that a block has any use for.
const SHARDS: usize = 64;

/// The values of one place.
#[derive(Debug)]
struct Place<V> {
    /// At the parent, once somebody has asked.
    parent: Option<V>,
    /// Ascending.
    versions: Vec<(Version, V)>,
}

impl<V> Default for Place<V> {
    fn default() -> Self {
        Self { parent: None, versions: Vec::new() }
    }
}

impl<V: Copy> Place<V> {
    fn newest_below(&self, below: Version) -> Option<(Version, V)> {
        let end = self.versions.partition_point(|(version, _)| *version < below);
        end.checked_sub(1).map(|last| self.versions[last])
    }

    fn write(&mut self, version: Version, value: V) {
        match self.versions.binary_search_by_key(&version, |(version, _)| *version) {
            Ok(at) => self.versions[at].1 = value,
            Err(at) => self.versions.insert(at, (version, value)),
        }
    }
}

/// A hash table in parts with a lock each.
#[derive(Debug)]
struct Table<K, V>(Vec<Mutex<HashMap<K, Place<V>>>>);

impl<K, V> Table<K, V> {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn part(&self, low_byte: u8) -> MutexGuard<'_, HashMap<K, Place<V>>> {
        self.0[usize::from(low_byte) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory of one block. Lives as long as the block runs.
pub(super) struct Memory {
    parent: Arc<dyn StateReader>,
    accounts: Table<Address, Option<Account>>,
    slots: Table<(Address, U256), U256>,
    /// Which accounts lost all storage, and when, ascending. Looked at only where there are any: few blocks have them.
    wiped: RwLock<HashMap<Address, Vec<Version>>>,
    has_wiped: AtomicBool,
    codes: RwLock<HashMap<B256, Bytes>>,
}

impl Memory {
    /// Nothing on top of `parent`.
    pub(super) fn new(parent: Arc<dyn StateReader>) -> Self {
        Self {
            parent,
            accounts: Table::new(),
            slots: Table::new(),
            wiped: RwLock::default(),
            has_wiped: AtomicBool::new(false),
            codes: RwLock::default(),
        }
    }

    /// Puts down what `version` did. Later writes of the same version to the same places replace earlier ones.
    pub(super) fn publish(&self, version: Version, writes: impl IntoIterator<Item = Write>) {
        for Write { address, account, wiped, slots, code } in writes {
            // Whoever finds the account finds its code.
            if let Some((hash, code)) = code {
                self.codes.write().unwrap_or_else(PoisonError::into_inner).insert(hash, code);
            }
            if wiped {
                let mut all = self.wiped.write().unwrap_or_else(PoisonError::into_inner);
                let versions = all.entry(address).or_default();
                if let Err(at) = versions.binary_search(&version) {
                    versions.insert(at, version);
                }
                self.has_wiped.store(true, Ordering::Release);
            }
            for (slot, value) in slots {
                let mut part = self.slots.part(slot_byte(address, slot));
                part.entry((address, slot)).or_default().write(version, value);
            }
            if let Some(account) = account {
                self.accounts.part(address[19]).entry(address).or_default().write(version, account);
            }
        }
    }

    fn account(&self, address: Address, below: Version) -> Result<(Option<Account>, Option<Version>), StateError> {
        if let Some(place) = self.accounts.part(address[19]).get(&address) {
            if let Some((version, account)) = place.newest_below(below) {
                return Ok((account, Some(version)));
            }
            if let Some(account) = place.parent {
                return Ok((account, None));
            }
        }
        // Without the lock: this may be a disk.
        let account = self.parent.account(address)?;
        self.accounts.part(address[19]).entry(address).or_default().parent = Some(account);
        Ok((account, None))
    }

    fn slot(&self, address: Address, slot: U256, below: Version) -> Result<(U256, Option<Version>), StateError> {
        let wiped = self.wiped_below(address, below);
        if let Some(place) = self.slots.part(slot_byte(address, slot)).get(&(address, slot)) {
            // What wipes an account may write slots afterwards, as the same version.
            if let Some((version, value)) = place.newest_below(below).filter(|(version, _)| Some(*version) >= wiped) {
                return Ok((value, Some(version)));
            }
            if let (None, Some(value)) = (wiped, place.parent) {
                return Ok((value, None));
            }
        }
        if wiped.is_some() {
            return Ok((U256::ZERO, wiped));
        }
        let value = self.parent.storage(address, slot)?;
        self.slots.part(slot_byte(address, slot)).entry((address, slot)).or_default().parent = Some(value);
        Ok((value, None))
    }

    fn wiped_below(&self, address: Address, below: Version) -> Option<Version> {
        if !self.has_wiped.load(Ordering::Acquire) {
            return None;
        }
        let all = self.wiped.read().unwrap_or_else(PoisonError::into_inner);
        let versions = all.get(&address)?;
        let end = versions.partition_point(|version| *version < below);
        end.checked_sub(1).map(|last| versions[last])
    }
}

fn slot_byte(address: Address, slot: U256) -> u8 {
    slot.byte(0) ^ address[19]
}

/// The state as one transaction is to find it: the parent's, under the newest known writes of those before it.
pub(super) struct View {
    memory: Arc<Memory>,
    below: AtomicU32,
    /// Versions that were read, where somebody wants to know.
    found: Option<Mutex<Vec<Version>>>,
}

impl View {
    /// The parent alone. What is read of it is remembered for all views of the memory.
    pub(super) fn of_parent(memory: &Arc<Memory>) -> Self {
        Self { memory: Arc::clone(memory), below: AtomicU32::new(0), found: None }
    }

    /// The same, which keeps what [`Self::take_found`] gives.
    pub(super) fn noting(memory: &Arc<Memory>) -> Self {
        Self { found: Some(Mutex::default()), ..Self::of_parent(memory) }
    }

    /// From now on, the state before transaction `index`.
    pub(super) fn move_to(&self, index: usize) {
        // Only the thread that reads moves.
        self.below.store(version_of(index), Ordering::Relaxed);
    }

    /// Transactions whose writes were read since the last time this was asked.
    pub(super) fn take_found(&self) -> Vec<usize> {
        let Some(found) = &self.found else { return Vec::new() };
        let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|version| usize::try_from(version.checked_sub(1)?).ok()).collect()
    }

    fn note<T>(&self, (value, version): (T, Option<Version>)) -> T {
        if let (Some(found), Some(version)) = (&self.found, version) {
            found.lock().unwrap_or_else(PoisonError::into_inner).push(version);
        }
        value
    }
}

/// The version of what transaction `index` writes.
pub(super) fn version_of(index: usize) -> Version {
    // A block has no more transactions than its gas limit pays for; a guess of what is beyond would only be wrong.
    Version::try_from(index).unwrap_or(Version::MAX).saturating_add(1)
}

impl StateReader for View {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.note(self.memory.account(address, self.below.load(Ordering::Relaxed))?))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.note(self.memory.slot(address, slot, self.below.load(Ordering::Relaxed))?))
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        if let Some(code) = self.memory.codes.read().unwrap_or_else(PoisonError::into_inner).get(&hash) {
            return Ok(code.clone());
        }
        self.memory.parent.code(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        self.memory.parent.block_hash(number)
    }
}
