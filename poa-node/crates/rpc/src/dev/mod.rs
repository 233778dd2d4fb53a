//! What only a development chain offers: accounts whose keys the node holds, blocks on demand, edits and snapshots.

mod accounts;
mod blocks;
mod info;
mod state;

use std::time::Duration;

use alloy::primitives::{Address, B256, Signature, U64};
use aurum_chain::{Cancel, Development, Edit};
use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

/// The keys and the clock of a development chain. Implemented by the program; never given to a node of a real chain.
pub trait DevApi: Send + Sync + 'static {
    /// Accounts whose keys the node holds.
    fn accounts(&self) -> Vec<Address>;
    /// Signs a hash with the key of one of them.
    ///
    /// # Errors
    /// [`DevError::UnknownAccount`].
    fn sign(&self, account: Address, hash: B256) -> Result<Signature, DevError>;
    /// Moves the chain's time ahead, and tells by how many seconds it is in all.
    fn advance_time(&self, seconds: u64) -> u64;
    /// Gives the next block this time, in Unix seconds; time goes on from there.
    ///
    /// # Errors
    /// [`DevError::Past`].
    fn set_next_time(&self, seconds: u64) -> Result<(), DevError>;
    /// Seals this many blocks now and waits for the last; with `apart`, that many seconds after one another. No more of them once
    /// `given_up` is cancelled. Called on a blocking thread.
    ///
    /// # Errors
    /// [`DevError::Mining`], [`DevError::Ended`].
    fn mine(&self, blocks: u64, apart: Option<u64>, given_up: &Cancel) -> Result<(), DevError>;
    /// When blocks come without being asked for.
    fn mining(&self) -> Mining;
    /// Changes that.
    fn set_mining(&self, mining: Mining);
    /// Changes the state, in a block of its own. Called on a blocking thread.
    ///
    /// # Errors
    /// [`DevError::Mining`].
    fn edit(&self, edit: Edit) -> Result<(), DevError>;
    /// Lets an account send without a key.
    ///
    /// # Errors
    /// [`DevError::OtherAuthority`].
    fn impersonate(&self, account: Address) -> Result<(), DevError>;
    /// Not any more.
    fn stop_impersonating(&self, account: Address);
    /// What such a transaction is made with, of an account that needs no key.
    fn impersonates(&self, account: Address) -> Option<Development>;
    /// Remembers the present; its number.
    ///
    /// # Errors
    /// [`DevError::OtherAuthority`].
    fn snapshot(&self) -> Result<u64, DevError>;
    /// Goes back to a snapshot and forgets it and those after it; `false` if there is none. Called on a blocking thread.
    ///
    /// # Errors
    /// [`DevError::Rewind`].
    fn revert(&self, snapshot: u64) -> Result<bool, DevError>;
    /// Goes back to genesis. Called on a blocking thread.
    ///
    /// # Errors
    /// [`DevError::Rewind`].
    fn reset(&self) -> Result<(), DevError>;
}

/// When blocks come without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mining {
    /// As soon as a transaction waits.
    pub automine: bool,
    /// Every so often.
    pub interval: Option<Duration>,
}

/// Why a development request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DevError {
    /// The node has no key for this account.
    #[error("unknown account")]
    UnknownAccount,
    /// A time that a block has had. Hardhat's words.
    #[error("Timestamp {seconds} is lower than or equal to previous block's timestamp {head}")]
    Past {
        /// Asked for.
        seconds: u64,
        /// Of the head.
        head: u64,
    },
    /// State and past can be edited on the chain of `poa-node dev` alone, whose authority's key is public.
    #[error("this chain has an authority of its own: its state and past cannot be edited")]
    OtherAuthority,
    /// The chain could not be taken back.
    #[error("the chain was not taken back: {0}")]
    Rewind(String),
    /// No block could be sealed.
    #[error("no block was mined: {0}")]
    Mining(String),
    /// The node stops, or nobody waits for the rest.
    #[error("mining ended after {mined} of {blocks} blocks: the node stops")]
    Ended {
        /// Those there are.
        mined: u64,
        /// Asked for.
        blocks: u64,
    },
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Registers `eth_accounts` always, and the rest on a development chain.
pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    accounts::register_always(methods)?;
    if methods.context.dev.is_none() {
        return Ok(());
    }
    accounts::register(methods)?;
    blocks::register(methods)?;
    info::register(methods)?;
    state::register(methods)
}

fn dev(context: &Context) -> Answer<&dyn DevApi> {
    context.dev.as_deref().ok_or_else(|| Failure::Server("this is no development chain".to_owned()))
}

/// A number as hex, decimal text, or a number: the tools send all three.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected a number or a quantity in hex")]
enum Number {
    Plain(u64),
    Quantity(U64),
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Plain(number) => number,
            Self::Quantity(number) => number.to(),
        }
    }
}
