//! Building a block: transactions are tried one at a time.

use std::{fmt, sync::Arc};

use alloy::primitives::{Address, B256};
use aurum_types::{ExecutionOutcome, Recovered, StateChanges, StateError, StateReader, Transaction};

use crate::{BlockEnv, Denial, Evm, EvmError, InvalidExecution, TxInvalid, block::BlockRunner, engine::Roots};

/// Computes the root of the parent's state with these changes.
type Root = Box<dyn FnMut(&StateChanges) -> Result<B256, StateError>>;

/// A block under construction on top of a parent state. Not `Send`: revm's memory belongs to one thread.
pub struct BlockBuilder {
    runner: BlockRunner,
    root: Option<Root>,
}

impl fmt::Debug for BlockBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockBuilder").field("runner", &self.runner).finish_non_exhaustive()
    }
}

/// A transaction that is in the block now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Gas it used.
    pub gas_used: u64,
    /// Whether it succeeded; a transaction that reverted is in the block all the same.
    pub succeeded: bool,
}

/// Why a transaction is not in the block. The block is as it was before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PushError {
    /// Its gas limit is more than the block has left. It may fit another block.
    #[error("{gas} gas do not fit the block, {left} are left")]
    DoesNotFit {
        /// The transaction's gas limit.
        gas: u64,
        /// What the block has left.
        left: u64,
    },
    /// It cannot run on this state.
    #[error(transparent)]
    Invalid(TxInvalid),
    /// Its sender has no right to it.
    #[error(transparent)]
    NotPermitted(Denial),
    /// Our side failed.
    #[error(transparent)]
    Fault(#[from] EvmError),
}

impl PushError {
    /// The same, said of the transaction at `index` of a block that claims to be valid.
    pub(crate) fn in_block(self, index: usize) -> EvmError {
        match self {
            Self::DoesNotFit { gas, left } => InvalidExecution::GasLimit { index, gas, left }.into(),
            Self::Invalid(source) => InvalidExecution::Transaction { index, source }.into(),
            Self::NotPermitted(denial) => InvalidExecution::NotPermitted { index, denial }.into(),
            Self::Fault(error) => error,
        }
    }
}

impl Evm {
    /// Starts a block `env` on top of the state after `parent_env`'s block. `begin` as in [`Self::execute`].
    ///
    /// # Errors
    /// When the block cannot begin: `finalizeChange()` fails, or the state cannot be read.
    pub fn builder(
        &self,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        env: BlockEnv,
        begin: Option<Address>,
    ) -> Result<BlockBuilder, EvmError> {
        let runner = BlockRunner::open(self, parent, parent_env, env, begin)?;
        Ok(BlockBuilder { runner, root: None })
    }
}

impl BlockBuilder {
    /// Receives what computes the state root after a transaction: needed where receipts state it
    /// ([`crate::rules::ReceiptForm::StateRoot`]), as in [`Evm::execute_with_roots`].
    #[must_use]
    pub fn with_roots(mut self, root: impl FnMut(&StateChanges) -> Result<B256, StateError> + 'static) -> Self {
        self.root = Some(Box::new(root));
        self
    }

    /// Tries a transaction as the block's next.
    ///
    /// # Errors
    /// Why it is not in the block, which is then as it was before.
    pub fn push(&mut self, tx: &Recovered<Transaction>) -> Result<Pushed, PushError> {
        let (sender, tx) = (tx.signer(), tx.inner());
        let before = self.runner.gas_left();
        let mask = self.runner.permit(sender, tx)?.map_err(PushError::NotPermitted)?;
        let root: Option<Roots<'_>> = match &mut self.root {
            Some(root) => Some(&mut **root),
            None => None,
        };
        self.runner.run(sender, tx, mask, root)?;
        self.runner.remember(sender, mask);
        let succeeded = self.runner.receipts().last().is_some_and(aurum_types::Receipt::succeeded);
        Ok(Pushed { gas_used: before - self.runner.gas_left(), succeeded })
    }

    /// Gas the block has left.
    pub const fn gas_left(&self) -> u64 {
        self.runner.gas_left()
    }

    /// How many transactions are in the block.
    pub fn len(&self) -> usize {
        self.runner.receipts().len()
    }

    /// Whether no transaction is in the block.
    pub fn is_empty(&self) -> bool {
        self.runner.receipts().is_empty()
    }

    /// Pays the rewards and ends the block. Executing the resulting block gives the same outcome.
    ///
    /// # Errors
    /// When the reward contract fails, or the state cannot be read.
    pub fn finish(self) -> Result<ExecutionOutcome, EvmError> {
        self.runner.close()
    }
}
