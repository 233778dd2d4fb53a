//! A node of the engine's pure parts alone: `Rules`, `EngineState`, `EmptySteps`, and a fork choice of twenty lines. It runs
//! no transactions: what the permission contract would forbid, and what the governor changes, is marked in the extra data,
//! and [`Contracts`] are its EVM. It restarts from the list of blocks it has accepted, and it can be given faults of its own,
//! for a test of the tests.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use alloy::primitives::{B256, Bloom, Bytes};
use aurum_aura::{
    EmptyStep, EmptyStepMessage, EmptySteps, EngineState, KeySigner, Rejected, Rules, Signer as _, StepSchedule,
    difficulty, next_base_fee,
};
use aurum_chain::BlockRef;
use aurum_types::{Header, Receipt, Score, SealedBlock, Step, Transaction, ValidatorSet, genesis_header};

use crate::simulation::{
    contracts::{Change, Contracts, signal_receipts},
    kit::{FORBIDDEN, Kit, marked, seal},
    replica::{Replica, Standing, Used, Verdict},
};

/// Rules that a node breaks without knowing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaws {
    /// Takes the heavier branch even if it lacks a final block.
    pub(crate) reverts_final: bool,
    /// Shows blocks before they, and the step they used, are on disk.
    pub(crate) forgets_its_last_block: bool,
    /// Asks no permission contract.
    pub(crate) permits_everything: bool,
}

struct Entry {
    block: SealedBlock,
    score: Score,
    engine: EngineState,
    finalized: BlockRef,
    contracts: Contracts,
}

pub(crate) struct ModelNode {
    kit: Arc<Kit>,
    rules: Rules,
    steps: StepSchedule,
    key: Arc<KeySigner>,
    flaws: Flaws,
    genesis: Header,
    validators: ValidatorSet,
    now: Duration,
    tree: HashMap<B256, Entry>,
    head: B256,
    finalized: BlockRef,
    /// The governor's change that is next, and its number.
    wished: Option<(u64, Change)>,
    collected: EmptySteps,
    /// Its disk: accepted blocks in their order, the last step used, how often it was started.
    accepted: Vec<B256>,
    used: Option<Step>,
    lives: u8,
}

impl ModelNode {
    pub(crate) fn new(kit: &Arc<Kit>, key: Arc<KeySigner>, flaws: Flaws) -> Self {
        let genesis = genesis_header(&kit.spec, B256::ZERO);
        let mut node = Self {
            rules: Rules::new(&kit.spec),
            steps: StepSchedule::new(&kit.spec.engine),
            kit: Arc::clone(kit),
            key,
            flaws,
            validators: ValidatorSet::new(kit.validators.clone()),
            now: Duration::ZERO,
            tree: HashMap::new(),
            head: genesis.hash_slow(),
            finalized: BlockRef { number: 0, hash: genesis.hash_slow() },
            genesis,
            wished: None,
            collected: EmptySteps::default(),
            accepted: Vec::new(),
            used: None,
            lives: 0,
        };
        node.begin();
        node
    }

    /// Nothing but genesis.
    fn begin(&mut self) {
        let engine = EngineState::genesis(&self.kit.spec, &self.genesis, self.validators.clone());
        let block = aurum_types::Block { header: self.genesis.clone(), transactions: vec![], uncles: vec![] };
        let block = SealedBlock::seal_slow(block);
        let at = BlockRef { number: 0, hash: block.hash() };
        let score = Score(self.genesis.difficulty);
        let contracts = Contracts::genesis(&self.kit);
        self.tree = [(at.hash, Entry { block, score, engine, finalized: at, contracts })].into();
        (self.head, self.finalized) = (at.hash, at);
    }

    fn at_head(&self) -> &Entry {
        &self.tree[&self.head]
    }

    /// Whether the branch that ends in `hash` contains the block that is final.
    fn keeps_final(&self, mut hash: B256) -> bool {
        while let Some(entry) = self.tree.get(&hash).filter(|entry| entry.block.number() > self.finalized.number) {
            hash = entry.block.header().parent_hash;
        }
        hash == self.finalized.hash
    }

    /// What executing a child of a block gives.
    fn execute(&self, block: &SealedBlock) -> (Contracts, Vec<Receipt>) {
        let parent_hash = block.header().parent_hash;
        let Entry { contracts, engine, .. } = &self.tree[&parent_hash];
        let (contracts, signal) = contracts.after(block, engine.records_epoch(), &self.kit);
        (contracts, signal.map(|set| signal_receipts(parent_hash, &set)).unwrap_or_default())
    }

    /// Adds a block that is good, and follows the heavier branch; of equal ones the first stays.
    fn adopt(&mut self, block: SealedBlock) {
        let hash = block.hash();
        let (contracts, receipts) = self.execute(&block);
        self.collected.forget_until(block.header().step().unwrap_or_default());
        let parent = &self.tree[&block.header().parent_hash];
        let Ok((engine, newly)) =
            parent.engine.advance(block.header(), hash, &receipts, |_| Ok::<_, Infallible>(ValidatorSet::default()));
        let newest = newly.last().map(|(number, hash)| BlockRef { number: *number, hash: *hash });
        let finalized = newest.unwrap_or(parent.finalized);
        let score = parent.score.plus(block.header().difficulty);
        let heavier = score > self.at_head().score;
        self.tree.insert(hash, Entry { block, score, engine, finalized, contracts });
        self.accepted.push(hash);
        if heavier && (self.flaws.reverts_final || self.keeps_final(hash)) {
            self.head = hash;
            if self.flaws.reverts_final || finalized.number > self.finalized.number {
                self.finalized = finalized;
            }
        }
    }

