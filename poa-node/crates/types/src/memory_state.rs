//! A state held whole in memory: what a test, or a genesis under construction, reads from.

use alloy::primitives::{Address, B256, Bytes, U256, map::HashMap};

use crate::{Account, BlockNumber, StateChanges, StateError, StateReader};

/// Accounts, slots, code and block hashes in maps. Starts empty; blocks are put on top with [`Self::apply`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: HashMap<Address, Account>,
    storage: HashMap<Address, HashMap<U256, U256>>,
    code: HashMap<B256, Bytes>,
    block_hashes: HashMap<BlockNumber, B256>,
}

impl MemoryState {
    /// The empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state after one block on the empty state (a genesis).
    pub fn from_changes(changes: &StateChanges) -> Self {
        let mut state = Self::new();
        state.apply(changes);
        state
    }

    /// Puts one block's changes on top. Empty accounts stay: whether they exist was decided by whoever made `changes`.
    pub fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            match change.account {
                Some(account) => self.accounts.insert(*address, account),
                None => self.accounts.remove(address),
            };
            if change.storage_wiped || change.account.is_none() {
                self.storage.remove(address);
            }
            if change.account.is_none() || change.storage.is_empty() {
                continue;
            }
            let slots = self.storage.entry(*address).or_default();
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    slots.remove(slot);
                } else {
                    slots.insert(*slot, *value);
                }
            }
            if slots.is_empty() {
                self.storage.remove(address);
            }
        }
        self.code.extend(changes.code.iter().map(|(hash, code)| (*hash, code.clone())));
    }

    /// Sets what [`StateReader::block_hash`] answers for `number`.
    pub fn set_block_hash(&mut self, number: BlockNumber, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Every account, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Account)> + '_ {
        self.accounts.iter().map(|(address, account)| (*address, *account))
    }

    /// The non-zero slots of `address`, in no order.
    pub fn slots(&self, address: Address) -> impl Iterator<Item = (U256, U256)> + '_ {
        self.storage.get(&address).into_iter().flatten().map(|(slot, value)| (*slot, *value))
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.storage.get(&address).and_then(|slots| slots.get(&slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        if hash == crate::EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        self.code.get(&hash).cloned().ok_or_else(|| StateError::new(format!("no account has code {hash}")))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        Ok(self.block_hashes.get(&number).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountChange;

    fn change(account: Option<Account>, storage_wiped: bool, storage: &[(u64, u64)]) -> AccountChange {
        let storage = storage.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
        AccountChange { account, storage_wiped, storage }
    }

    fn one(address: Address, change: AccountChange) -> StateChanges {
        StateChanges { accounts: [(address, change)].into_iter().collect(), code: HashMap::default() }
    }

    #[test]
    fn keeps_empty_accounts_and_wipes_only_old_slots() {
        let address = Address::repeat_byte(7);
        let mut state =
            MemoryState::from_changes(&one(address, change(Some(Account::default()), false, &[(1, 10), (2, 20)])));
        assert_eq!(state.account(address).unwrap(), Some(Account::default()));

        state.apply(&one(address, change(Some(Account::default()), true, &[(2, 21), (3, 0)])));
        assert_eq!(state.storage(address, U256::from(1)).unwrap(), U256::ZERO);
        assert_eq!(state.storage(address, U256::from(2)).unwrap(), U256::from(21));

        state.apply(&one(address, change(None, false, &[])));
        assert_eq!(state, MemoryState::new());
    }
}
