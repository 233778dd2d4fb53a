//! The state while a block runs: the parent's, with what the block has changed so far on top.

mod trial;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{Entry as MapEntry, HashMap},
};
use aurum_types::{Account, AccountChange, BlockNumber, EMPTY_CODE_HASH, StateChanges, StateError, StateReader};
use lru::LruCache;
use revm::{
    Database,
    database_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode, EvmState},
};

pub(crate) use self::trial::{Trial, Write};
use crate::cancel::Cancel;

/// [`StateError`] in the form revm carries around.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) StateError);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}
impl DBErrorMarker for Unreadable {}

/// Analysed code by hash, shared by everything that executes. Analysis walks the whole code; a busy contract would pay
/// for it in every block.
#[derive(Debug)]
pub(crate) struct CodeCache(Mutex<LruCache<B256, Bytecode>>);

impl CodeCache {
    pub(crate) fn new(contracts: std::num::NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(contracts)))
    }

    fn get(&self, hash: B256) -> Option<Bytecode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()
    }

    fn insert(&self, hash: B256, code: Bytecode) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(hash, code);
    }
}

/// What happens to touched accounts when a run's state is put on top of the block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CleanUp {
    /// As after a transaction: self-destructed accounts go, and empty ones that were touched, from EIP-161 d on.
    Transaction,
    /// As after a system call or a constructor at genesis: nothing goes (aura.md §2.4, §4.4).
    None,
}

/// What the block's rules say about accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountRules {
    /// Nonce of an account that comes to be (`accountStartNonce`).
    pub(crate) start_nonce: u64,
    /// Empty accounts that a transaction touches go (EIP-161 d).
    pub(crate) clears_empty: bool,
    /// 0xef0100 and an address is a delegation (EIP-7702), not just bytes.
    pub(crate) delegations: bool,
}

impl AccountRules {
    fn new_account(self) -> Account {
        Account { nonce: self.start_nonce, ..Account::default() }
    }
}

/// One account that was looked at, with its past at the parent and its present.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// At the parent.
    before: Option<Account>,
    /// Now.
    now: Option<Account>,
    /// The parent's storage counts no longer.
    wiped: bool,
    /// Slots read from the parent.
    read: HashMap<U256, U256>,
    /// Slots written by the block.
    written: HashMap<U256, U256>,
}

impl Entry {
    fn wipe(&mut self) {
        self.wiped |= self.before.is_some();
        self.written.clear();
    }

    fn remove(&mut self) {
        self.now = None;
        self.wipe();
    }

    /// The slot's value as far as it is known without asking the parent.
    fn known(&self, slot: U256) -> Option<U256> {
        if let Some(value) = self.written.get(&slot) {
            return Some(*value);
        }
        if self.wiped || self.before.is_none() {
            return Some(U256::ZERO);
        }
        self.read.get(&slot).copied()
    }

    fn change(&self) -> Option<AccountChange> {
        let at_parent = |slot: &U256| {
            if self.wiped { U256::ZERO } else { self.read.get(slot).copied().unwrap_or_default() }
        };
        let storage: HashMap<U256, U256> = self
            .written
            .iter()
            .filter(|(slot, value)| **value != at_parent(slot))
            .map(|(slot, value)| (*slot, *value))
            .collect();
        if self.now == self.before && storage.is_empty() && !self.wiped {
            return None;
        }
        Some(AccountChange { account: self.now, storage_wiped: self.wiped, storage })
    }
}

/// The state while a block runs. Reads of the parent are remembered, changes are kept apart from them.
pub(crate) struct BlockState {
    parent: Arc<dyn StateReader>,
    codes: Arc<CodeCache>,
    rules: AccountRules,
    accounts: HashMap<Address, Entry>,
    new_code: HashMap<B256, Bytecode>,
    /// The parent block, where it is known without asking.
    ancestor: Option<(BlockNumber, B256)>,
    /// The sender of the transaction that runs: it exists, if only by sending.
    sender: Option<Address>,
    /// Ends what runs on it.
    cancel: Option<Cancel>,
    /// Steps that are left to what runs on it, where they are counted.
    steps: Option<u64>,
    /// Fees whose receivers have not got them yet, where they are set aside.
    owed: Option<Vec<(Address, U256)>>,
}

impl fmt::Debug for BlockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockState").field("accounts", &self.accounts.len()).finish_non_exhaustive()
    }
}

