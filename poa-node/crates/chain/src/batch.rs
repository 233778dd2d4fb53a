//! Consecutive blocks on the head, in every stage at once. Each stage has a thread, and waits when the next one is behind:
//!
//! ```text
//! verify, recover ─▶ execute n+1 ─▶ commit n, into the tree ─▶ store n−1 … with one fsync, adopt
//!   (on rayon)       on n's changes,     its root agrees            on the caller's thread
//!                    root not known yet
//! ```
//!
//! A block that fails in any stage, or whose parent's engine is not what was expected, ends the run: those before it are
//! stored and adopted, nothing that was executed above it is kept, and the caller sends it through the stages alone. So
//! what is valid, whom an error names and what it says are decided there, not here.

mod ahead;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use aurum_aura::Rules;
use aurum_evm::rules::ReceiptForm;
use aurum_pool::Pool;
use aurum_types::{CommittedBlock, ExecutedBlock, RecoveredBlock, SealedBlock, ValidatorSet};
use rayon::prelude::*;

use self::ahead::Ahead;
use crate::{Fault, ImportError, adopt, commit, execute, reader::Reader, recent::Link, recover, verify};

/// Blocks from which on threads are worth it.
pub(crate) const LEAST: usize = 2;
/// Blocks verified and recovered together, at most.
const CHUNK: usize = 32;
/// Transactions of blocks verified and recovered together, about.
const CHUNK_TRANSACTIONS: usize = 4_096;
/// Chunks that wait for execution.
const PREPARED: usize = 1;
/// Blocks that wait for their commitment.
const EXECUTED: usize = 4;
/// Blocks that wait to be stored: as many share an fsync.
const COMMITTED: usize = 32;

/// A block with every claim checked, in the tree of states, neither durable nor in the tree of blocks.
pub(crate) struct Committed {
    pub(crate) block: Arc<CommittedBlock>,
    pub(crate) link: Arc<Link>,
    pub(crate) parent: Arc<Link>,
    /// From the start of its execution.
    pub(crate) took: Duration,
}

struct Executed {
    block: ExecutedBlock,
    link: Arc<Link>,
    parent: Arc<Link>,
    started: Instant,
}

/// What the stages read.
#[derive(Clone, Copy)]
pub(crate) struct Stages<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) rules: &'a Rules,
    pub(crate) pool: Option<&'a Pool>,
}

