//! A run on a state of its own as a value: what it was told, and what it did.
//!
//! A transaction is a function of itself, its block's rules and what the state answers. So, if a state gives every answer
//! that a run was given elsewhere, the run's result is the transaction's result there: [`BlockState::agrees`] compares the
//! answers by value, whoever gave them. Code needs no comparison: it is asked for by its hash. Nor do block hashes, which
//! are the same throughout a block.

use std::mem;

use alloy::primitives::{Address, B256, Bytes, U256, map::HashMap};
use aurum_types::{Account, EMPTY_CODE_HASH, StateError};
use revm::{
    Database,
    state::{Bytecode, EvmState},
};

use super::{BlockState, Entry};

/// What one run was told and did.
#[derive(Debug)]
pub(crate) struct Trial {
    accounts: HashMap<Address, Entry>,
    new_code: HashMap<B256, Bytecode>,
    owed: Vec<(Address, U256)>,
}

/// What became of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) address: Address,
    /// The account itself, unless it is as it was.
    pub(crate) account: Option<Option<Account>>,
    /// All earlier storage is gone.
    pub(crate) wiped: bool,
    /// Slots written since.
    pub(crate) slots: Vec<(U256, U256)>,
    /// Code the account did not have before.
    pub(crate) code: Option<(B256, Bytes)>,
}

impl Write {
    /// What a commit of `state` touches. What it makes of the accounts only [`BlockState::fill_in`] knows, after it.
    pub(crate) fn drafts(state: &EvmState) -> Vec<Self> {
        let touched = state.iter().filter(|(_, account)| account.is_touched());
        let draft = |(address, account): (&Address, &revm::state::Account)| {
            let changed = account.storage.iter().filter(|(_, value)| value.is_changed());
            let slots = changed.map(|(slot, value)| (*slot, value.present_value)).collect();
            let (now, before) = (&account.info, account.original_info());
            let is_same = !account.is_created()
                && (now.nonce, now.balance, now.code_hash) == (before.nonce, before.balance, before.code_hash);
            Self {
                address: *address,
                account: (!is_same).then_some(None),
                wiped: account.is_created(),
                slots,
                code: None,
            }
        };
        touched.map(draft).collect()
    }

    fn of(address: Address, entry: &Entry, new_code: &HashMap<B256, Bytecode>) -> Option<Self> {
        let is_same = entry.now == entry.before && !entry.wiped && entry.written.is_empty();
        (!is_same).then(|| Self {
            address,
            account: (entry.now != entry.before).then_some(entry.now),
            wiped: entry.wiped,
            slots: entry.written.iter().map(|(slot, value)| (*slot, *value)).collect(),
            code: fresh_code(entry, new_code),
        })
    }
}

fn fresh_code(entry: &Entry, new_code: &HashMap<B256, Bytecode>) -> Option<(B256, Bytes)> {
    let before = entry.before.map_or(EMPTY_CODE_HASH, |account| account.code_hash);
    let hash = entry.now?.code_hash;
    (hash != before).then(|| new_code.get(&hash).map(|code| (hash, code.original_bytes())))?
}

impl Trial {
    /// What the run did, besides the fees that are owed.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Write> + '_ {
        self.accounts.iter().filter_map(|(address, entry)| Write::of(*address, entry, &self.new_code))
    }

    /// Fees whose receivers have not got them, in order.
    pub(crate) fn owed(&self) -> &[(Address, U256)] {
        &self.owed
    }
}

impl BlockState {
    /// Sets fees aside from now on: each run is a trial.
    pub(crate) fn set_fees_aside(&mut self) {
        self.owed = Some(Vec::new());
    }

    /// Gives what runs from now on so many steps.
    pub(crate) const fn count_steps(&mut self, steps: u64) {
        self.steps = Some(steps);
    }

    /// Notes a fee. `false` where fees are not set aside.
    pub(crate) fn owe(&mut self, receiver: Address, amount: U256) -> bool {
        let Some(owed) = &mut self.owed else { return false };
        owed.push((receiver, amount));
        true
    }

    /// Everything since the last trial, which is forgotten here.
    pub(crate) fn end_trial(&mut self) -> Trial {
        Trial {
            accounts: mem::take(&mut self.accounts),
            new_code: mem::take(&mut self.new_code),
            owed: self.owed.as_mut().map(mem::take).unwrap_or_default(),
        }
    }

    /// Whether this state answers all that the run asked as it was answered then.
    ///
    /// # Errors
    /// When the parent cannot be read. That says nothing about the block: the run may have asked what it should not have.
    pub(crate) fn agrees(&mut self, trial: &Trial) -> Result<bool, StateError> {
        for (address, seen) in &trial.accounts {
            if self.entry(*address)?.now != seen.before {
                return Ok(false);
            }
            for (slot, value) in &seen.read {
                if self.storage(*address, *slot).map_err(|error| error.0)? != *value {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// What has become of every account so far.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Write> + '_ {
        self.accounts.iter().filter_map(|(address, entry)| Write::of(*address, entry, &self.new_code))
    }

    /// Completes drafts with what their commit has made of the accounts.
    pub(crate) fn fill_in(&self, drafts: &mut [Write]) {
        for write in drafts {
            let Some(entry) = self.accounts.get(&write.address) else { continue };
            if let Some(account) = &mut write.account {
                *account = entry.now;
            }
            write.code = fresh_code(entry, &self.new_code);
            if entry.now.is_none() {
                write.account = Some(None);
                write.wiped = true;
                write.slots.clear();
            }
        }
    }
}