impl BlockState {
    pub(crate) fn new(parent: Arc<dyn StateReader>, codes: Arc<CodeCache>, rules: AccountRules) -> Self {
        let (accounts, new_code) = (HashMap::default(), HashMap::default());
        let (ancestor, sender, cancel, steps, owed) = (None, None, None, None, None);
        Self { parent, codes, rules, accounts, new_code, ancestor, sender, cancel, steps, owed }
    }

    /// Answers BLOCKHASH of the parent itself: the one hash every block knows from its own header.
    pub(crate) fn with_parent_hash(mut self, number: BlockNumber, hash: B256) -> Self {
        self.ancestor = Some((number, hash));
        self
    }

    /// Says who sends the next transaction: the account has the first nonce even before it exists.
    pub(crate) const fn expect_sender(&mut self, sender: Address) {
        self.sender = Some(sender);
    }

    /// Lets `cancel` end what runs on it from now on.
    pub(crate) fn cancel_with(&mut self, cancel: Cancel) {
        self.cancel = Some(cancel);
    }

    /// Counts a step. Whether what runs ends with it: nobody wants to know any more what comes of it, or it has had its
    /// steps.
    pub(crate) fn gives_up(&mut self) -> bool {
        if let Some(steps) = &mut self.steps {
            let Some(left) = steps.checked_sub(1) else { return true };
            *steps = left;
        }
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }

    fn entry(&mut self, address: Address) -> Result<&mut Entry, StateError> {
        match self.accounts.entry(address) {
            MapEntry::Occupied(entry) => Ok(entry.into_mut()),
            MapEntry::Vacant(entry) => {
                let before = self.parent.account(address)?;
                Ok(entry.insert(Entry { before, now: before, ..Entry::default() }))
            }
        }
    }

    /// The account now.
    pub(crate) fn account(&mut self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.entry(address)?.now)
    }

    /// Sets the account's nonce, balance and code hash, creating it if need be. Storage stays.
    pub(crate) fn set_account(&mut self, address: Address, account: Account) -> Result<(), StateError> {
        self.entry(address)?.now = Some(account);
        Ok(())
    }

    /// Creates the account, empty, unless it exists.
    pub(crate) fn ensure_exists(&mut self, address: Address) -> Result<(), StateError> {
        let new = self.rules.new_account();
        self.entry(address)?.now.get_or_insert(new);
        Ok(())
    }

    /// Adds to a balance; zero does nothing, not even create the account (aura.md §2.6).
    pub(crate) fn add_balance(&mut self, address: Address, amount: U256) -> Result<(), StateError> {
        if amount.is_zero() {
            return Ok(());
        }
        let new = self.rules.new_account();
        let account = self.entry(address)?.now.get_or_insert(new);
        account.balance = account
            .balance
            .checked_add(amount)
            .ok_or_else(|| StateError::new(format!("balance of {address} overflows")))?;
        Ok(())
    }

    /// Replaces an account's code; nonce, balance and storage stay, a missing account is created.
    pub(crate) fn set_code(&mut self, address: Address, code: Bytes) -> Result<(), StateError> {
        let hash = if code.is_empty() { EMPTY_CODE_HASH } else { keccak256(&code) };
        let new = self.rules.new_account();
        self.entry(address)?.now.get_or_insert(new).code_hash = hash;
        if !code.is_empty() {
            self.new_code.insert(hash, analyse(code, self.rules.delegations));
        }
        Ok(())
    }

    /// Sets one slot of an account.
    pub(crate) fn set_storage(&mut self, address: Address, slot: U256, value: U256) -> Result<(), StateError> {
        // The parent's value decides later whether this is a change.
        self.storage(address, slot).map_err(|error| error.0)?;
        self.entry(address)?.written.insert(slot, value);
        Ok(())
    }

    /// Puts changes made elsewhere on top.
    pub(crate) fn apply(&mut self, changes: StateChanges) -> Result<(), StateError> {
        for (address, change) in changes.accounts {
            let entry = self.entry(address)?;
            if change.storage_wiped || change.account.is_none() {
                entry.wipe();
            }
            entry.now = change.account;
            entry.written.extend(change.storage);
        }
        let delegations = self.rules.delegations;
        self.new_code.extend(changes.code.into_iter().map(|(hash, code)| (hash, analyse(code, delegations))));
        Ok(())
    }

    /// What is known of an account, to be put back with [`Self::restore`].
    pub(crate) fn snapshot(&mut self, address: Address) -> Result<Entry, StateError> {
        Ok(self.entry(address)?.clone())
    }

    /// Undoes everything since `snapshot` was taken.
    pub(crate) fn restore(&mut self, address: Address, snapshot: Entry) {
        self.accounts.insert(address, snapshot);
    }

    /// Forgets all storage of an account.
    pub(crate) fn wipe_storage(&mut self, address: Address) -> Result<(), StateError> {
        self.entry(address)?.wipe();
        Ok(())
    }

    /// Puts the result of one transaction or call on top. `state` must come from a journal over this very state.
    pub(crate) fn commit(&mut self, state: &EvmState, clean_up: CleanUp) -> Result<(), StateError> {
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            let rules = self.rules;
            let entry = self.entry(*address)?;
            let is_new = entry.now.is_none();
            // revm's journal marks as created what the rules before EIP-161 bring into being by touching it.
            let left_empty = account.is_empty() && !account.is_created();
            let gone = match clean_up {
                CleanUp::Transaction => account.is_selfdestructed() || (left_empty && (rules.clears_empty || is_new)),
                CleanUp::None => left_empty && is_new,
            };
            if gone {
                entry.remove();
                continue;
            }
            if account.is_created() {
                entry.wipe();
            }
            entry.now = Some(Account {
                // While it runs, revm gives a new account 0.
                nonce: if is_new && account.info.nonce == 0 { rules.start_nonce } else { account.info.nonce },
                balance: account.info.balance,
                code_hash: account.info.code_hash,
            });
            let changed = account.storage.iter().filter(|(_, value)| value.is_changed());
            entry.written.extend(changed.map(|(key, value)| (*key, value.present_value)));
            if let Some(code) = account.info.code.as_ref().filter(|code| !code.is_empty()) {
                self.new_code.insert(account.info.code_hash, code.clone());
            }
        }
        Ok(())
    }

    /// What the block has changed so far.
    pub(crate) fn changes(&self) -> StateChanges {
        let mut changes = StateChanges::default();
        for (address, entry) in &self.accounts {
            let Some(change) = entry.change() else { continue };
            let code_before = entry.before.map_or(EMPTY_CODE_HASH, |account| account.code_hash);
            if let Some(account) = change.account.filter(|account| account.code_hash != code_before)
                && let Some(code) = self.new_code.get(&account.code_hash)
            {
                changes.code.insert(account.code_hash, code.original_bytes());
            }
            changes.accounts.insert(*address, change);
        }
        changes
    }
}

