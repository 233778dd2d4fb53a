//! The transaction permission contract (aura.md §3.1): asked on the parent's state, from 0x0.
//!
//! ```text
//! PermissionRequest ─▶ Right it needs, by code at the parent ─┐
//!        │                                                    ├─▶ allowed, or Denial
//!        └─▶ known Mask of (parent, sender), or allowedTxTypes ┘
//!                                                (our own contract: from its storage)
//! ```
//!
//! A mask that the contract calls the sender's own holds for all its transactions on that parent, whatever they are: the
//! first one in block order decides (OpenEthereum tx_filter.rs keys its cache by parent and sender alone).

mod contract;
mod denial;
mod frames;
mod native;
mod request;

use std::{
    num::NonZeroUsize,
    sync::{Arc, PoisonError},
};

use alloy::primitives::{Address, B256};
use aurum_types::StateReader;
use lru::LruCache;

use self::contract::Kind;
pub(crate) use self::{
    contract::{Mask, Permission},
    frames::{FrameGuard, Sent},
};
pub use self::{
    denial::{Denial, DenialReason, Right},
    request::PermissionRequest,
};
use crate::{BlockEnv, Evm, EvmError};

/// Masks that hold for a sender at a parent (OpenEthereum: 4096). Serves the pool and RPC; a block under execution
/// remembers only its own included transactions (`crate::block`), so that what is valid never depends on what a node
/// happened to ask before.
#[derive(Debug)]
pub(crate) struct MaskCache {
    masks: LruCache<(B256, Address), Mask>,
    /// The contract at the parent that was asked about last.
    kind: Option<(B256, Kind)>,
}

impl MaskCache {
    pub(crate) fn new() -> Self {
        Self { masks: LruCache::new(NonZeroUsize::new(4096).expect("not zero")), kind: None }
    }
}

impl Evm {
    /// Whether the chain permits a transaction in a child of `parent`, by the state after `parent`.
    ///
    /// # Errors
    /// Only faults; a contract that does not answer is a denial.
    pub fn check_permission(
        &self,
        state: Arc<dyn StateReader>,
        parent: &BlockEnv,
        parent_hash: B256,
        request: &PermissionRequest,
    ) -> Result<Result<(), Denial>, EvmError> {
        let Some(contract) = self.permission_contract_after(parent) else { return Ok(Ok(())) };
        let key = (parent_hash, request.sender);
        let (mut known, kind) = {
            let mut cache = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
            let kind = cache.kind.filter(|(parent, _)| *parent == parent_hash).map(|(_, kind)| kind);
            (cache.masks.get(&key).copied(), kind)
        };
        let is_new = known.is_none();
        if let (None, Some(kind)) = (known, kind) {
            known = kind.mask_without_call(&state, contract, request)?;
        }
        if let Some(mask) = known {
            // The usual case under load: no machine is set up for it.
            let has_code = |to| Ok(state.account(to)?.is_some_and(|account| account.has_code()));
            if mask.allows(request.needed(has_code)?) {
                if is_new {
                    self.masks.lock().unwrap_or_else(PoisonError::into_inner).masks.put(key, mask);
                }
                return Ok(Ok(()));
            }
        }
        let mut permission = Permission::new(self, contract, state, parent).with_kind(kind);
        let (mask, decision) = permission.decide(request, known)?;
        let kind = permission.kind()?;
        let mut cache = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        cache.kind = Some((parent_hash, kind));
        if is_new && mask.is_for_sender() {
            cache.masks.put(key, mask);
        }
        Ok(decision)
    }

    /// Rights of an account by the permission contract in force after the block `env`: bits of [`Right`]. Without a
    /// permission contract everybody has every right. A contract without `rightsOf` (Parity's own) is asked for the
    /// types it allows, and everybody may read.
    ///
    /// # Errors
    /// Only faults.
    pub fn rights(&self, state: Arc<dyn StateReader>, env: &BlockEnv, account: Address) -> Result<u32, EvmError> {
        let Some(contract) = self.permission_contract_after(env) else { return Ok(u32::MAX) };
        Ok(Permission::new(self, contract, state, env).rights_of(account)?)
    }

    /// The contract that decides about the children of `parent`.
    fn permission_contract_after(&self, parent: &BlockEnv) -> Option<Address> {
        self.rules(parent.number.saturating_add(1), parent.timestamp).permission_contract()
    }
}
