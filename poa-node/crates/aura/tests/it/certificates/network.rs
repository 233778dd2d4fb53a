//! Time, messages and the faulty: what stands between the nodes.

use std::collections::{BTreeMap, HashSet};

use aurum_aura::{
    Signer as _,
    certificate::{Checkpoint, Link, Vote},
};

use crate::certificates::{
    node::{Effects, Message, Node},
    random::Random,
    world::{Id, World},
};

/// Moments in a step.
const STEP: u64 = 10;
/// How often everything is said again, in moments.
const REPEAT: u64 = 2 * STEP;

/// How a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// One node that keeps to the rules.
    Honest,
    /// Two nodes, each keeping to the rules on its own.
    Cloned,
    /// Signs every link anybody else votes for, on every branch, and seals on no branch.
    SignsAll,
}

/// What the network does to messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Lost of a hundred.
    pub(crate) loss: u64,
    /// Most moments a message takes.
    pub(crate) delay: u64,
}

pub(crate) struct Simulation {
    world: World,
    random: Random,
    nodes: Vec<Node>,
    conduct: Vec<Conduct>,
    /// Keys that sign every link they see.
    accomplices: Vec<usize>,
    signed: HashSet<Link>,
    weather: Weather,
    sides: Vec<u64>,
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), (usize, Message)>,
    /// The highest block certified by an honest node.
    certified: Id,
    contradictions: usize,
    tolerant: bool,
}

impl Simulation {
    /// Nodes for these keys, in their order; the second node of a cloned key comes after all others.
    pub(crate) fn new(world: World, seed: u64, keys: &[Conduct]) -> Self {
        let mut nodes = Vec::new();
        let mut conduct = Vec::new();
        for (key, how) in keys.iter().enumerate().filter(|(_, how)| **how != Conduct::SignsAll) {
            nodes.push(Node::new(&world, key));
            conduct.push(*how);
        }
        for (key, how) in keys.iter().enumerate().filter(|(_, how)| **how == Conduct::Cloned) {
            nodes.push(Node::new(&world, key));
            conduct.push(*how);
        }
        let accomplices = (0..keys.len()).filter(|key| keys[*key] == Conduct::SignsAll).collect();
        Self {
            world,
            random: Random::new(seed),
            sides: vec![0; nodes.len()],
            nodes,
            conduct,
            accomplices,
            signed: HashSet::new(),
            weather: Weather { loss: 0, delay: 1 },
            now: STEP,
            sequence: 0,
            queue: BTreeMap::new(),
            certified: 0,
            contradictions: 0,
            tolerant: false,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// From now on; nodes of different sides do not hear each other. Sides not given are 0.
    pub(crate) fn set_weather(&mut self, weather: Weather, sides: &[u64]) {
        self.weather = weather;
        self.sides = (0..self.nodes.len()).map(|node| sides.get(node).copied().unwrap_or(0)).collect();
    }

    /// Contradictions are counted instead of being failures.
    pub(crate) fn tolerate_contradictions(&mut self) {
        self.tolerant = true;
    }

    pub(crate) fn contradictions(&self) -> usize {
        self.contradictions
    }

    /// The height of the highest head.
    pub(crate) fn highest(&self) -> u64 {
        self.nodes.iter().map(|node| self.world.block(node.head).number).max().unwrap_or(0)
    }

    /// Place, certified height and head of each honest node.
    pub(crate) fn honest(&self) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
        let honest = self.nodes.iter().enumerate().filter(|(place, _)| self.conduct[*place] == Conduct::Honest);
        honest.map(|(place, node)| (place, node.participant.finalized().number, self.world.block(node.head).number))
    }

    /// What every node holds, for a failure's report.
    pub(crate) fn describe(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            let Node { head, participant, .. } = node;
            let guard = participant.guard();
            let on_head = |checkpoint: Checkpoint| {
                self.world.id(checkpoint.hash).is_some_and(|id| self.world.descends(*head, id))
            };
            let last = guard.last().map(|last| (last.source.number, last.target.number, on_head(last.source)));
            eprintln!(
                "node {place} {:?}: head {} certified {} justified {} (on head: {}) last vote {last:?} proof {:?}",
                self.conduct[place],
                self.world.block(*head).number,
                participant.finalized().number,
                participant.justified().number,
                on_head(participant.justified()),
                participant.proof().map(|proof| (proof.link.source.number, proof.link.target.number)),
            );
        }
    }

