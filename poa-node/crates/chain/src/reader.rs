//! Everything that can be read, by hash and number: the recent tree first, the database after it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_aura::{Clock, EmptySteps, StepSchedule};
use aurum_evm::{BlockEnv, Evm, TraceLimits};
use aurum_storage::{AccountProof, Database, ExecutedRecord, StateTree};
use aurum_types::{Account, BlockNumber, ChainSpec, Header, HeaderFormat, Score, StateReader, ValidatorSet};

use crate::{
    BlockRef, Fault, Head, Observer, ReadError,
    epochs::Epochs,
    recent::{Link, Recent},
    sightings::Sightings,
    view::{BlockView, EngineStatus, FinalityStatus, MissedStep, PendingChangeStatus, StoredBlock},
};

/// Blocks that the engine's status looks back.
const STATUS_BLOCKS: usize = 64;

/// What readers and the import share.
pub(crate) struct Reader {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) format: HeaderFormat,
    pub(crate) evm: Evm,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) schedule: StepSchedule,
    pub(crate) database: Database,
    pub(crate) tree: StateTree,
    pub(crate) genesis_hash: B256,
    pub(crate) min_gas_price: u128,
    pub(crate) recent: RwLock<Recent>,
    pub(crate) sightings: Mutex<Sightings>,
    pub(crate) empty_steps: Mutex<EmptySteps>,
    pub(crate) observer: OnceLock<Arc<dyn Observer>>,
    pub(crate) epochs: RwLock<Epochs>,
}

impl Reader {
    /// The tree for reading. Held shortly and never while executing.
    pub(crate) fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree for one change. Held shortly and never while executing.
    pub(crate) fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The validator sets of all branches, for reading. Held shortly.
    pub(crate) fn epochs(&self) -> RwLockReadGuard<'_, Epochs> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for one more.
    pub(crate) fn epochs_mut(&self) -> RwLockWriteGuard<'_, Epochs> {
        self.epochs.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sealed what in which step, lately.
    pub(crate) fn sightings(&self) -> MutexGuard<'_, Sightings> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empty steps that a later block may carry.
    pub(crate) fn empty_steps(&self) -> MutexGuard<'_, EmptySteps> {
        self.empty_steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    pub(crate) const fn evm(&self) -> &Evm {
        &self.evm
    }

    pub(crate) const fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    pub(crate) const fn min_gas_price(&self) -> u128 {
        self.min_gas_price
    }

    /// Whether blocks become final: always, but for a chain with `immediateTransitions` and more than one authority.
    pub(crate) fn has_finality(&self) -> bool {
        !self.spec.engine.immediate_transitions || self.recent().head_link().engine.child_validators().len() == 1
    }

    pub(crate) fn head(&self) -> Head {
        self.recent().head()
    }

    /// The canonical block at `number`, or `None` above the head.
    pub(crate) fn canonical_hash(&self, number: BlockNumber) -> Result<Option<B256>, Fault> {
        let recent = self.recent();
        if let Some(hash) = recent.canonical_hash(number) {
            return Ok(Some(hash));
        }
        if number > recent.head().latest.number {
            return Ok(None);
        }
        // Still under the lock: below the tree only the database knows, and an unwind waits for this read.
        Ok(self.database.canonical_hash(number)?)
    }

    /// A header of any branch.
    pub(crate) fn header(&self, hash: B256) -> Result<Option<Header>, Fault> {
        if let Some(link) = self.recent().link(hash) {
            return Ok(Some(link.header.clone()));
        }
        Ok(self.database.header(hash)?)
    }

    /// A block with senders and receipts: any in the tree, canonical ones from the database.
    pub(crate) fn block(&self, hash: B256) -> Result<Option<BlockView>, Fault> {
        let score = {
            let recent = self.recent();
            match recent.node(hash) {
                Some(node) => {
                    let score = Some(node.link.score);
                    if let Some(block) = &node.block {
                        return Ok(Some(BlockView::recent(
                            Arc::clone(block),
                            score,
                            recent.is_canonical(node.link.at()),
                            self.spec.params.gas_free,
                        )));
                    }
                    score
                }
                None => None,
            }
        };
        self.stored_block(hash, score)
    }

    fn stored_block(&self, hash: B256, score: Option<Score>) -> Result<Option<BlockView>, Fault> {
        let Some(ExecutedRecord { block, senders, receipts }) = self.database.executed(hash)? else { return Ok(None) };
        let score = match score {
            Some(score) => Some(score),
            None => self.database.score(hash)?,
        };
        Ok(Some(BlockView::stored(StoredBlock { hash, block, senders, receipts }, score, self.spec.params.gas_free)))
    }

    /// The canonical block that holds a transaction, and the place in it.
    pub(crate) fn locate(&self, transaction: B256) -> Result<Option<(BlockView, usize)>, Fault> {
        {
            let recent = self.recent();
            if let Some((block, index)) = recent.locate(transaction) {
                let score = recent.link(block.hash()).map(|link| link.score);
                return Ok(Some((BlockView::recent(Arc::clone(block), score, true, self.spec.params.gas_free), index)));
            }
        }
        let Some((hash, index)) = self.database.tx_location(transaction)? else { return Ok(None) };
        Ok(self.block(hash)?.map(|block| (block, index)))
    }

