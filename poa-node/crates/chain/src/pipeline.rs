//! The order of the stages and the threads they run on. The only file that knows either.
//!
//! Imports are serialised by the mutex around [`Importer`] (in [`crate::Chain`]); whoever calls does the work. Blocks of a
//! batch that follow the head go through the stages at the same time, each stage on its own thread ([`crate::batch`]); all
//! others, and whatever fails there, one by one. Persisting has its own thread ([`crate::persist`]).
//!
//! A block is stored with an fsync after it is committed and before it is adopted, so nothing that was not durable is ever
//! head, announced or reported. Blocks of a batch share fsyncs.
//!
//! Each stage is a span of `tracing` at level *trace* with the stage's name: `verify`, `recover`, `execute`, `commit`, `store`,
//! `adopt`, `persist`; in the database `prune`, `checkpoint` and `unwind`.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use aurum_aura::Rules;
use aurum_pool::Pool;
use aurum_types::{CommittedBlock, Header, Recovered, RecoveredBlock, SealedBlock};
use lru::LruCache;
use tokio::sync::{broadcast, watch};

use crate::{
    BlockRef, Built, Fault, Head, HeadChange, ImportError, Imported, Invalid, Observation, Seen, adopt,
    batch::{self, Committed, Stages},
    commit, execute,
    persist::Persist,
    reader::Reader,
    recent::{Link, Route},
    recover, replay, uncles, verify,
    view::Equivocation,
};

/// Bad blocks that are remembered.
const KNOWN_BAD: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Persisted blocks below which none gets a sibling any more: as far as the chain can be unwound.
const UNWINDABLE: u64 = 1024;
/// Steps of the head that a slow event receiver may fall behind.
pub(crate) const EVENT_BACKLOG: usize = 1024;

/// What runs blocks through the stages.
pub(crate) struct Importer {
    pub(crate) reader: Arc<Reader>,
    rules: Rules,
    pub(crate) persist: Persist,
    pub(crate) pool: Option<Pool>,
    bad: LruCache<B256, String>,
    head: watch::Sender<Head>,
    events: broadcast::Sender<Arc<HeadChange>>,
}

/// Where a block comes from, as far as its stages differ.
enum Origin {
    /// Somebody sent it: with others, or alone, at this time of our clock.
    Sent(Option<Duration>),
    /// We built it: it was executed and committed while building.
    Built(Box<Built>),
    /// It was accepted before and is on disk.
    Stored,
}

/// The same, once the block has gone its way.
#[derive(Clone, Copy)]
enum Source {
    /// With the time at which it came alone.
    Others(Option<Duration>),
    Ours,
    Stored,
}

impl Source {
    const fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Sent(arrived) => Self::Others(*arrived),
            Origin::Built(_) => Self::Ours,
            Origin::Stored => Self::Stored,
        }
    }
}

impl Importer {
    pub(crate) fn new(
        reader: Arc<Reader>,
        persist: Persist,
        head: watch::Sender<Head>,
        events: broadcast::Sender<Arc<HeadChange>>,
    ) -> Self {
        let rules = Rules::new(&reader.spec);
        Self { reader, rules, persist, pool: None, bad: LruCache::new(KNOWN_BAD), head, events }
    }

    /// From now on senders are asked of `pool`, and it hears of every head.
    pub(crate) fn attach(&mut self, pool: Pool) {
        self.pool = Some(pool);
    }

    /// Imports one block that somebody sent.
    ///
    /// # Errors
    /// [`ImportError`].
    pub(crate) fn import(&mut self, block: SealedBlock) -> Result<Imported, ImportError> {
        let arrived = self.reader.clock.now();
        self.run(block, Origin::Sent(Some(arrived)))
    }

    /// Imports a block of our own, with what building it gave.
    ///
    /// # Errors
    /// [`ImportError`].
    pub(crate) fn import_built(&mut self, block: SealedBlock, built: Built) -> Result<Imported, ImportError> {
        self.run(block, Origin::Built(Box::new(built)))
    }

