//! What the author needs on top of the head: the parent, who may seal, a builder, and the root of what was built.

use std::{fmt, sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_aura::{AuraSeal, EmptyStep, EngineState, Rules};
use aurum_evm::{BlockBuilder, BlockEnv, EvmError, rules::ReceiptForm};
use aurum_storage::Committed;
use aurum_types::{
    EMPTY_UNCLES_HASH, ExecutionOutcome, Header, StateError, StateReader, Step, Transaction, receipts_root_and_bloom,
    transactions_root,
};

use crate::{Fault, reader::Reader, recent::Link};

/// The head as the parent of a block to be. Stays what it is when the head moves on; the block is then a sibling.
#[derive(Clone)]
pub struct Authoring {
    reader: Arc<Reader>,
    rules: Rules,
    parent: Arc<Link>,
    state: Arc<dyn StateReader>,
}

impl fmt::Debug for Authoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authoring").field("parent", &self.parent.at()).finish_non_exhaustive()
    }
}

impl Authoring {
    pub(crate) fn new(reader: Arc<Reader>) -> Result<Self, Fault> {
        let (parent, state) = reader.head_state()?;
        let rules = Rules::new(&reader.spec);
        Ok(Self { reader, rules, parent, state })
    }

    /// The parent's header.
    pub fn parent(&self) -> &Header {
        &self.parent.header
    }

    /// The parent's hash.
    pub fn parent_hash(&self) -> B256 {
        self.parent.hash
    }

    /// The engine after the parent: who seals the child, whether the child begins an epoch.
    pub fn engine(&self) -> &EngineState {
        &self.parent.engine
    }

    /// The state after the parent.
    pub const fn state(&self) -> &Arc<dyn StateReader> {
        &self.state
    }

    /// The chain's rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The EVM, for calls of the author's own.
    pub fn evm(&self) -> &aurum_evm::Evm {
        &self.reader.evm
    }

    /// Whether `author` may seal a child of the parent at `step`: it is its turn, and the parent's step is past.
    pub fn may_seal(&self, author: Address, step: Step) -> bool {
        self.engine().child_validators().proposer(step) == Some(author)
            && self.parent().step().is_none_or(|parent| step > parent)
    }

    /// Whether the child's seal has a field for empty steps.
    pub fn has_empty_steps(&self) -> bool {
        self.reader.format.has_empty_steps(self.parent().number + 1)
    }

    /// The empty steps that a child at `step` carries: those collected on the parent, strictly between both steps.
    pub fn empty_steps(&self, step: Step) -> Vec<EmptyStep> {
        if !self.has_empty_steps() {
            return Vec::new();
        }
        let parent_step = self.parent().step().unwrap_or_default();
        self.reader.empty_steps().between(parent_step, step, self.parent.hash)
    }

    /// [`Self::env_with`] no empty steps, now.
    ///
    /// # Errors
    /// As there.
    pub fn env(&self, author: Address, step: Step, gas_target: u64) -> Result<BlockEnv, EvmError> {
        self.env_with(author, step, gas_target, &[], self.reader.clock.now())
    }

    /// The environment of a child sealed by `author` at `step` with these empty steps, which count for its score and
    /// whose signers are rewarded: timestamp not before `now` (since the Unix epoch: the clock, or the start of a step to
    /// come) and after the parent's (OpenEthereum), gas limit towards `gas_target` as far as the rules allow, or what the
    /// gas limit contract says.
    ///
    /// # Errors
    /// When the gas limit contract cannot be read.
    pub fn env_with(
        &self,
        author: Address,
        step: Step,
        gas_target: u64,
        empty_steps: &[EmptyStep],
        now: Duration,
    ) -> Result<BlockEnv, EvmError> {
        let parent = self.parent();
        let stated = match self.rules.gas_limit_contract(parent.number + 1) {
            Some(contract) => self.evm().block_gas_limit(Arc::clone(&self.state), &BlockEnv::of(parent), contract)?,
            None => None,
        };
        let gas_limit = stated.map_or_else(
            || self.rules.next_gas_limit(parent, gas_target),
            |stated| u64::try_from(stated).unwrap_or(u64::MAX),
        );
        Ok(BlockEnv {
            number: parent.number + 1,
            timestamp: now.as_secs().max(parent.timestamp.saturating_add(1)),
            author,
            difficulty: aurum_aura::difficulty(parent.step().unwrap_or_default(), step, empty_steps.len()),
            gas_limit,
            base_fee: self.reader.base_fee_after(parent),
            parent_hash: self.parent.hash,
            empty_steps: if self.has_empty_steps() { AuraSeal::encode_empty_steps(empty_steps) } else { Bytes::new() },
        })
    }

    /// Starts building in `env`. The builder belongs to the calling thread.
    ///
    /// # Errors
    /// When the block cannot begin (`finalizeChange()` fails).
    pub fn builder(&self, env: BlockEnv) -> Result<BlockBuilder, EvmError> {
        let begins = self.engine().child_begins_epoch();
        let form = self.evm().rules(env.number, env.timestamp).receipt_form();
        let builder = self.evm().builder(Arc::clone(&self.state), &BlockEnv::of(self.parent()), env, begins)?;
        if form != ReceiptForm::StateRoot {
            return Ok(builder);
        }
        let (reader, parent) = (Arc::clone(&self.reader), self.parent.hash);
        Ok(builder.with_roots(move |changes| Ok(reader.tree.commit(parent, changes).map_err(StateError::new)?.root)))
    }

    /// Computes the roots of what was built: its header, complete but for the seal, and what import takes over.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn close(
        &self,
        env: &BlockEnv,
        transactions: &[Transaction],
        outcome: ExecutionOutcome,
        extra_data: Bytes,
    ) -> Result<(Header, Built), Fault> {
        let (committed, (transactions_root, (receipts_root, logs_bloom))) = rayon::join(
            || self.reader.tree.commit(self.parent.hash, &outcome.changes),
            || (transactions_root(transactions), receipts_root_and_bloom(&outcome.receipts)),
        );
        let committed = committed?;
        let header = Header {
            parent_hash: env.parent_hash,
            uncles_hash: EMPTY_UNCLES_HASH,
            author: env.author,
            state_root: committed.root,
            transactions_root,
            receipts_root,
            logs_bloom,
            difficulty: env.difficulty,
            number: env.number,
            gas_limit: env.gas_limit,
            gas_used: outcome.gas_used,
            timestamp: env.timestamp,
            extra_data,
            seal: Vec::new(),
            base_fee_per_gas: env.base_fee,
        };
        Ok((header, Built { parent_hash: self.parent.hash, outcome, committed }))
    }

    /// Total score of a child with this difficulty.
    pub fn score_of_child(&self, difficulty: U256) -> aurum_types::Score {
        self.parent.score.plus(difficulty)
    }
}

/// What building a block gave, with the root of its state: handed to [`crate::Chain::import_built`] so that nothing is
/// computed twice.
#[derive(Clone, Debug)]
pub struct Built {
    parent_hash: B256,
    outcome: ExecutionOutcome,
    committed: Committed,
}

impl Built {
    /// The state root after the block.
    pub const fn state_root(&self) -> B256 {
        self.committed.root
    }

    /// Receipts, gas and changes.
    pub const fn outcome(&self) -> &ExecutionOutcome {
        &self.outcome
    }

    pub(crate) const fn parent_hash(&self) -> B256 {
        self.parent_hash
    }

    pub(crate) fn into_parts(self) -> (ExecutionOutcome, Committed) {
        (self.outcome, self.committed)
    }
}