impl Stages<'_> {
    /// Sends the blocks, the first of which stands on `parent`, through the stages up to the commitment; `store` gets them
    /// in order, as many at a time as are there.
    ///
    /// # Errors
    /// What `store` says. Blocks it did not take leave the tree of states.
    pub(crate) fn run(
        self,
        blocks: &[SealedBlock],
        parent: &Arc<Link>,
        mut store: impl FnMut(Vec<Committed>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let validators = parent.engine.child_validators();
        let (prepared_to, prepared) = sync_channel(PREPARED);
        let (executed_to, executed) = sync_channel(EXECUTED);
        let (committed_to, committed) = sync_channel(COMMITTED);
        thread::scope(|scope| {
            scope.spawn(move || self.prepare(blocks, parent, &prepared_to));
            scope.spawn(move || self.execute(&prepared, parent, validators, &executed_to));
            scope.spawn(move || self.commit(&executed, &committed_to));
            let mut stored = Ok(());
            while let Ok(first) = committed.recv() {
                let group: Vec<_> = std::iter::once(first).chain(committed.try_iter().take(COMMITTED)).collect();
                let hashes: Vec<_> = group.iter().map(|done| done.link.hash).collect();
                if stored.is_ok() {
                    stored = store(group);
                }
                if stored.is_err() {
                    let kept = |hash| self.reader.recent().node(hash).is_some();
                    let gone: Vec<_> = hashes.into_iter().filter(|hash| !kept(*hash)).collect();
                    self.reader.tree.forget(&gone);
                }
            }
            stored
        })
    }

    /// Verifies and recovers chunk by chunk, on the guess that the validators do not change. Ends behind the first block
    /// that fails.
    fn prepare(self, blocks: &[SealedBlock], parent: &Link, done: &SyncSender<Vec<RecoveredBlock>>) {
        let (validators, pinned) = (parent.engine.child_validators(), self.reader.spec.params.fork);
        let mut start = 0;
        while start < blocks.len() {
            let mut transactions = 0;
            let fits = |block: &&SealedBlock| {
                let before = transactions;
                transactions += block.block().transactions.len();
                before < CHUNK_TRANSACTIONS
            };
            let length = blocks[start..].iter().take(CHUNK).take_while(fits).count();
            let now = self.reader.clock.now();
            let prepared: Vec<_> = (start..start + length)
                .into_par_iter()
                .map(|index| {
                    let before = if index == 0 { &parent.header } else { blocks[index - 1].header() };
                    let verified =
                        verify::verify(self.rules, blocks[index].clone(), before, validators, pinned, now).ok()?;
                    recover::recover(verified, self.pool, self.reader.evm.development()).ok()
                })
                .collect();
            let good: Vec<_> = prepared.into_iter().map_while(|block| block).collect();
            let is_whole = good.len() == length;
            if done.send(good).is_err() || !is_whole {
                return;
            }
            start += length;
        }
    }

    fn execute(
        self,
        prepared: &Receiver<Vec<RecoveredBlock>>,
        parent: &Arc<Link>,
        validators: &ValidatorSet,
        done: &SyncSender<Executed>,
    ) {
        let mut ahead = Ahead::of(parent.hash);
        let mut parent = Arc::clone(parent);
        for block in prepared.iter().flatten() {
            if parent.engine.child_validators() != validators {
                return;
            }
            let Ok(Some(executed)) = self.execute_one(block, &parent, &mut ahead) else { return };
            parent = Arc::clone(&executed.link);
            if done.send(executed).is_err() {
                return;
            }
        }
    }

    /// Runs a block on the state its parent leaves, whose root may not be known yet. `None`: it is to be imported alone.
    fn execute_one(
        self,
        block: RecoveredBlock,
        parent: &Arc<Link>,
        ahead: &mut Ahead,
    ) -> Result<Option<Executed>, ImportError> {
        let started = Instant::now();
        let (reader, hash) = (self.reader, block.sealed().hash());
        let header = block.sealed().header().clone();
        if reader.evm.rules(header.number, header.timestamp).receipt_form() == ReceiptForm::StateRoot {
            return Ok(None);
        }
        let Some(state) = ahead.state(&reader.tree)? else { return Ok(None) };
        execute::check_gas_limit(self.rules, &reader.evm, &state, &parent.header, &header)?;
        let block = execute::execute(reader, &state, &parent.header, block, parent.engine.child_begins_epoch())?;
        ahead.push(hash, header.number, Arc::clone(block.changes()));
        let state_after = || ahead.state(&reader.tree)?.ok_or(ImportError::UnknownParent(hash));
        let link = adopt::link(reader, parent, &header, hash, block.receipts(), state_after)?;
        // Its record is made with the branch at hand, and stored before it.
        if link.engine.records_epoch() {
            return Ok(None);
        }
        Ok(Some(Executed { block, link: Arc::new(link), parent: Arc::clone(parent), started }))
    }

    fn commit(self, executed: &Receiver<Executed>, done: &SyncSender<Committed>) {
        for Executed { block, link, parent, started } in executed {
            let Ok((block, committed)) = commit::commit(&self.reader.tree, block, None) else { return };
            let block = Arc::new(block);
            if self.reader.tree.insert(Arc::clone(&block), committed.nodes).is_err() {
                return;
            }
            let committed = Committed { block, link, parent, took: started.elapsed() };
            if done.send(committed).is_err() {
                return;
            }
        }
    }
}