    /// Imports ascending blocks. Stops at the first that fails.
    pub(crate) fn import_batch(&mut self, blocks: &[SealedBlock]) -> (Vec<Imported>, Option<ImportError>) {
        let mut imported = Vec::with_capacity(blocks.len());
        let mut left = blocks;
        while !left.is_empty() {
            let run = self.run_on_head(left);
            if let Err(fault) = self.import_run(run, &mut imported) {
                tracing::error!(%fault, "import failed");
                return (imported, Some(fault.into()));
            }
            // What stopped the run, if anything did, says so here.
            left = &blocks[imported.len()..];
            let Some((block, rest)) = left.split_first() else { break };
            match self.run(block.clone(), Origin::Sent(None)) {
                Ok(done) => imported.push(done),
                Err(error) => return (imported, Some(error)),
            }
            left = rest;
        }
        (imported, None)
    }

    /// The first of `blocks` that follow the head, each the one before it, and have nothing that is judged with a branch
    /// at hand or known to be bad.
    fn run_on_head<'a>(&self, blocks: &'a [SealedBlock]) -> &'a [SealedBlock] {
        let mut parent = self.reader.head().latest.hash;
        let follows = |block: &&SealedBlock| {
            let is_next = block.header().parent_hash == parent && block.block().uncles.is_empty();
            parent = block.hash();
            is_next && !self.bad.contains(&parent) && self.reader.recent().node(parent).is_none()
        };
        let length = blocks.iter().take_while(follows).count();
        &blocks[..length]
    }

    /// Sends a run through the stages of a batch until one is not to be imported that way, and notes what was.
    fn import_run(&mut self, run: &[SealedBlock], imported: &mut Vec<Imported>) -> Result<(), Fault> {
        if run.len() < batch::LEAST {
            return Ok(());
        }
        self.persist.check()?;
        let parent = Arc::clone(self.reader.recent().head_link());
        let (reader, pool) = (Arc::clone(&self.reader), self.pool.clone());
        let stages = Stages { reader: &reader, rules: &self.rules.clone(), pool: pool.as_ref() };
        stages.run(run, &parent, |group| self.take_in(group, imported))
    }

    /// Stores blocks that were committed, with one fsync, and adopts each.
    fn take_in(&mut self, group: Vec<Committed>, imported: &mut Vec<Imported>) -> Result<(), Fault> {
        self.persist.check()?;
        let store = tracing::trace_span!("store", blocks = group.len()).entered();
        self.persist.appender().put_blocks(group.iter().map(|done| (done.block.sealed(), done.link.score)))?;
        drop(store);
        for Committed { block, link, parent, took } in group {
            let (hash, score, header) = (link.hash, link.score, link.header.clone());
            self.reader.recent_mut().insert(Arc::clone(&link), block);
            let done = self.adopt(hash)?.map_or(Imported::Side { score }, Imported::Head);
            self.persist.head_moved(&self.reader)?;
            let done = Ok(done);
            self.observe(&header, hash, &parent, Source::Others(None), took, &done);
            imported.extend(done);
        }
        Ok(())
    }

    /// Notes again who sealed the blocks that may still get siblings and do not come through the stages: those that are
    /// persisted and not final.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn recall_sightings(&self) -> Result<(), Fault> {
        let (finalized, persisted) = {
            let recent = self.reader.recent();
            (recent.head().finalized.number, recent.persisted().number)
        };
        let from = finalized.saturating_add(1).max(persisted.saturating_sub(UNWINDABLE));
        let mut stored = self.reader.database.stored_from(from)?;
        stored.retain(|block| block.number <= persisted);
        stored.sort_unstable_by_key(|block| block.arrival);
        for stored in stored {
            if let Some(header) = self.reader.database.header(stored.hash)? {
                self.note(&header, stored.hash);
            }
        }
        Ok(())
    }

    /// Imports a block that is on disk already, whatever the clock says.
    pub(crate) fn import_stored(&mut self, block: SealedBlock) -> Result<Imported, ImportError> {
        self.run(block, Origin::Stored)
    }

    fn run(&mut self, block: SealedBlock, origin: Origin) -> Result<Imported, ImportError> {
        let hash = block.hash();
        let at = BlockRef { number: block.number(), hash };
        let outcome = self.stages(block, origin);
        match &outcome {
            Err(ImportError::Invalid(reason)) => {
                tracing::warn!(number = at.number, %hash, %reason, "block refused");
                // What only we find bad may be good elsewhere or later, and a body that is not the header's says nothing
                // about the header; all else is bad for ever.
                if !reason.is_our_view() && !reason.is_of_body() && !matches!(reason, Invalid::KnownBad { .. }) {
                    self.bad.put(hash, reason.to_string());
                }
            }
            Err(ImportError::Fault(fault)) => tracing::error!(number = at.number, %hash, %fault, "import failed"),
            Ok(_) | Err(ImportError::TemporarilyInvalid(_) | ImportError::UnknownParent(_)) => {}
        }
        outcome
    }

    fn stages(&mut self, block: SealedBlock, origin: Origin) -> Result<Imported, ImportError> {
        self.persist.check()?;
        let (hash, number) = (block.hash(), block.number());
        if self.is_known(&block)? {
            return Ok(Imported::Known);
        }
        if let Some(reason) = self.bad.get(&hash) {
            return Err(Invalid::KnownBad { hash, reason: reason.clone() }.into());
        }
        let parent_hash = block.header().parent_hash;
        if let Some(reason) = self.bad.get(&parent_hash) {
            return Err(Invalid::BadParent { parent: parent_hash, reason: reason.clone() }.into());
        }
        let started = Instant::now();
        let parent = self.parent(&block)?;
        let header = block.header().clone();
        let source = Source::of(&origin);
        let imported = self.import_child(block, &parent, origin);
        self.reader.recent_mut().unpin();
        self.observe(&header, hash, &parent, source, started.elapsed(), &imported);
        if let Ok(imported) = &imported {
            let head = matches!(imported, Imported::Head(_));
            tracing::debug!(number, %hash, head, elapsed = ?started.elapsed(), "imported block");
        }
        imported
    }

    /// The stages after the parent is found.
    fn import_child(&mut self, block: SealedBlock, parent: &Link, origin: Origin) -> Result<Imported, ImportError> {
        let (reader, hash) = (Arc::clone(&self.reader), block.hash());
        let is_stored = matches!(origin, Origin::Stored);
        let (block, built) = self.verify_and_recover(block, parent, origin)?;
        let (executed, committed) = match built {
            Some(built) if built.parent_hash() == parent.hash => {
                let (outcome, committed) = built.into_parts();
                (execute::hand_over(block, outcome)?, Some(committed))
            }
            _ => {
                let state = reader.state_at(parent.hash)?.ok_or_else(|| missing_state(parent.hash))?;
                execute::check_gas_limit(&self.rules, &reader.evm, &state, &parent.header, block.sealed().header())?;
                (execute::execute(&reader, &state, &parent.header, block, parent.engine.child_begins_epoch())?, None)
            }
        };
        let (block, committed) = commit::commit(&reader.tree, executed, committed)?;
        let block = Arc::new(block);
        reader.tree.insert(Arc::clone(&block), committed.nodes)?;
        let state_after = || reader.state_at(hash)?.ok_or_else(|| missing_state(hash).into());
        let link = match adopt::link(&reader, parent, block.header(), hash, block.receipts(), state_after) {
            Ok(link) => link,
            Err(error) => {
                reader.tree.forget(&[hash]);
                return Err(error);
            }
        };
        let epoch = reader.epoch_of(parent, &link)?;
        if !is_stored {
            let _stage = tracing::trace_span!("store", number = block.header().number).entered();
            if let Some(epoch) = &epoch {
                self.persist.appender().put_epoch(block.header().number, hash, &epoch.encode())?;
            }
            self.persist.appender().put_block(block.sealed(), link.score)?;
        }
        if let Some(epoch) = epoch {
            reader.epochs_mut().insert(link.at(), epoch);
        }
        let score = link.score;
        reader.recent_mut().insert(Arc::new(link), block);
        let change = self.adopt(hash)?;
        self.persist.head_moved(&reader)?;
        Ok(change.map_or(Imported::Side { score }, Imported::Head))
    }

    /// Whether the block is in the tree already, or persisted.
    fn is_known(&self, block: &SealedBlock) -> Result<bool, Fault> {
        if self.reader.recent().node(block.hash()).is_some() {
            return Ok(true);
        }
        Ok(self.reader.canonical_hash(block.number())? == Some(block.hash()))
    }

    /// The parent's link, pinned in the tree until [`Recent::unpin`](crate::recent::Recent::unpin). Ancestors that are on
    /// disk and not in the tree are brought back first.
    fn parent(&mut self, block: &SealedBlock) -> Result<Arc<Link>, ImportError> {
        let hash = block.header().parent_hash;
        for stored in replay::missing_ancestors(&self.reader, &self.persist, hash, block)? {
            self.run(stored, Origin::Stored)?;
        }
        let mut recent = self.reader.recent_mut();
        let link = Arc::clone(recent.link(hash).ok_or(ImportError::UnknownParent(hash))?);
        if !recent.pin_branch(hash) {
            let (number, hash, finalized) = (block.number(), block.hash(), recent.head().finalized);
            return Err(Invalid::RevertsFinalized { number, hash, finalized }.into());
        }
        Ok(link)
    }

    fn verify_and_recover(
        &self,
        block: SealedBlock,
        parent: &Link,
        origin: Origin,
    ) -> Result<(RecoveredBlock, Option<Built>), ImportError> {
        let validators = parent.engine.child_validators();
        let mut now = self.reader.clock.now();
        let built = match origin {
            Origin::Sent(_) => None,
            Origin::Built(built) => Some(*built),
            Origin::Stored => {
                now = verify::not_before(&self.rules, block.header(), now);
                None
            }
        };
        let pinned = self.reader.spec.params.fork;
        let verified = verify::verify(&self.rules, block, &parent.header, validators, pinned, now)?;
        uncles::verify(&self.reader, &self.rules, verified.sealed(), parent, now)?;
        Ok((recover::recover(verified, self.pool.as_ref(), self.reader.evm.development())?, built))
    }

    /// Notes who sealed the block and tells the observer, of what was sent or made now.
    fn observe(
        &self,
        header: &Header,
        hash: B256,
        parent: &Link,
        source: Source,
        took: Duration,
        imported: &Result<Imported, ImportError>,
    ) {
        let seen = match imported {
            Ok(Imported::Known) => return,
            Ok(Imported::Head(_) | Imported::Side { .. }) => {
                let sibling = self.note(header, hash);
                Seen::Imported { ours: matches!(source, Source::Ours), sibling }
            }
            Err(ImportError::Invalid(Invalid::Engine(rule))) => match rule.offence() {
                Some(offence) if self.is_sealed_by_author(header) => Seen::Refused(offence),
                _ => return,
            },
            Err(ImportError::TemporarilyInvalid(_)) if self.is_sealed_by_author(header) => Seen::Early,
            Err(_) => return,
        };
        let arrived = match (source, seen) {
            (Source::Stored, _) => return,
            (Source::Ours, _) => None,
            // However it came: it is there, before its time by our clock.
            (Source::Others(None), Seen::Early) => Some(self.reader.clock.now()),
            (Source::Others(arrived), _) => arrived,
        };
        if let Some(observer) = self.reader.observer.get() {
            let (parent, engine) = (&parent.header, &parent.engine);
            observer.observed(&Observation { header, hash, parent, engine, arrived, took, seen });
        }
    }

    /// Anybody can write an authority's name into a header; only it can seal it.
    fn is_sealed_by_author(&self, header: &Header) -> bool {
        aurum_aura::recover_sealer(header, self.rules.format()) == Ok(header.author)
    }

    /// Notes who sealed the block, and says so when it is the second one for its step. Empty steps up to it are done with.
    fn note(&self, header: &Header, hash: B256) -> Option<Equivocation> {
        let step = header.step()?;
        self.reader.empty_steps().forget_until(step);
        let block = BlockRef { number: header.number, hash };
        let found = self.reader.sightings().note(header.author, step, block)?;
        tracing::warn!(author = %found.author, %step, first = %found.first.hash, second = %hash, "two blocks in one step");
        let (name, record) = self.reader.sightings().record();
        if let Err(error) = self.persist.appender().put_meta(name, &record) {
            // The block itself is stored, and shows it again at the next start.
            tracing::error!(%error, "a double vote could not be recorded");
        }
        Some(found)
    }

    /// Makes the block the head if its branch wins. The pool hears of it first, then everybody else.
    fn adopt(&self, hash: B256) -> Result<Option<Arc<HeadChange>>, Fault> {
        let _stage = tracing::trace_span!("adopt").entered();
        let Some(route) = adopt::choose(&self.reader.recent(), hash) else { return Ok(None) };
        self.take(&route).map(Some)
    }

    /// Makes the end of `route` the head.
    pub(crate) fn take(&self, route: &Route) -> Result<Arc<HeadChange>, Fault> {
        let retracted = self.bodies(&route.retracted)?;
        let enacted = self.bodies(&route.enacted)?;
        let head = self.follow(route)?;
        let change = Arc::new(HeadChange { head, enacted, retracted });
        if !change.retracted.is_empty() {
            let (from, to) = (route.retracted.last().map(|block| block.hash), head.latest.hash);
            tracing::info!(fork = route.fork.number, retracted = change.retracted.len(), ?from, %to, "reorganised");
        }
        if let Some(pool) = &self.pool {
            pool.on_head(&for_pool(&self.reader, &change));
        }
        self.publish(&change);
        Ok(change)
    }

    /// Tells everybody outside.
    pub(crate) fn publish(&self, change: &Arc<HeadChange>) {
        self.head.send_replace(change.head);
        // Nobody listening is no fault.
        let _ = self.events.send(Arc::clone(change));
    }

    /// Moves the head. The writer is held throughout, so the persisted tip stands still; it is unwound first if the fork
    /// lies below it. A crash in between is healed at opening: the bodies of both branches are on disk.
    fn follow(&self, route: &Route) -> Result<Head, Fault> {
        if route.retracted.is_empty() {
            return Ok(self.reader.recent_mut().follow(route));
        }
        let mut writer = self.persist.writer();
        let unwinds = route.fork.number < self.reader.recent().persisted().number;
        if unwinds {
            replay::unwind(&self.reader, &mut writer, route.fork)?;
        }
        let mut recent = self.reader.recent_mut();
        let head = recent.follow(route);
        if unwinds {
            let dead: Vec<_> = recent.unwound_to(route.fork, &route.retracted).iter().map(|at| at.hash).collect();
            self.reader.tree.forget(&dead);
        }
        Ok(head)
    }

    pub(crate) fn bodies(&self, blocks: &[BlockRef]) -> Result<Vec<Arc<CommittedBlock>>, Fault> {
        let in_tree = |at: &BlockRef| self.reader.recent().node(at.hash).and_then(|node| node.block.clone());
        blocks.iter().map(|at| in_tree(at).map_or_else(|| replay::reload(&self.reader, at.hash), Ok)).collect()
    }
}

fn missing_state(block: B256) -> Fault {
    Fault::Inconsistent(format!("no state for block {block}"))
}

/// The step of the head as the pool needs it.
fn for_pool(reader: &Reader, change: &HeadChange) -> aurum_pool::HeadChange {
    let mut touched: HashSet<Address> = HashSet::new();
    for block in change.enacted.iter().chain(&change.retracted) {
        touched.extend(block.changes().accounts.keys());
    }
    let mut retracted = Vec::new();
    for block in &change.retracted {
        touched.extend(block.senders());
        let transactions = block.sealed().block().transactions.iter().zip(block.senders());
        retracted.extend(transactions.map(|(tx, sender)| Recovered::new_unchecked(tx.clone(), *sender)));
    }
    let included = change.enacted.iter().flat_map(|block| &block.sealed().block().transactions);
    aurum_pool::HeadChange {
        included: included.map(|tx| *tx.tx_hash()).collect(),
        retracted,
        touched: touched.into_iter().collect(),
        number: change.head.latest.number,
        base_fee: change.enacted.last().and_then(|block| reader.base_fee_after(block.header())),
    }
}
