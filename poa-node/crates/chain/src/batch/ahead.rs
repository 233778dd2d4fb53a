//! States whose roots are not known yet.

use std::{collections::VecDeque, sync::Arc};

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_storage::StateTree;
use aurum_types::{Account, BlockNumber, EMPTY_CODE_HASH, StateChanges, StateError, StateReader};

use crate::Fault;

/// What blocks have changed that were executed and are perhaps not in the tree of states yet.
#[derive(Debug)]
pub(super) struct Ahead {
    /// A block that is in the tree.
    base: B256,
    /// Those above it, each the next one's parent.
    above: VecDeque<Arc<Change>>,
}

#[derive(Debug)]
struct Change {
    hash: B256,
    number: BlockNumber,
    changes: Arc<StateChanges>,
}

impl Ahead {
    /// Nothing above a block that is in the tree.
    pub(super) const fn of(base: B256) -> Self {
        Self { base, above: VecDeque::new() }
    }

    /// Notes what a block changed, the child of the one noted last.
    pub(super) fn push(&mut self, hash: B256, number: BlockNumber, changes: Arc<StateChanges>) {
        self.above.push_back(Arc::new(Change { hash, number, changes }));
    }

    /// The state after the block noted last. `None` where the tree has lost its base.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn state(&mut self, tree: &StateTree) -> Result<Option<Arc<dyn StateReader>>, Fault> {
        let mut state = None;
        for index in (0..self.above.len()).rev() {
            let hash = self.above[index].hash;
            state = tree.state_at(hash)?;
            if state.is_some() {
                // In the tree, as all before it.
                self.base = hash;
                self.above.drain(..=index);
                break;
            }
        }
        if state.is_none() {
            state = tree.state_at(self.base)?;
        }
        let on = |below: Arc<dyn StateReader>, change: &Arc<Change>| -> Arc<dyn StateReader> {
            Arc::new(StateAhead { change: Arc::clone(change), below })
        };
        Ok(state.map(|base| self.above.iter().fold(base, on)))
    }
}

/// The state after a block, read from its changes and the state before it.
struct StateAhead {
    change: Arc<Change>,
    below: Arc<dyn StateReader>,
}

impl StateReader for StateAhead {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        match self.change.changes.accounts.get(&address) {
            Some(change) => Ok(change.account),
            None => self.below.account(address),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        let Some(change) = self.change.changes.accounts.get(&address) else { return self.below.storage(address, slot) };
        if change.account.is_none() {
            return Ok(U256::ZERO);
        }
        match change.storage.get(&slot) {
            Some(value) => Ok(*value),
            None if change.storage_wiped => Ok(U256::ZERO),
            None => self.below.storage(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        if hash == EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        self.change.changes.code.get(&hash).map_or_else(|| self.below.code(hash), |code| Ok(code.clone()))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        if number == self.change.number {
            return Ok(Some(self.change.hash));
        }
        if number > self.change.number { Ok(None) } else { self.below.block_hash(number) }
    }
}
