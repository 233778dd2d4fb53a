//! [`Evm`]: the chain's rules with the caches that executions share.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::{Address, B256};
use aurum_types::{
    BlockNumber, ChainSpec, ExecutionOutcome, RecoveredBlock, StateChanges, StateError, StateReader, Transaction,
};
use lru::LruCache;

use crate::{
    BlockEnv, EvmError, IntrinsicGas, Parallel, Rules, TxInvalid,
    block::BlockRunner,
    database::{BlockState, CodeCache},
    machine::Machine,
    parallel,
    permission::MaskCache,
    precompiles::Precompiles,
    transaction,
};

/// Contracts whose analysed code is kept: 256 of the usual 24 KiB are 6 MiB.
const CACHED_CONTRACTS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Blocks whose rules are kept: the head's and those being read.
const CACHED_RULES: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// Computes the state root after the changes so far, for receipts from before EIP-658.
pub(crate) type Roots<'a> = &'a mut dyn FnMut(&StateChanges) -> Result<B256, StateError>;

/// The EVM of one chain. Cheap to clone; clones share their caches.
#[derive(Clone, Debug)]
pub struct Evm {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) codes: Arc<CodeCache>,
    pub(crate) masks: Arc<Mutex<MaskCache>>,
    rules: Arc<Mutex<LruCache<(BlockNumber, u64), Rules>>>,
    parallel: Option<Parallel>,
}

impl Evm {
    /// The EVM of the chain `spec` describes.
    pub fn new(spec: Arc<ChainSpec>) -> Self {
        Self {
            spec,
            codes: Arc::new(CodeCache::new(CACHED_CONTRACTS)),
            masks: Arc::new(Mutex::new(MaskCache::new())),
            rules: Arc::new(Mutex::new(LruCache::new(CACHED_RULES))),
            parallel: None,
        }
    }

    /// The same, where [`Self::execute`] runs transactions of a block in parallel. The outcome is the same.
    #[must_use]
    pub fn in_parallel(self, parallel: Option<Parallel>) -> Self {
        Self { parallel, ..self }
    }

    /// The chain spec.
    pub const fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// The rules of the block at `number` with this `timestamp` (Unix seconds).
    pub fn rules(&self, number: BlockNumber, timestamp: u64) -> Rules {
        // The pool asks for the same block thousands of times.
        let mut known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert((number, timestamp), || Rules::at(&self.spec, number, timestamp)).clone()
    }

    /// Runs a block on its parent's state: permission of every transaction at the parent, then the block in Parity's
    /// order (aura.md §2.5). `parent_env` describes the parent's header; `begin` is the validator contract whose
    /// `finalizeChange()` starts this block, if it begins an epoch.
    ///
    /// # Errors
    /// [`EvmError::Invalid`] is the block's fault.
    pub fn execute(
        &self,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        block: &RecoveredBlock,
        begin: Option<Address>,
    ) -> Result<ExecutionOutcome, EvmError> {
        self.execute_inner(parent, parent_env, block, begin, None)
    }

    /// [`Self::execute`] for blocks from before EIP-658, whose receipts carry a state root each: `roots` is asked once
    /// per transaction for the root of the parent's state with the changes so far.
    ///
    /// # Errors
    /// [`EvmError::Invalid`] is the block's fault.
    pub fn execute_with_roots(
        &self,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        block: &RecoveredBlock,
        begin: Option<Address>,
        roots: &mut dyn FnMut(&StateChanges) -> Result<B256, StateError>,
    ) -> Result<ExecutionOutcome, EvmError> {
        self.execute_inner(parent, parent_env, block, begin, Some(roots))
    }

    fn execute_inner(
        &self,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        block: &RecoveredBlock,
        begin: Option<Address>,
        mut roots: Option<Roots<'_>>,
    ) -> Result<ExecutionOutcome, EvmError> {
        let env = BlockEnv::of(block.sealed().header());
        if let Some(parallel) = self.parallel.filter(|parallel| parallel.suits(self, &env, block)) {
            return parallel::execute(self, parallel, parent, parent_env, block, begin);
        }
        let mut runner = BlockRunner::open(self, parent, parent_env, env, begin)?;
        let masks = runner.check_permissions(block)?;
        for ((index, tx), mask) in block.transactions().enumerate().zip(masks) {
            let sender = tx.signer();
            let roots: Option<Roots<'_>> = match &mut roots {
                Some(roots) => Some(&mut **roots),
                None => None,
            };
            runner.run(sender, tx.inner(), mask, roots).map_err(|error| error.in_block(index))?;
        }
        runner.close()
    }

    /// What a transaction costs before its first instruction, under these rules.
    pub fn intrinsic_gas(&self, rules: &Rules, tx: &Transaction) -> IntrinsicGas {
        transaction::intrinsic_gas(rules, tx)
    }

    /// Checks everything about a transaction that no state decides: type, chain id, size, intrinsic gas, fee fields, and
    /// a fixed base fee. Not the moving base fee of EIP-1559, not the block gas limit.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate_tx_stateless(&self, rules: &Rules, tx: &Transaction) -> Result<(), TxInvalid> {
        transaction::validate(rules, tx)
    }

    pub(crate) fn block_machine(&self, rules: &Rules, parent: Arc<dyn StateReader>, env: &BlockEnv) -> Machine {
        let mut state = BlockState::new(parent, self.codes.clone(), rules.accounts());
        if let Some(number) = env.number.checked_sub(1) {
            state = state.with_parent_hash(number, env.parent_hash);
        }
        Machine::for_block(rules, Precompiles::at(&self.spec, env.number), state, env)
    }

    pub(crate) fn call_machine(&self, state: Arc<dyn StateReader>, env: &BlockEnv) -> Machine {
        self.call_machine_on(self.call_state(state, env), env, Precompiles::at(&self.spec, env.number))
    }

    /// A state for calls as if in the block `env`, which nothing has changed yet.
    pub(crate) fn call_state(&self, state: Arc<dyn StateReader>, env: &BlockEnv) -> BlockState {
        BlockState::new(state, self.codes.clone(), self.rules(env.number, env.timestamp).accounts())
    }

    /// [`Self::call_machine`] on a state that may have been changed already, with other precompiles than the spec's.
    pub(crate) fn call_machine_on(&self, state: BlockState, env: &BlockEnv, precompiles: Precompiles) -> Machine {
        Machine::for_calls(&self.rules(env.number, env.timestamp), precompiles, state, env)
    }
}
