//! What nodes do: with what they hear, in their steps, and to be heard.

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use aurum_types::{BlockNumber, SealedBlock, Step};

use super::{Message, Node, Role, World};
use crate::simulation::{
    check::Violation,
    replica::{Used, Verdict},
};

/// Blocks in one answer to a question.
const BATCH: usize = 4_096;
/// How far below its final block a node asks for blocks, so that one that ignores finality could go wrong.
const FURTHER: BlockNumber = 64;

impl World {
    pub(super) fn retry_early(&mut self, node: usize) -> Result<(), Violation> {
        for (from, block) in std::mem::take(&mut self.nodes[node].early) {
            self.take(node, from, &block)?;
        }
        Ok(())
    }

    /// As nodes do all the time: whoever missed something asks then.
    pub(super) fn tell_head(&mut self, node: usize) {
        let replica = &self.nodes[node].replica;
        if let Some(head) = replica.block(replica.standing().head.hash).filter(|head| head.number() > 0) {
            self.tell_all(node, &head);
        }
    }

    fn tell_all(&mut self, node: usize, block: &SealedBlock) {
        self.send_to_all(node, &Message::Block(Arc::new(block.clone())));
    }

    pub(super) fn receive(&mut self, node: usize, from: usize, message: Message) -> Result<(), Violation> {
        match message {
            Message::Block(block) => {
                if self.take(node, from, &block)? {
                    self.tell_all(node, &block);
                }
                Ok(())
            }
            Message::Ask(hash, above) => {
                let path = self.nodes[node].replica.path_to(hash, above, BATCH);
                if !path.is_empty() {
                    self.send(node, from, &Message::Answer(path));
                }
                Ok(())
            }
            Message::Answer(blocks) => blocks.iter().try_for_each(|block| self.take(node, from, block).map(drop)),
            Message::EmptyStep(bytes) => {
                if self.nodes[node].replica.hear_empty_step(&bytes) {
                    self.send_to_all(node, &Message::EmptyStep(bytes));
                }
                Ok(())
            }
            Message::Ballot(bytes) => {
                if self.nodes[node].replica.hear_ballot(&bytes) {
                    self.send_to_all(node, &Message::Ballot(bytes));
                }
                self.count_votes(node)
            }
            Message::AskProofs(number) => {
                for proof in self.nodes[node].replica.proofs_above(number) {
                    self.send(node, from, &Message::Ballot(proof));
                }
                Ok(())
            }
        }
    }

    /// After whatever may have moved votes: what is final is checked, and new votes and proofs are told.
    fn count_votes(&mut self, node: usize) -> Result<(), Violation> {
        if !self.kit.features.certificates {
            return Ok(());
        }
        let Node { replica, role, told, .. } = &mut self.nodes[node];
        if let Some(hash) = replica.wanted() {
            let above = replica.standing().finalized.number;
            self.send_to_all(node, &Message::Ask(hash, above));
            return self.count_votes(node);
        }
        let standing = replica.standing();
        let ballots = replica.ballots();
        let news: Vec<_> = ballots.iter().filter(|ballot| !told.contains(ballot)).cloned().collect();
        *told = ballots;
        if *role == Role::Honest {
            self.check.moved(&self.kit, node, &standing)?;
        }
        for ballot in news {
            self.send_to_all(node, &Message::Ballot(ballot));
        }
        Ok(())
    }

    /// As nodes do whose certified block lags: once a step, somebody is asked, and what may be lost is said again.
    pub(super) fn ask_for_proofs(&mut self, node: usize) {
        if !self.kit.features.certificates {
            return;
        }
        let (number, peer) = (self.nodes[node].replica.standing().finalized.number, self.dice.index(self.nodes.len()));
        if peer != node {
            self.send(node, peer, &Message::AskProofs(number));
        }
        for ballot in self.nodes[node].replica.ballots() {
            self.send_to_all(node, &Message::Ballot(ballot));
        }
    }

    /// A block came to `node`; tells whether it is new and good.
    fn take(&mut self, node: usize, from: usize, block: &SealedBlock) -> Result<bool, Violation> {
        let Node { replica, role, early, asked, .. } = &mut self.nodes[node];
        let (role, verdict) = (*role, replica.import(block));
        match verdict {
            Verdict::Accepted => {
                self.accepted(node, block)?;
                return Ok(true);
            }
            Verdict::UnknownParent => {
                // Lower than any branch that an honest node would follow may start.
                let above = replica.standing().finalized.number.saturating_sub(FURTHER);
                if asked.insert(from) {
                    self.send(node, from, &Message::Ask(block.hash(), above));
                }
            }
            Verdict::Early => early.push((from, block.clone())),
            Verdict::Invalid(reason) if role == Role::Honest && self.is_honest(block.header().author) => {
                return Err(Violation::HonestBlockRefused { node, number: block.number(), reason });
            }
            Verdict::Known | Verdict::RevertsFinal | Verdict::Invalid(_) => {}
        }
        Ok(false)
    }

    fn accepted(&mut self, node: usize, block: &SealedBlock) -> Result<(), Violation> {
        if self.nodes[node].role != Role::Honest {
            return self.count_votes(node);
        }
        let standing = self.nodes[node].replica.standing();
        let mut event = self.history.to_vec();
        event.extend([&node.to_be_bytes()[..], block.hash().as_slice(), standing.head.hash.as_slice()].concat());
        event.extend(self.now.to_be_bytes());
        self.history = keccak256(event);
        self.check.accepted(&self.kit, node, block, &standing)?;
        self.count_votes(node)
    }

    /// Whether nobody cheats with this key.
    pub(crate) fn is_honest(&self, author: Address) -> bool {
        let has_its_key = |node: &&Node| self.kit.address(node.authority) == author;
        self.nodes.iter().filter(has_its_key).all(|node| node.role == Role::Honest)
    }

    /// The node's turn to do what authorities do in a step.
    pub(super) fn act(&mut self, node: usize) -> Result<(), Violation> {
        let step = self.step_of(node);
        let Node { replica, role, authority, .. } = &mut self.nodes[node];
        let turn = replica.is_its_turn(step);
        match *role {
            Role::Honest => {
                let author = self.kit.address(*authority);
                match replica.seal(step) {
                    Some(Used::Block(block)) => {
                        self.check.used(author, step, block.hash())?;
                        self.accepted(node, &block)?;
                        self.tell_all(node, &block);
                    }
                    Some(Used::EmptyStep(message)) => {
                        self.check.used(author, step, keccak256(&message))?;
                        self.send_to_all(node, &Message::EmptyStep(message));
                    }
                    None => {}
                }
            }
            Role::Clone(variant) if turn => self.forge(node, step, variant, false),
            Role::Forbidden if turn => self.forge(node, step, 0, true),
            Role::OutOfTurn => self.forge(node, step, 0, false),
            Role::TwoBlocks if turn => {
                let blocks = [replica.forge(step, 1, false), replica.forge(step, 2, false)].map(Arc::new);
                replica.import(&blocks[0]);
                for to in (0..self.nodes.len()).filter(|to| *to != node) {
                    let half = usize::from(self.dice.percent(50));
                    self.send(node, to, &Message::Block(Arc::clone(&blocks[half])));
                }
            }
            Role::Clone(_) | Role::Forbidden | Role::TwoBlocks => {}
        }
        Ok(())
    }

    fn forge(&mut self, node: usize, step: Step, variant: u8, forbidden: bool) {
        let replica = &mut self.nodes[node].replica;
        let block = replica.forge(step, variant, forbidden);
        replica.import(&block);
        self.tell_all(node, &block);
    }
}
