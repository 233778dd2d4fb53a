//! Reading the state at one block, whatever holds it.

use std::{error::Error, fmt, sync::Arc};

use alloy::primitives::{Address, B256, Bytes, U256, b256};

use crate::BlockNumber;

/// keccak256 of no bytes: the code hash of an account without code.
pub const EMPTY_CODE_HASH: B256 = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// keccak256 of the code; [`EMPTY_CODE_HASH`] without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: EMPTY_CODE_HASH }
    }
}

impl Account {
    /// Whether the account has code.
    pub fn has_code(&self) -> bool {
        self.code_hash != EMPTY_CODE_HASH
    }
}

/// Our side failed to read: a disk or a bug, never the block's fault.
#[derive(Clone, Debug)]
pub struct StateError(Arc<dyn Error + Send + Sync>);

impl StateError {
    /// Wraps whatever the store said.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state could not be read: {}", self.0)
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// The state after one block. What the EVM needs and nothing more.
pub trait StateReader: Send + Sync {
    /// The account, or `None` where there is none (an existing empty account is `Some`).
    fn account(&self, address: Address) -> Result<Option<Account>, StateError>;
    /// The slot's value; zero where nothing is stored.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError>;
    /// The code with this hash. Asking for a hash no account has is an error.
    fn code(&self, hash: B256) -> Result<Bytes, StateError>;
    /// The hash of an ancestor (for BLOCKHASH), on this state's own branch.
    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError>;
}

impl<T: StateReader + ?Sized> StateReader for Arc<T> {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        (**self).account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        (**self).storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        (**self).code(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        (**self).block_hash(number)
    }
}
