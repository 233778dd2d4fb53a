//! Reads every block as it appears: which transactions are in one, which are final, and whether a block was replaced.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, U64};
use anyhow::Result;

use super::{
    Ledger, NEVER,
    options::LoadOptions,
    plan::Plan,
    rpc::{Block, Client, Finality},
    usage::Usage,
};

/// How often memory is read.
const SAMPLE: Duration = Duration::from_millis(250);
/// How often finality is asked for without a new block.
const FINALITY: Duration = Duration::from_millis(100);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// How many receipts are checked.
const RECEIPTS: usize = 100;

/// One canonical block of the run.
#[derive(Debug)]
struct Canonical {
    number: u64,
    hash: B256,
    gas_used: u64,
    ids: Vec<u32>,
}

/// The watcher at work.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    options: &'a LoadOptions,
    plan: &'a Plan,
    ledger: &'a Ledger,
    client: Client,
    finality: Finality,
    chain: Vec<Canonical>,
    /// How many of `chain` are final.
    final_blocks: usize,
    included_at: Vec<u64>,
    final_at: Vec<u64>,
    included: usize,
    reorganised: u64,
    final_reverted: u64,
    last_inclusion: u64,
    resident_peak: f64,
    sampled: Instant,
    asked: Instant,
    told: Instant,
}

