//! The network, the clock and the misfortunes: events in the order of their virtual time, and of equal times in the order
//! in which they were planned. All chance comes from [`Dice`]. What nodes do is in `node`.

mod node;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::primitives::{B256, Bytes};
use aurum_aura::StepSchedule;
use aurum_types::{BlockNumber, SealedBlock, Step, Transaction};

use crate::simulation::{
    check::{Check, Violation},
    contracts::Change,
    dice::Dice,
    kit::{Kit, START, STEP, millis},
    replica::Replica,
};

/// Transactions that are passed on again to who may have missed them.
const PASSED_ON: usize = 24;
/// Milliseconds after which a lost message is sent again, where the network does not lose it for good.
const RESEND: u64 = 150;

/// How messages travel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    /// Shortest and longest time on the way, milliseconds.
    pub(crate) delay: (u64, u64),
    /// Of a hundred messages.
    pub(crate) lost: u64,
    /// Of a hundred messages.
    pub(crate) twice: u64,
    /// Whether a lost message is lost for good, or sent again until it is there, as by TCP.
    pub(crate) for_good: bool,
}

impl Links {
    /// Messages get lost, double and overtake each other, but among nodes that are connected a block, a question for its
    /// parents and the answer take less than a step.
    pub(crate) const BOUNDED: Self = Self { delay: (20, 900), lost: 10, twice: 10, for_good: false };
    /// No bound on anything.
    pub(crate) const UNBOUNDED: Self = Self { delay: (20, 3 * STEP), lost: 20, twice: 10, for_good: true };
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Honest,
    /// One of several nodes with one key. Each seals in the key's steps, a block of its own.
    Clone(u8),
    /// Seals two blocks in its steps, one for each half of the others.
    TwoBlocks,
    /// Also seals when it is not its turn.
    OutOfTurn,
    /// Seals what the permission contract forbids, and believes in it.
    Forbidden,
}

#[derive(Clone)]
enum Message {
    Block(Arc<SealedBlock>),
    /// For the blocks from above a height up to a block.
    Ask(B256, BlockNumber),
    Answer(Vec<SealedBlock>),
    EmptyStep(Bytes),
    /// A vote, or a proof that votes gave.
    Ballot(Bytes),
    /// For proofs of what is final above a height.
    AskProofs(BlockNumber),
}

enum Event {
    Tick(usize),
    Deliver { from: usize, to: usize, message: Message },
}

struct Node {
    replica: Box<dyn Replica>,
    role: Role,
    /// Whose key it has.
    authority: usize,
    up: bool,
    /// Milliseconds its clock is ahead; negative if it is behind.
    skew: i64,
    /// Blocks that came too early by its clock.
    early: Vec<(usize, SealedBlock)>,
    /// Nodes that were asked in this step: one question each is enough to learn their heads.
    asked: BTreeSet<usize>,
    /// What it has told of votes.
    told: Vec<Bytes>,
}

/// One run.
pub(crate) struct World {
    pub(crate) kit: Arc<Kit>,
    pub(crate) dice: Dice,
    pub(crate) check: Check,
    links: Links,
    steps: StepSchedule,
    nodes: Vec<Node>,
    /// Which of the groups that hear each other a node is in.
    groups: Vec<usize>,
    queue: BTreeMap<(u64, u64), Event>,
    planned: u64,
    now: u64,
    /// Transactions of the client, who also governs, so far.
    sent: Vec<Transaction>,
    /// Changes among them.
    changes: u64,
    /// A hash over everything that happened.
    history: B256,
}

impl World {
    /// Nodes with their roles; all hear each other.
    pub(crate) fn new(
        seed: u64,
        kit: &Arc<Kit>,
        links: Links,
        nodes: Vec<(Role, usize, Box<dyn Replica>)>,
        conflicts_end_the_run: bool,
    ) -> Self {
        let genesis = nodes[0].2.block(nodes[0].2.standing().head.hash).expect("genesis");
        let check = Check::new(kit, nodes.len(), &genesis, conflicts_end_the_run);
        let mut world = Self {
            kit: Arc::clone(kit),
            dice: Dice::new(seed),
            check,
            links,
            steps: StepSchedule::new(&kit.spec.engine),
            groups: vec![0; nodes.len()],
            nodes: Vec::new(),
            queue: BTreeMap::new(),
            planned: 0,
            now: START,
            sent: Vec::new(),
            changes: 0,
            history: B256::ZERO,
        };
        for (index, (role, authority, mut replica)) in nodes.into_iter().enumerate() {
            replica.set_clock(millis(START));
            let (early, asked, told) = (Vec::new(), BTreeSet::new(), Vec::new());
            world.nodes.push(Node { replica, role, authority, up: true, skew: 0, early, asked, told });
            world.plan_tick(index);
        }
        world
    }

