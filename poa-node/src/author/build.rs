//! One block: transactions from the pool, the root of what they did, a seal.

use std::time::{Duration, Instant};

use alloy::primitives::Bytes;
use aurum_aura::{AuraSeal, EmptyStep, Signer, SignerError};
use aurum_chain::{Authoring, Built, Fault};
use aurum_evm::{EvmError, PushError, TxInvalid};
use aurum_pool::Pool;
use aurum_types::{Block, Recovered, SealedBlock, Step, Transaction};

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

/// What a block of ours is made with.
pub(super) struct Recipe<'a> {
    pub(super) signer: &'a dyn Signer,
    pub(super) pool: &'a Pool,
    pub(super) step: Step,
    /// Transactions of the engine, which come first.
    pub(super) engine: Vec<Recovered<Transaction>>,
    /// Empty steps that the seal carries.
    pub(super) empty_steps: Vec<EmptyStep>,
    /// Gas limit to move towards; the parent's if absent.
    pub(super) gas_target: Option<u64>,
    pub(super) extra_data: Bytes,
    /// How long transactions may be tried.
    pub(super) time: Duration,
}

/// A block that lacks nothing but its seal.
pub(super) struct Unsealed {
    block: Block,
    built: Built,
    step: Step,
    empty_steps: Vec<EmptyStep>,
}

impl Recipe<'_> {
    /// Runs the engine's transactions and the pool's best on top of `parent`.
    pub(super) fn build(self, parent: &Authoring) -> Result<Unsealed, BuildError> {
        let deadline = Instant::now() + self.time;
        let target = self.gas_target.unwrap_or(parent.parent().gas_limit);
        let env = parent.env_with(self.signer.address(), self.step, target, &self.empty_steps)?;
        let mut builder = parent.builder(env.clone())?;
        let mut transactions: Vec<Transaction> = Vec::new();
        for tx in &self.engine {
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
        let mut best = self.pool.best();
        let mut misfits = 0;
        while builder.gas_left() >= CHEAPEST && misfits < PATIENCE && Instant::now() < deadline {
            let Some(pooled) = best.next() else { break };
            match builder.push(pooled.transaction()) {
                Ok(_) => {
                    transactions.push(pooled.transaction().inner().clone());
                    misfits = 0;
                    continue;
                }
                Err(PushError::DoesNotFit { .. }) => misfits += 1,
                // The pool hears of nonce and balance with the next head.
                Err(PushError::Invalid(
                    TxInvalid::NonceTooLow { .. }
                    | TxInvalid::NonceTooHigh { .. }
                    | TxInvalid::InsufficientFunds { .. },
                )) => {}
                Err(PushError::Fault(error)) => return Err(error.into()),
                Err(error @ (PushError::Invalid(_) | PushError::NotPermitted(_))) => {
                    tracing::debug!(hash = %pooled.hash(), %error, "transaction left the pool");
                    self.pool.remove(pooled.hash(), error.to_string());
                }
            }
            best.skip_sender();
        }
        let built = parent.commit(builder.finish()?)?;
        let header = parent.header(&env, &transactions, &built, self.extra_data);
        let block = Block { header, transactions, uncles: Vec::new() };
        Ok(Unsealed { block, built, step: self.step, empty_steps: self.empty_steps })
    }
}

impl Unsealed {
    /// How many transactions are in it.
    pub(super) fn len(&self) -> usize {
        self.block.transactions.len()
    }

    /// Signs it. From here on the block can be shown to others: the step must be used up before.
    pub(super) fn seal(self, signer: &dyn Signer, parent: &Authoring) -> Result<(SealedBlock, Built), BuildError> {
        let Self { mut block, built, step, empty_steps } = self;
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