    pub(crate) fn restart(&mut self, node: usize) {
        let effects = self.nodes[node].restart(&self.world);
        self.carry_out(node, &effects);
    }

    /// The node's disk is lost, with what was on its way to it, and its key is used on an empty one.
    pub(crate) fn wipe(&mut self, node: usize) {
        self.queue.retain(|_, (to, _)| *to != node);
        self.nodes[node].wipe(&self.world);
    }

    pub(crate) fn run(&mut self, steps: u64) {
        for _ in 0..steps * STEP {
            self.now += 1;
            if self.now.is_multiple_of(STEP) {
                self.seal();
            }
            for node in 0..self.nodes.len() {
                if (self.now + node as u64).is_multiple_of(REPEAT) {
                    for message in self.nodes[node].repeat() {
                        self.send(node, &message);
                    }
                    self.ask(node);
                }
            }
            while let Some(entry) = self.queue.first_entry()
                && entry.key().0 <= self.now
            {
                let (to, message) = entry.remove();
                let effects = self.nodes[to].hear(&self.world, message);
                self.carry_out(to, &effects);
            }
        }
    }

    /// Asks one other node for the certificates above ours.
    fn ask(&mut self, node: usize) {
        let other = self.random.below(self.nodes.len() as u64) as usize;
        if other == node || self.sides[other] != self.sides[node] || self.random.percent(self.weather.loss) {
            return;
        }
        for message in self.nodes[other].lead(self.nodes[node].participant.finalized().number) {
            self.post(node, message, 1 + self.weather.delay);
        }
    }

    fn seal(&mut self) {
        let step = self.now / STEP;
        for node in 0..self.nodes.len() {
            let Node { head, sealed, signer, .. } = &self.nodes[node];
            let (head, sealed, key) = (*head, *sealed, signer.address());
            if self.world.proposer(head, step) == key && self.world.block(head).step < step && sealed < step {
                let id = self.world.seal(head, step, node as u64);
                let effects = self.nodes[node].seal(&self.world, id, step);
                self.carry_out(node, &effects);
            }
        }
    }

    fn carry_out(&mut self, node: usize, effects: &Effects) {
        if self.conduct[node] != Conduct::Cloned {
            for checkpoint in &effects.certified {
                self.check(node, *checkpoint);
            }
        }
        for message in &effects.messages {
            self.send(node, message);
            if let Message::Vote(vote) = message {
                self.conspire(*vote.link());
            }
        }
        if let Some(wanted) = effects.wanted {
            self.fetch(node, wanted);
        }
    }

    /// A certified block must be on one branch with all that were.
    fn check(&mut self, node: usize, checkpoint: Checkpoint) {
        let id = self.world.id(checkpoint.hash).unwrap();
        if self.world.descends(id, self.certified) {
            self.certified = id;
        } else if !self.world.descends(self.certified, id) {
            self.contradictions += 1;
            let before = self.world.block(self.certified).at();
            assert!(self.tolerant, "node {node} certified {checkpoint}, which contradicts {before}");
        }
    }

    /// Those who sign everything sign this link too, and everybody hears of it, partition or not.
    fn conspire(&mut self, link: Link) {
        if self.accomplices.is_empty() || !self.signed.insert(link) {
            return;
        }
        for key in self.accomplices.clone() {
            let vote = Vote::sign(&self.world.domain, link, &**self.world.key(key)).unwrap();
            for to in 0..self.nodes.len() {
                self.post(to, Message::Vote(vote.clone()), 1);
            }
        }
    }

    /// A block that is asked for comes from whoever has it and can be reached.
    fn fetch(&mut self, node: usize, wanted: Checkpoint) {
        let Some(id) = self.world.id(wanted.hash) else { return };
        let has = |other: &usize| self.sides[*other] == self.sides[node] && self.nodes[*other].known.contains(&id);
        if (0..self.nodes.len()).any(|other| has(&other)) {
            self.post(node, Message::Block(id), 1 + self.weather.delay);
        }
    }

    fn send(&mut self, from: usize, message: &Message) {
        for to in 0..self.nodes.len() {
            let apart = self.sides[from] != self.sides[to];
            if to == from || apart || self.random.percent(self.weather.loss) {
                continue;
            }
            let delay = 1 + self.random.below(self.weather.delay);
            self.post(to, message.clone(), delay);
        }
    }

    fn post(&mut self, to: usize, message: Message, delay: u64) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), (to, message));
    }
}
