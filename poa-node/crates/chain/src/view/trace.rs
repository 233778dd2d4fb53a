//! What happened inside a block's transactions, and what would happen inside calls.

use std::{fmt, sync::Arc};

use alloy::{
    eips::{BlockId, eip2930::AccessList},
    primitives::{Address, map::HashSet},
};
use alloy_rpc_types_trace::{
    geth::{GethDebugTracingOptions, GethTrace},
    parity::{TraceResults, TraceType},
};
use aurum_evm::{BlockEnv, BlockTraces, CallOutcome, CallRequest, Evm, ParityCall, Replay, TraceLimits, Which};
use aurum_types::{SealedBlock, StateChanges, StateReader, recover_sender};

use super::{BlockView, StoredBlock, View};
use crate::{ReadError, reader::Reader};

/// A block of the chain with everything that is needed to run it again.
#[derive(Clone)]
pub struct TraceView {
    block: BlockView,
    parent: Arc<dyn StateReader>,
    parent_env: BlockEnv,
    begin: Option<Address>,
    evm: Evm,
}

impl fmt::Debug for TraceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceView").field("block", &self.block.hash()).finish_non_exhaustive()
    }
}

impl TraceView {
    /// The block.
    pub const fn block(&self) -> &BlockView {
        &self.block
    }

    /// What a tracer of geth says of the block's transactions.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn geth(
        &self,
        which: Which,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<Vec<GethTrace>, ReadError> {
        Ok(self.evm.trace_geth(&self.replay(), which, options, limits)?)
    }

    /// What happened in the block's transactions, and who was rewarded, in Parity's form.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn parity(
        &self,
        which: Which,
        types: &HashSet<TraceType>,
        limits: &TraceLimits,
    ) -> Result<BlockTraces, ReadError> {
        Ok(self.evm.trace_parity(&self.replay(), which, types, limits)?)
    }

    /// What a tracer of geth says of a call before the transaction at `index`.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn geth_call(
        &self,
        index: usize,
        request: &CallRequest,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<GethTrace, ReadError> {
        Ok(self.evm.trace_call_geth_within(&self.replay(), index, request, options, limits)?)
    }

    /// What the block changed before its transaction at `index`.
    pub(super) fn changes_before(&self, index: usize, limits: &TraceLimits) -> Result<StateChanges, ReadError> {
        Ok(self.evm.changes_before(&self.replay(), index, limits)?)
    }

    /// The state it began with.
    pub(super) fn parent(&self) -> &dyn StateReader {
        &*self.parent
    }

    fn replay(&self) -> Replay<'_> {
        Replay {
            parent: Arc::clone(&self.parent),
            parent_env: self.parent_env.clone(),
            env: BlockEnv::of(self.block.header()),
            begin: self.begin,
            transactions: self.block.transactions(),
            senders: self.block.senders(),
            receipts: self.block.receipts(),
        }
    }
}

impl View {
    /// A block to be run again. `None` for an unknown one.
    ///
    /// # Errors
    /// [`ReadError::Arguments`] for genesis, which was never run; [`ReadError::NoState`] where the parent's state is not
    /// kept.
    pub fn trace(&self, id: BlockId) -> Result<Option<TraceView>, ReadError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        if block.number() == 0 {
            return Err(ReadError::Arguments("genesis is not traceable".to_owned()));
        }
        let reader = self.reader();
        let hash = block.header().parent_hash;
        let parent = reader.header(hash)?.ok_or(ReadError::UnknownBlock)?;
        let state = reader.state_at(hash)?.ok_or(ReadError::NoState(hash))?;
        let begin = reader.begins_epoch(hash, parent.number);
        Ok(Some(TraceView {
            block,
            parent: state,
            parent_env: BlockEnv::of(&parent),
            begin,
            evm: reader.evm().clone(),
        }))
    }

    /// A block that need not be of the chain, if its parent is, to be run on its parent's state; its bytes are those of
    /// `debug_getRawBlock`.
    ///
    /// # Errors
    /// [`ReadError::Arguments`] for bytes that are no block, for one whose parent is not here, and for transactions that
    /// nobody signed; [`ReadError::NoState`].
    pub fn trace_raw(&self, bytes: &[u8]) -> Result<TraceView, ReadError> {
        let reader = self.reader();
        let arguments = |reason: String| ReadError::Arguments(reason);
        let sealed = SealedBlock::decode(bytes, &reader.format)
            .map_err(|error| arguments(format!("could not decode block: {error}")))?;
        let parent_hash = sealed.header().parent_hash;
        let parent = reader.header(parent_hash)?.ok_or_else(|| arguments(format!("parent {parent_hash} not found")))?;
        let state = reader.state_at(parent_hash)?.ok_or(ReadError::NoState(parent_hash))?;
        let development = reader.evm().development();
        let block = sealed.block();
        let senders = block.transactions.iter().map(|tx| {
            let named = development.and_then(|development| development.impersonated(tx));
            named.map_or_else(|| recover_sender(tx), Ok)
        });
        let senders = senders.collect::<Result<Vec<_>, _>>().map_err(|error| arguments(error.to_string()))?;
        let stored = StoredBlock { hash: sealed.hash(), block: block.clone(), senders, receipts: Vec::new() };
        Ok(TraceView {
            block: BlockView::stored(stored, None, reader.spec.params.gas_free),
            parent: state,
            parent_env: BlockEnv::of(&parent),
            begin: reader.begins_epoch(parent_hash, parent.number),
            evm: reader.evm().clone(),
        })
    }

    /// What a tracer of geth says of a call on the state after a block.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn trace_call_geth(
        &self,
        id: BlockId,
        request: &CallRequest,
        options: &GethDebugTracingOptions,
        limits: &TraceLimits,
    ) -> Result<GethTrace, ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().trace_call_geth(state, &env, request, options, limits)?)
    }

    /// What would happen in calls on the state after a block, each on top of those before it, in Parity's form.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn trace_parity_calls(
        &self,
        id: BlockId,
        calls: &[ParityCall],
        limits: &TraceLimits,
    ) -> Result<Vec<TraceResults>, ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().trace_parity_calls(&state, &env, calls, limits)?)
    }

    /// The access list of a message, and how it ends with that list.
    ///
    /// # Errors
    /// [`ReadError::Trace`].
    pub fn access_list(
        &self,
        id: BlockId,
        request: &CallRequest,
        limits: &TraceLimits,
    ) -> Result<(AccessList, CallOutcome), ReadError> {
        let (state, env) = self.call_context(id)?;
        Ok(self.reader().evm().access_list(&state, &env, request, limits)?)
    }
}

impl Reader {
    /// The contract whose `finalizeChange()` the children of a block of the chain call first, if that block recorded an
    /// epoch of a contract.
    fn begins_epoch(&self, hash: alloy::primitives::B256, number: u64) -> Option<Address> {
        if let Some(link) = self.recent().link(hash) {
            return link.engine.child_begins_epoch();
        }
        if self.spec.engine.immediate_transitions || !self.epochs().recorded_by(number, hash) {
            return None;
        }
        aurum_aura::validators_source(&self.spec, number.saturating_add(1)).contract()
    }
}