/// What the watcher saw.
#[derive(Debug)]
pub(super) struct Seen {
    client: Client,
    /// When each transaction was first seen in the block it is in.
    pub(super) included_at: Vec<u64>,
    /// When that block was first seen final.
    pub(super) final_at: Vec<u64>,
    pub(super) knows_finality: bool,
    /// Blocks with transactions of ours, the most in one, and their gas.
    pub(super) blocks: u64,
    pub(super) largest_block: usize,
    pub(super) gas: u64,
    /// Block numbers whose hash changed, and those of them that had been final.
    pub(super) reorganised: u64,
    pub(super) final_reverted: u64,
    /// The nodes when the last transaction was included, and the most memory seen until then.
    pub(super) usage: Usage,
    pub(super) resident_peak: f64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        options: &'a LoadOptions,
        client: Client,
        plan: &'a Plan,
        ledger: &'a Ledger,
        finality: Finality,
        head: &Block,
    ) -> Self {
        let now = Instant::now();
        let start = Canonical { number: head.number.to(), hash: head.hash, gas_used: 0, ids: Vec::new() };
        Self {
            options,
            plan,
            ledger,
            client,
            finality,
            chain: vec![start],
            final_blocks: 0,
            included_at: vec![NEVER; plan.len()],
            final_at: vec![NEVER; plan.len()],
            included: 0,
            reorganised: 0,
            final_reverted: 0,
            last_inclusion: 0,
            resident_peak: 0.0,
            sampled: now,
            asked: now,
            told: now,
        }
    }

    /// Until everything accepted is included and final, or nothing has been for too long.
    pub(super) fn run(mut self) -> Result<Seen> {
        let mut quiet_since = Instant::now();
        while self.ledger.is_offering() || self.waits() {
            let before = self.included;
            if !self.step()? {
                sleep(Duration::from_millis(self.options.poll_ms));
            }
            if self.included != before || self.ledger.is_offering() {
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() > Duration::from_secs(self.options.timeout) {
                break;
            }
        }
        let usage = Usage::of(&self.options.pid);
        let deadline = Instant::now() + Duration::from_secs(self.options.wait_final);
        while self.finality != Finality::Unknown && self.awaits_finality() && Instant::now() < deadline {
            if !self.step()? {
                sleep(Duration::from_millis(self.options.poll_ms));
            }
        }
        let ours = || self.chain.iter().filter(|block| !block.ids.is_empty());
        Ok(Seen {
            blocks: ours().count() as u64,
            largest_block: ours().map(|block| block.ids.len()).max().unwrap_or(0),
            gas: ours().map(|block| block.gas_used).sum(),
            client: self.client,
            included_at: self.included_at,
            final_at: self.final_at,
            knows_finality: self.finality != Finality::Unknown,
            reorganised: self.reorganised,
            final_reverted: self.final_reverted,
            usage,
            resident_peak: self.resident_peak.max(usage.resident_mib),
        })
    }

    /// Whether something accepted is in no block.
    fn waits(&self) -> bool {
        self.included < self.plan.len()
            && (0..self.plan.len()).any(|id| self.included_at[id] == NEVER && self.ledger.is_accepted(id))
    }

    fn awaits_finality(&self) -> bool {
        self.chain[self.final_blocks..].iter().any(|block| !block.ids.is_empty())
    }

    /// Looks once; whether there was a new block.
    fn step(&mut self) -> Result<bool> {
        self.sample();
        let next = self.chain.last().map_or(0, |block| block.number + 1);
        // A node that is too busy to answer one of these is asked again.
        let block = self.client.block(next).ok().flatten();
        let is_new = block.is_some();
        if let Some(block) = block {
            self.take(&block);
        }
        if self.finality != Finality::Unknown && (is_new || self.asked.elapsed() > FINALITY) && self.awaits_finality() {
            self.asked = Instant::now();
            if let Ok(Some(number)) = self.client.finalized(self.finality) {
                self.finalize(number);
            }
        }
        Ok(is_new)
    }

    /// Adds a block, or takes back the last one when this does not follow it.
    fn take(&mut self, block: &Block) {
        if let Some(last) = self.chain.last()
            && last.hash != block.parent_hash
        {
            self.take_back();
            return;
        }
        let now = self.ledger.now();
        let mut ids = Vec::new();
        for id in block.transactions.iter().filter_map(|hash| self.plan.id(hash)) {
            self.included_at[id as usize] = now;
            ids.push(id);
        }
        if !ids.is_empty() {
            self.last_inclusion = now;
        }
        self.included += ids.len();
        let (number, gas_used) = (block.number.to(), block.gas_used.to());
        self.chain.push(Canonical { number, hash: block.hash, gas_used, ids });
    }

    fn take_back(&mut self) {
        let Some(replaced) = self.chain.pop() else { return };
        self.reorganised += 1;
        self.included -= replaced.ids.len();
        for id in replaced.ids {
            self.included_at[id as usize] = NEVER;
            self.final_at[id as usize] = NEVER;
        }
        if self.final_blocks > self.chain.len() {
            self.final_blocks = self.chain.len();
            self.final_reverted += 1;
        }
        // Below the first block there is nothing of ours: whatever is there now is where the run began.
        if self.chain.is_empty()
            && let Ok(Some(block)) = self.client.block(replaced.number.saturating_sub(1))
        {
            let number = block.number.to();
            self.chain.push(Canonical { number, hash: block.hash, gas_used: 0, ids: Vec::new() });
        }
    }

    fn finalize(&mut self, number: u64) {
        let now = self.ledger.now();
        while let Some(block) = self.chain.get(self.final_blocks)
            && block.number <= number
        {
            for &id in &block.ids {
                self.final_at[id as usize] = now;
            }
            self.final_blocks += 1;
        }
    }

    fn sample(&mut self) {
        if self.sampled.elapsed() > SAMPLE {
            self.sampled = Instant::now();
            self.resident_peak = self.resident_peak.max(Usage::of(&self.options.pid).resident_mib);
        }
        if self.told.elapsed() > PROGRESS {
            self.told = Instant::now();
            let head = self.chain.last().map_or(0, |block| block.number);
            eprintln!("{}: {} of {} included, block {head}", self.options.label, self.included, self.plan.len());
        }
    }
}

impl Seen {
    /// Asks for about a hundred receipts: how many there were, and how many did not say what they should.
    pub(super) fn sample(mut self, options: &LoadOptions, plan: &Plan) -> Result<(usize, usize)> {
        let (mut sampled, mut wrong) = (0, 0);
        // An odd step meets reverting and succeeding calls of the mixed load alike.
        for id in (0..plan.len()).step_by((options.n / RECEIPTS).max(1) | 1) {
            let Ok(id) = u32::try_from(id) else { break };
            if self.included_at[id as usize] == NEVER {
                continue;
            }
            sampled += 1;
            let receipt = self.client.receipt(plan.hash(id))?;
            let success = receipt.and_then(|receipt| receipt.status).map(|status| status == U64::from(1));
            if success != Some(plan.succeeds(id)) {
                wrong += 1;
            }
        }
        Ok((sampled, wrong))
    }
}