fn analyse(code: Bytes, delegations: bool) -> Bytecode {
    if delegations && let Ok(bytecode) = Bytecode::new_raw_checked(code.clone()) {
        return bytecode;
    }
    // Before EIP-7702, a delegation is ordinary bytes; a malformed one always is.
    Bytecode::new_legacy(code)
}

/// Whether EIP-7702 decides what this code is.
fn may_be_delegation(code: &[u8]) -> bool {
    code.starts_with(&[0xef, 0x01])
}

impl Database for BlockState {
    type Error = Unreadable;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        let first = self.rules.new_account();
        let sends = first.nonce != 0 && self.sender == Some(address);
        let account = self.account(address).map_err(Unreadable)?.or(sends.then_some(first));
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: (!account.has_code()).then(Bytecode::default),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Unreadable> {
        if hash == EMPTY_CODE_HASH {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.new_code.get(&hash) {
            return Ok(code.clone());
        }
        if let Some(code) = self.codes.get(hash) {
            return Ok(code);
        }
        let bytes = self.parent.code(hash).map_err(Unreadable)?;
        let shared = !may_be_delegation(&bytes);
        let code = analyse(bytes, self.rules.delegations);
        // Blocks before and after EIP-7702 share the cache.
        if shared {
            self.codes.insert(hash, code.clone());
        }
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Unreadable> {
        let parent = self.parent.clone();
        let account = self.entry(address).map_err(Unreadable)?;
        if let Some(value) = account.known(slot) {
            return Ok(value);
        }
        let value = parent.storage(address, slot).map_err(Unreadable)?;
        account.read.insert(slot, value);
        Ok(value)
    }

    fn block_hash(&mut self, number: BlockNumber) -> Result<B256, Unreadable> {
        if let Some((_, hash)) = self.ancestor.filter(|(ancestor, _)| *ancestor == number) {
            return Ok(hash);
        }
        Ok(self.parent.block_hash(number).map_err(Unreadable)?.unwrap_or_default())
    }
}