    fn child(&self, step: Step, extra_data: Bytes, empty_steps: &[EmptyStep]) -> SealedBlock {
        let (spec, parent) = (&self.kit.spec, self.at_head().block.header());
        let mut header = Header {
            parent_hash: self.head,
            number: parent.number + 1,
            author: self.key.address(),
            difficulty: difficulty(parent.step().unwrap_or_default(), step, empty_steps.len()),
            timestamp: self.now.as_secs().max(parent.timestamp + 1),
            base_fee_per_gas: next_base_fee(spec, parent, parent.number + 1),
            extra_data,
            seal: Vec::new(),
            ..self.genesis.clone()
        };
        let sealed = |header| seal(spec, &self.key, step, header, Vec::new(), empty_steps);
        let (_, receipts) = self.execute(&sealed(header.clone()));
        header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        sealed(header)
    }

    /// The empty steps that a block at `step` carries; none where the chain has none.
    fn empty_steps(&self, step: Step) -> Vec<EmptyStep> {
        let parent = self.at_head().block.header().step().unwrap_or_default();
        self.collected.between(parent, step, self.head)
    }

    /// The governor's change, unless the branch has it, or lacks one before it.
    fn due_change(&self) -> Option<Change> {
        self.wished.filter(|(index, _)| *index == self.at_head().contracts.changes).map(|(_, change)| change)
    }
}

impl Replica for ModelNode {
    fn set_clock(&mut self, now: Duration) {
        self.now = now;
    }

    fn import(&mut self, block: &SealedBlock) -> Verdict {
        if self.tree.contains_key(&block.hash()) {
            return Verdict::Known;
        }
        let parent_hash = block.header().parent_hash;
        let Some(parent) = self.tree.get(&parent_hash) else { return Verdict::UnknownParent };
        if !self.flaws.reverts_final && !self.keeps_final(parent_hash) {
            return Verdict::RevertsFinal;
        }
        let validators = parent.engine.child_validators();
        match self.rules.verify(block.header(), parent.block.header(), validators, self.now) {
            Err(Rejected::TemporarilyInvalid(_)) => return Verdict::Early,
            Err(Rejected::Invalid(reason)) => return Verdict::Invalid(reason.to_string()),
            Ok(()) => {}
        }
        let is_permitted = self.flaws.permits_everything || parent.contracts.may_create;
        if self.kit.creations_in(block) > 0 && !is_permitted {
            return Verdict::Invalid("not permitted".to_owned());
        }
        self.adopt(block.clone());
        Verdict::Accepted
    }

    fn hear_empty_step(&mut self, message: &[u8]) -> bool {
        let Ok(message) = EmptyStepMessage::decode(message) else { return false };
        let Some(parent) = self.tree.get(&message.parent_hash) else { return false };
        let (step, validators) = (parent.block.header().step().unwrap_or_default(), parent.engine.child_validators());
        self.collected.accept(&message, step, validators, self.steps.step_at(self.now)).unwrap_or(false)
    }

    fn seal(&mut self, step: Step) -> Option<Used> {
        if !self.is_its_turn(step) || self.used.is_some_and(|used| step <= used) {
            return None;
        }
        self.used = Some(step);
        let (change, collected) = (self.due_change(), self.empty_steps(step));
        if let Some(most) = self.kit.features.empty_steps
            && change.is_none()
            && (collected.len() as u64) < most
        {
            let message = EmptyStepMessage::sign(step, self.head, &*self.key).expect("a key in memory signs").encode();
            self.hear_empty_step(&message);
            return Some(Used::EmptyStep(message.into()));
        }
        let block = self.child(step, marked(self.lives, 0, change), &collected);
        self.adopt(block.clone());
        Some(Used::Block(Box::new(block)))
    }

    fn forge(&mut self, step: Step, variant: u8, forbidden: bool) -> SealedBlock {
        let first = if forbidden { FORBIDDEN } else { 0 };
        self.child(step, marked(first, variant, None), &[])
    }

    fn submit(&mut self, _: &Transaction) -> Option<bool> {
        None
    }

    fn wish(&mut self, index: u64, change: Change) {
        self.wished = Some((index, change));
    }

    fn standing(&self) -> Standing {
        let head = self.at_head();
        let at = BlockRef { number: head.block.number(), hash: self.head };
        Standing { head: at, finalized: self.finalized, engine: head.engine.encode(), contracts: None }
    }

    fn block(&self, hash: B256) -> Option<SealedBlock> {
        self.tree.get(&hash).map(|entry| entry.block.clone())
    }

    fn restart(&mut self) {
        self.lives = self.lives.wrapping_add(1) & 0x7f;
        let mut stored: Vec<_> = self.accepted.drain(..).map(|hash| self.tree[&hash].block.clone()).collect();
        if self.flaws.forgets_its_last_block
            && stored.last().is_some_and(|block| block.header().author == self.key.address())
        {
            stored.pop();
            self.used = None;
        }
        self.begin();
        self.collected = EmptySteps::default();
        stored.into_iter().for_each(|block| self.adopt(block));
    }

    fn is_its_turn(&self, step: Step) -> bool {
        let head = self.at_head();
        head.engine.child_validators().proposer(step) == Some(self.key.address())
            && head.block.header().step().is_none_or(|parent| step > parent)
    }
}
