//! One block: transactions from the pool, the root of what they did, a seal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes};
use aurum_aura::{AuraSeal, EmptyStep, Signer, SignerError};
use aurum_chain::{Authoring, BlockEnv, Built, Fault};
use aurum_evm::{BlockBuilder, EvmError, PushError, TxInvalid};
use aurum_pool::{Best, Pool, Pooled};
use aurum_types::{Block, SealedBlock, Step, Transaction};

use super::engine_txs::{Call, EngineTxs};

/// Gas of the cheapest transaction; with less left a block is full.
const CHEAPEST: u64 = 21_000;
/// Transactions in a row that do not fit before a block counts as full.
const PATIENCE: usize = 32;

/// Why no block could be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// The block cannot begin or end: a system call fails.
    #[error(transparent)]
    Evm(#[from] EvmError),
    /// Our disk.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The key.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// What a block of ours begins with.
pub(super) struct Recipe {
    pub(super) author: Address,
    pub(super) step: Step,
    /// Not before this is its timestamp, since the Unix epoch.
    pub(super) now: Duration,
    /// Transactions of the engine, which come first.
    pub(super) engine: EngineTxs,
    /// Empty steps that the seal carries.
    pub(super) empty_steps: Vec<EmptyStep>,
    /// Gas limit to move towards; the parent's if absent.
    pub(super) gas_target: Option<u64>,
}

/// Why no more transactions are tried for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// The block has no room left.
    Full,
    /// The pool has no more.
    Drained,
    /// The time is over.
    OutOfTime,
}

/// A block of ours that grows. Stays on its parent, whatever becomes the head.
pub(super) struct Candidate {
    parent: Authoring,
    step: Step,
    env: BlockEnv,
    engine: EngineTxs,
    empty_steps: Vec<EmptyStep>,
    builder: BlockBuilder,
    transactions: Vec<Transaction>,
    /// Whether there are others than the engine's.
    has_pooled: bool,
    best: Best,
    misfits: usize,
}

impl Candidate {
    /// Begins a block on `parent`: what comes before the first transaction, and the engine's transactions.
    pub(super) fn begin(parent: Authoring, pool: &Pool, recipe: Recipe) -> Result<Self, BuildError> {
        let Recipe { author, step, now, engine, empty_steps, gas_target } = recipe;
        let target = gas_target.unwrap_or(parent.parent().gas_limit);
        let env = parent.env_with(author, step, target, &empty_steps, now)?;
        let mut builder = parent.builder(env.clone())?;
        let mut transactions = Vec::new();
        for tx in engine.signed() {
            match builder.push(tx) {
                Ok(_) => transactions.push(tx.inner().clone()),
                Err(PushError::Fault(error)) => return Err(error.into()),
                // Those after it would miss its nonce.
                Err(error) => {
                    tracing::error!(hash = %tx.inner().tx_hash(), %error, "engine transaction is not in our block");
                    break;
                }
            }
        }
        let (best, has_pooled, misfits) = (pool.best(), false, 0);
        Ok(Self { parent, step, env, engine, empty_steps, builder, transactions, has_pooled, best, misfits })
    }

    /// The parent's hash.
    pub(super) fn parent_hash(&self) -> B256 {
        self.parent.parent_hash()
    }

    /// For which step it is.
    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// Whether it carries what a block on its parent is to carry now.
    pub(super) fn carries(&self, empty_steps: &[EmptyStep], reports: &[Call]) -> bool {
        self.empty_steps == empty_steps && self.engine.reports_match(reports)
    }

    /// Whether transactions of the engine are in it.
    pub(super) fn has_engine_txs(&self) -> bool {
        !self.engine.is_empty()
    }

    /// Something of this sender was pooled.
    pub(super) fn hear_of(&mut self, sender: Address) {
        self.best.look_again(sender);
    }

    /// Much was pooled.
    pub(super) fn hear_of_all(&mut self) {
        self.best.look_at_all();
    }

    /// Adds the pool's best until there are none, `deadline` comes, or the block has used `most` gas; but one in any case,
    /// and one is tried however late it is: a busy machine must not seal empty blocks.
    pub(super) fn fill(&mut self, pool: &Pool, most: u64, deadline: Instant) -> Result<Filled, BuildError> {
        let mut has_tried = false;
        loop {
            let used = self.env.gas_limit.saturating_sub(self.builder.gas_left());
            if self.builder.gas_left() < CHEAPEST || self.misfits >= PATIENCE || (self.has_pooled && used >= most) {
                return Ok(Filled::Full);
            }
            if (self.has_pooled || has_tried) && Instant::now() >= deadline {
                return Ok(Filled::OutOfTime);
            }
            let Some(pooled) = self.best.next() else { return Ok(Filled::Drained) };
            self.push(pool, &pooled)?;
            has_tried = true;
        }
    }

    fn push(&mut self, pool: &Pool, pooled: &Arc<Pooled>) -> Result<(), BuildError> {
        match self.builder.push(pooled.transaction()) {
            Ok(_) => {
                self.transactions.push(pooled.transaction().inner().clone());
                self.has_pooled = true;
                self.misfits = 0;
                return Ok(());
            }
            Err(PushError::DoesNotFit { .. }) => self.misfits += 1,
            // The pool hears of nonce and balance with the next head.
            Err(PushError::Invalid(
                TxInvalid::NonceTooLow { .. } | TxInvalid::NonceTooHigh { .. } | TxInvalid::InsufficientFunds { .. },
            )) => {}
            Err(PushError::Fault(error)) => return Err(error.into()),
            Err(error @ (PushError::Invalid(_) | PushError::NotPermitted(_))) => {
                tracing::debug!(hash = %pooled.hash(), %error, "transaction left the pool");
                pool.remove(pooled.hash(), error.to_string());
            }
        }
        self.best.skip_sender();
        Ok(())
    }

    /// Ends the block: rewards, roots, header.
    pub(super) fn close(self, extra_data: Bytes) -> Result<Unsealed, BuildError> {
        let Self { parent, step, env, empty_steps, builder, transactions, .. } = self;
        let (header, built) = parent.close(&env, &transactions, builder.finish()?, extra_data)?;
        let block = Block { header, transactions, uncles: Vec::new() };
        Ok(Unsealed { parent, block, built, step, empty_steps })
    }
}

/// A block that lacks nothing but its seal.
pub(super) struct Unsealed {
    parent: Authoring,
    block: Block,
    built: Built,
    step: Step,
    empty_steps: Vec<EmptyStep>,
}

impl Unsealed {
    /// How many transactions are in it.
    pub(super) fn len(&self) -> usize {
        self.block.transactions.len()
    }

    /// Gas its transactions used.
    pub(super) const fn gas_used(&self) -> u64 {
        self.block.header.gas_used
    }

    /// Signs it. From here on the block can be shown to others: the step must be used up before.
    pub(super) fn seal(self, signer: &dyn Signer) -> Result<(SealedBlock, Built), BuildError> {
        let Self { parent, mut block, built, step, empty_steps } = self;
        let format = parent.rules().format();
        let empty_steps =
            format.has_empty_steps(block.header.number).then(|| AuraSeal::encode_empty_steps(&empty_steps));
        let mut seal = AuraSeal { step, signature: [0; 65], empty_steps };
        block.header.seal = seal.to_fields();
        seal.signature = signer.sign(block.header.seal_hash(format))?;
        block.header.seal = seal.to_fields();
        Ok((SealedBlock::seal_slow(block), built))
    }
}
