//! The state at a block: accounts, storage, code, proofs, and calls on it.

use std::{fmt, sync::Arc};

use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, U256},
};
use aurum_evm::{BlockEnv, CallOutcome, CallRequest, Denial, PermissionRequest};
use aurum_storage::AccountProof;
use aurum_types::{Account, StateReader};

use super::{AccountView, View};
use crate::{BlockRef, ReadError};

/// The state after one block. Cheap to clone; stays readable as long as it is held and the block is kept.
#[derive(Clone)]
pub struct StateView {
    at: BlockRef,
    state: Arc<dyn StateReader>,
    missing: Account,
}

impl fmt::Debug for StateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateView").field("at", &self.at).finish_non_exhaustive()
    }
}

impl StateView {
    /// The block.
    pub const fn at(&self) -> BlockRef {
        self.at
    }

    /// Balance and nonce; zero and the chain's first nonce for accounts that do not exist.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn account(&self, address: Address) -> Result<AccountView, ReadError> {
        let account = self.state.account(address)?.unwrap_or(self.missing);
        Ok(AccountView { balance: account.balance, nonce: account.nonce })
    }

    /// A storage slot; zero where nothing is stored.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, ReadError> {
        Ok(self.state.storage(address, slot)?)
    }

    /// The account's code; empty without.
    ///
    /// # Errors
    /// [`ReadError::Fault`].
    pub fn code(&self, address: Address) -> Result<Bytes, ReadError> {
        match self.state.account(address)? {
            Some(account) if account.has_code() => Ok(self.state.code(account.code_hash)?),
            _ => Ok(Bytes::new()),
        }
    }
}

impl View {
    /// The state after a block; `pending` is the latest. `None` for an unknown block.
    ///
    /// # Errors
    /// [`ReadError::NoState`] for a block whose state is not kept, and as [`Self::resolve`].
    pub fn state(&self, id: BlockId) -> Result<Option<StateView>, ReadError> {
        let Some(at) = self.resolve(id)? else { return Ok(None) };
        let state = self.reader().state_at(at.hash)?.ok_or(ReadError::NoState(at.hash))?;
        Ok(Some(StateView { at, state, missing: self.reader().missing_account() }))
    }

    /// The account and the given slots with their Merkle proofs against the block's state root (`eth_getProof`).
    ///
    /// # Errors
    /// [`ReadError::UnknownBlock`], [`ReadError::NoState`].
    pub fn proof(&self, id: BlockId, address: Address, slots: &[U256]) -> Result<AccountProof, ReadError> {
        let at = self.resolve(id)?.ok_or(ReadError::UnknownBlock)?;
        self.reader().prove(at.hash, address, slots)
    }

    /// Runs a call without a transaction (`eth_call`): on the state after a block, in that block's environment; at
    /// `pending`, on the latest state in the next block's.
    ///
    /// # Errors
    /// [`ReadError::Call`] when it cannot be run at all; reverts and halts are outcomes.
    pub fn call(&self, id: BlockId, request: &CallRequest) -> Result<CallOutcome, ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().call(state, &env, request)?)
    }

    /// The least gas with which the call succeeds (`eth_estimateGas`), or the failing outcome.
    ///
    /// # Errors
    /// [`ReadError::Call`] when it cannot be run at all.
    pub fn estimate_gas(&self, id: BlockId, request: &CallRequest) -> Result<Result<u64, CallOutcome>, ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().estimate_gas(state, &env, request)?)
    }

    /// The rights of an account by the permission contract at a block: bits BASIC 1, CALL 2, CREATE 4, READ 16. All
    /// ones where no contract decides.
    ///
    /// # Errors
    /// [`ReadError::UnknownBlock`], [`ReadError::NoState`].
    pub fn rights(&self, id: BlockId, account: Address) -> Result<u32, ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().rights(state, &env, account)?)
    }

    /// Whether the chain permits a transaction in a child of this block, by the state after it; or what is missing. Asked
    /// anew: what somebody asks here decides nothing about what is pooled.
    ///
    /// # Errors
    /// [`ReadError::UnknownBlock`], [`ReadError::NoState`].
    pub fn permission(&self, id: BlockId, request: &PermissionRequest) -> Result<Result<(), Denial>, ReadError> {
        let at = self.resolve(id)?.ok_or(ReadError::UnknownBlock)?;
        let header = self.reader().header(at.hash)?.ok_or(ReadError::UnknownBlock)?;
        let state = self.reader().state_at(at.hash)?.ok_or(ReadError::NoState(at.hash))?;
        let next = header.number.saturating_add(1);
        let (_, answer) = self.reader().evm().explain_permission(state, &BlockEnv::of(&header), next, request)?;
        Ok(answer.and_then(|answer| answer.denial).map_or(Ok(()), Err))
    }

    pub(super) fn call_context(&self, id: BlockId) -> Result<(Arc<dyn StateReader>, BlockEnv), ReadError> {
        let at = self.resolve(id)?.ok_or(ReadError::UnknownBlock)?;
        let header = self.reader().header(at.hash)?.ok_or(ReadError::UnknownBlock)?;
        let state = self.reader().state_at(at.hash)?.ok_or(ReadError::NoState(at.hash))?;
        let env = if id.is_pending() { self.reader().env_after(at.hash, &header) } else { BlockEnv::of(&header) };
        Ok((state, env))
    }
}