    pub(crate) const fn history(&self) -> B256 {
        self.history
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn replica(&self, node: usize) -> &dyn Replica {
        &*self.nodes[node].replica
    }

    /// The nodes of honest authorities.
    pub(crate) fn honest(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].role == Role::Honest).collect()
    }

    /// From now on only nodes of the same group hear each other; what is on its way between others is lost.
    pub(crate) fn partition(&mut self, groups: Vec<usize>) {
        self.groups = groups;
    }

    /// All hear each other again.
    pub(crate) fn heal(&mut self) {
        self.groups.fill(0);
    }

    pub(crate) fn set_links(&mut self, links: Links) {
        self.links = links;
    }

    /// Sets a node's clock ahead (or behind, if negative) by so many milliseconds.
    pub(crate) fn skew(&mut self, node: usize, by: i64) {
        self.nodes[node].skew = by;
    }

    /// The node's process ends.
    pub(crate) fn stop(&mut self, node: usize) {
        self.nodes[node].up = false;
        self.nodes[node].early.clear();
    }

    /// It starts again, from disk, and looks at the clock at once.
    pub(crate) fn start(&mut self, node: usize) -> Result<(), Violation> {
        let clock = self.clock_of(node);
        let replica = &mut self.nodes[node].replica;
        let before = replica.standing();
        replica.restart();
        replica.set_clock(millis(clock));
        let after = replica.standing();
        self.nodes[node].up = true;
        self.act(node)?;
        if self.nodes[node].role == Role::Honest && before != after {
            return Err(Violation::Restart { node, stood: Box::new([before, after]) });
        }
        Ok(())
    }

    /// A client sends every honest node that runs a transaction that is allowed, and another one a contract creation, which
    /// is to be refused where the permission contract does not allow it after the node's head.
    pub(crate) fn submit(&mut self) -> Result<(), Violation> {
        let transfer = self.kit.transfer(self.sent.len() as u64);
        self.send_all(transfer)?;
        for node in self.honest() {
            let contracts = self.check.contracts(node);
            let (may_create, creation) = (contracts.may_create, self.kit.creation(contracts.created));
            let Node { replica, up, .. } = &mut self.nodes[node];
            if *up && replica.submit(&creation) == Some(true) && !may_create {
                return Err(Violation::Pool { node });
            }
        }
        Ok(())
    }

    /// The governor changes something, once its last change is made everywhere: a permission or, where a contract says who
    /// seals, the validators, by one. There are never fewer than at the beginning.
    pub(crate) fn change(&mut self) -> Result<(), Violation> {
        let made = |node: &usize| {
            let contracts = self.check.contracts(*node);
            contracts.changes == self.changes
                && contracts.pending.is_none()
                && contracts.current == self.check.validators(*node)
        };
        let honest = self.honest();
        if !honest.iter().all(made) {
            return Ok(());
        }
        let contracts = self.check.contracts(honest[0]).clone();
        let change = match self.kit.features.candidates {
            Some(_) if self.dice.percent(75) => {
                let authority = self.dice.index(self.kit.authorities());
                match contracts.current.contains(&self.kit.address(authority)) {
                    true if contracts.current.len() == self.kit.validators.len() => return Ok(()),
                    true => Change::Remove(authority),
                    false => Change::Add(authority),
                }
            }
            _ if contracts.may_create => Change::Forbid,
            _ => Change::Permit,
        };
        for node in &mut self.nodes {
            node.replica.wish(self.changes, change);
        }
        self.changes += 1;
        self.send_all(self.kit.change(self.sent.len() as u64, change))
    }

    fn send_all(&mut self, transaction: Transaction) -> Result<(), Violation> {
        for node in self.honest() {
            let Node { replica, up, .. } = &mut self.nodes[node];
            if *up && replica.submit(&transaction) == Some(false) {
                return Err(Violation::Pool { node });
            }
        }
        self.sent.push(transaction);
        Ok(())
    }

    /// Who was down hears of the transactions it has missed.
    pub(crate) fn pass_on(&mut self) {
        for node in self.honest() {
            for transaction in &self.sent[self.sent.len().saturating_sub(PASSED_ON)..] {
                // It may be known, or done.
                let _ = self.nodes[node].replica.submit(transaction);
            }
        }
    }

    /// Changes, of validators and permissions, that the branch of the first honest node has made.
    pub(crate) fn made(&self) -> (u64, u64) {
        let contracts = self.check.contracts(self.honest()[0]);
        (contracts.changes, contracts.created)
    }

    /// Lets time pass.
    pub(crate) fn run_steps(&mut self, steps: u64) -> Result<(), Violation> {
        self.run_for(steps * STEP)
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run_for(&mut self, time: u64) -> Result<(), Violation> {
        let until = self.now + time;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 < until) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::Tick(node) => {
                    self.plan_tick(node);
                    if self.nodes[node].up {
                        self.set_clock(node);
                        self.nodes[node].asked.clear();
                        self.retry_early(node)?;
                        self.tell_head(node);
                        self.act(node)?;
                        self.ask_for_proofs(node);
                    }
                }
                Event::Deliver { from, to, message } => {
                    if self.nodes[to].up && self.groups[from] == self.groups[to] {
                        self.set_clock(to);
                        self.receive(to, from, message)?;
                    }
                }
            }
        }
        self.now = until;
        Ok(())
    }

    /// Runs until all honest nodes have one head and it, or a later one, has made final what was the highest head at the
    /// beginning.
    ///
    /// # Errors
    /// [`Violation::NotLive`] after `most` steps.
    pub(crate) fn converge(&mut self, most: u64) -> Result<(), Violation> {
        let honest = self.honest();
        let standing = |world: &Self| -> (Vec<B256>, Vec<BlockNumber>, Vec<BlockNumber>) {
            let all = honest.iter().map(|node| world.nodes[*node].replica.standing());
            let all: Vec<_> = all.collect();
            let numbers = all.iter().map(|one| one.head.number).collect();
            (
                all.iter().map(|one| one.head.hash).collect(),
                numbers,
                all.iter().map(|one| one.finalized.number).collect(),
            )
        };
        let target = standing(self).1.into_iter().max().unwrap_or_default();
        for _ in 0..most * 4 {
            self.run_for(STEP / 4)?;
            let (heads, _, finalized) = standing(self);
            if heads.iter().all(|head| *head == heads[0]) && finalized.iter().all(|number| *number >= target) {
                return self.compare_certificates();
            }
        }
        let (_, heads, finalized) = standing(self);
        Err(Violation::NotLive { steps: most, heads, finalized })
    }

    /// Every final block of every honest node has a certificate, of itself or of a later one, that shows what is final to
    /// all of them.
    fn compare_certificates(&self) -> Result<(), Violation> {
        if !self.kit.features.certificates {
            return Ok(());
        }
        for node in self.honest() {
            let replica = &self.nodes[node].replica;
            let mut number = 1;
            while number <= replica.standing().finalized.number {
                let Some(certified) = replica.certificate(number) else {
                    return Err(Violation::Certificate { node, number, reason: "none".to_owned() });
                };
                self.check.certificate(node, &certified)?;
                number = certified.block.number + 1;
            }
        }
        Ok(())
    }

    fn clock_of(&self, node: usize) -> u64 {
        self.now.saturating_add_signed(self.nodes[node].skew)
    }

    fn set_clock(&mut self, node: usize) {
        let clock = millis(self.clock_of(node));
        self.nodes[node].replica.set_clock(clock);
    }

    fn step_of(&self, node: usize) -> Step {
        self.steps.step_at(millis(self.clock_of(node)))
    }

    fn plan(&mut self, after: u64, event: Event) {
        self.planned += 1;
        self.queue.insert((self.now + after, self.planned), event);
    }

    /// A node looks at the clock a moment after each step begins by it.
    fn plan_tick(&mut self, node: usize) {
        let to_next = STEP - self.clock_of(node) % STEP;
        let moment = self.dice.in_range(1..50);
        self.plan(to_next + moment, Event::Tick(node));
    }

    fn send(&mut self, from: usize, to: usize, message: &Message) {
        if self.groups[from] != self.groups[to] {
            return;
        }
        let Links { delay: (shortest, longest), lost, twice, for_good } = self.links;
        let copies = if self.dice.percent(twice) { 2 } else { 1 };
        for _ in 0..copies {
            let mut delay = self.dice.in_range(shortest..longest);
            if self.dice.percent(lost) {
                if for_good {
                    continue;
                }
                delay = (delay + RESEND).min(longest);
            }
            self.plan(delay, Event::Deliver { from, to, message: message.clone() });
        }
    }

    fn send_to_all(&mut self, node: usize, message: &Message) {
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            self.send(node, to, message);
        }
    }
}