    /// The state after a block, or `None` if it is not kept.
    pub(crate) fn state_at(&self, hash: B256) -> Result<Option<Arc<dyn StateReader>>, Fault> {
        Ok(self.tree.state_at(hash)?)
    }

    /// The state after the latest block, with its link.
    pub(crate) fn head_state(&self) -> Result<(Arc<Link>, Arc<dyn StateReader>), Fault> {
        let link = Arc::clone(self.recent().head_link());
        let state = self
            .state_at(link.hash)?
            .ok_or_else(|| Fault::Inconsistent(format!("no state for the head {}", link.hash)))?;
        Ok((link, state))
    }

    pub(crate) fn prove(&self, hash: B256, address: Address, slots: &[U256]) -> Result<AccountProof, ReadError> {
        self.tree.prove(hash, address, slots)?.ok_or(ReadError::NoState(hash))
    }

    /// The slots an account may have after a block, of which there are `most` at most. Past the limits the answer is worth
    /// nothing.
    pub(crate) fn slots(
        &self,
        hash: B256,
        address: Address,
        most: usize,
        limits: &TraceLimits,
    ) -> Result<BTreeSet<U256>, ReadError> {
        let wanted = || limits.check().is_ok();
        let list = self.tree.slots(hash, address, most, &wanted)?.ok_or(ReadError::NoState(hash))?;
        if list.cut_short { Err(ReadError::TooManySlots { address, limit: most }) } else { Ok(list.slots) }
    }

    /// What an account is that does not exist: it has the first nonce (`accountStartNonce`).
    pub(crate) fn missing_account(&self) -> Account {
        Account { nonce: self.spec.params.account_start_nonce, ..Account::default() }
    }

    /// The base fee of a child of `parent`.
    pub(crate) fn base_fee_after(&self, parent: &Header) -> Option<u64> {
        aurum_aura::next_base_fee(&self.spec, parent, parent.number + 1)
    }

    /// The environment of a block on top of this one, sealed now by whoever's turn it is.
    pub(crate) fn env_after(&self, hash: B256, header: &Header) -> BlockEnv {
        let now = self.clock.now();
        let step = self.schedule.step_at(now);
        let author =
            self.recent().link(hash).and_then(|link| link.engine.child_validators().proposer(step)).unwrap_or_default();
        BlockEnv {
            number: header.number + 1,
            timestamp: now.as_secs().max(header.timestamp.saturating_add(1)),
            author,
            difficulty: aurum_aura::difficulty(header.step().unwrap_or_default(), step, 0),
            gas_limit: header.gas_limit,
            base_fee: self.base_fee_after(header),
            parent_hash: hash,
            empty_steps: Bytes::new(),
        }
    }

    /// [`Self::env_after`] the head.
    pub(crate) fn next_env(&self) -> BlockEnv {
        let link = Arc::clone(self.recent().head_link());
        self.env_after(link.hash, &link.header)
    }

    /// The engine at the head, with the turns missed in the last blocks.
    pub(crate) fn engine_status(&self) -> Result<EngineStatus, ReadError> {
        let now = self.clock.now();
        let step = self.schedule.step_at(now);
        let (head, link) = {
            let recent = self.recent();
            (recent.head(), Arc::clone(recent.head_link()))
        };
        let status = link.engine.status();
        let validators = status.validators;
        let pending = match status.pending {
            Some(pending) => Some(PendingChangeStatus {
                signalled_in: BlockRef { number: pending.signalled_at, hash: pending.hash },
                validators: pending.validators.as_slice().to_vec(),
                signers: pending.signers,
                needed: pending.needed,
            }),
            None => None,
        };
        Ok(EngineStatus {
            step,
            step_started_ms: u64::try_from(self.schedule.start_of(step).as_millis()).unwrap_or(u64::MAX),
            head_step: link.header.step().unwrap_or_default(),
            proposer: validators.proposer(step),
            missed: self.missed_steps(&link, &validators, status.epoch_recorded_at)?,
            validators: validators.as_slice().to_vec(),
            epoch_recorded_at: status.epoch_recorded_at,
            finality: FinalityStatus {
                exists: !self.spec.engine.immediate_transitions,
                finalized: head.finalized,
                lag: head.latest.number.saturating_sub(head.finalized.number),
                signers: status.signers,
                needed: status.needed,
            },
            pending_change: pending,
            equivocations: self.sightings().equivocations().collect(),
        })
    }

    /// Turns missed between the last [`STATUS_BLOCKS`] blocks of this epoch, oldest first.
    fn missed_steps(
        &self,
        head: &Link,
        validators: &ValidatorSet,
        epoch_recorded_at: BlockNumber,
    ) -> Result<Vec<MissedStep>, Fault> {
        let mut missed = Vec::new();
        let mut child = head.header.clone();
        for _ in 0..STATUS_BLOCKS {
            // Genesis has no step of its own, and before the epoch the turns were others'.
            if child.number <= 1 || child.number <= epoch_recorded_at {
                break;
            }
            let Some(parent) = self.header(child.parent_hash)? else { break };
            let (Some(from), Some(to)) = (parent.step(), child.step()) else { break };
            let skipped = aurum_aura::skipped_proposers(validators, from, to);
            missed.extend(skipped.into_iter().rev().map(|(step, validator)| MissedStep {
                step,
                validator,
                before_block: child.number,
            }));
            child = parent;
        }
        missed.reverse();
        Ok(missed)
    }
}
