//! Epochs and rolling finality once more (aura.md §1.10, §1.11), with OpenEthereum's own queue (`finality.rs`,
//! `RollingFinality::push_hash`) and from nothing but the blocks.

use std::collections::VecDeque;

use alloy::primitives::Address;
use aurum_aura::AuraSeal;
use aurum_chain::BlockRef;
use aurum_types::{BlockNumber, SealedBlock, Step};

use crate::simulation::{contracts::Contracts, kit::Kit};

/// What a branch has come to after one block.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    validators: Vec<Address>,
    /// The block with which they came; they seal from the next one on.
    recorded_at: BlockNumber,
    number: BlockNumber,
    /// Blocks of this epoch that are not final, with who has signed them.
    queue: VecDeque<(BlockRef, Vec<Address>)>,
    finalized: BlockRef,
    /// The change that waits for its block's finality.
    waiting: Option<(BlockRef, Vec<Address>)>,
    contracts: Contracts,
}

impl Branch {
    pub(crate) fn genesis(kit: &Kit, at: BlockRef) -> Self {
        let (validators, contracts) = (kit.validators.clone(), Contracts::genesis(kit));
        let queue = VecDeque::new();
        Self { validators, recorded_at: 0, number: 0, queue, finalized: at, waiting: None, contracts }
    }

    /// After a child of this block.
    pub(crate) fn child(&self, block: &SealedBlock, kit: &Kit) -> Self {
        let at = BlockRef { number: block.number(), hash: block.hash() };
        let (contracts, signal) = self.contracts.after(block, self.recorded_at == self.number, kit);
        let mut next = Self { number: at.number, contracts, ..self.clone() };
        if kit.features.candidates.is_some() && next.waiting.is_none() {
            next.waiting = signal.map(|validators| (at, validators));
        }
        // An empty step approves the block on which it was made.
        if let Some((_, signers)) = next.queue.back_mut() {
            let seal = AuraSeal::from_header(block.header(), &kit.spec.header_format()).expect("it was verified");
            let empty_steps = seal.empty_steps().expect("they were verified");
            signers.extend(empty_steps.iter().filter_map(|empty| self.proposer(Step(empty.step))));
        }
        next.queue.push_back((at, vec![block.header().author]));
        while next.is_front_final(kit) {
            let Some((front, _)) = next.queue.pop_front() else { break };
            next.finalized = front;
            if next.waiting.as_ref().is_some_and(|(signalled, _)| *signalled == front) {
                // What this block still makes final belongs to the old epoch.
                while next.is_front_final(kit) {
                    let Some((front, _)) = next.queue.pop_front() else { break };
                    next.finalized = front;
                }
                next.queue.clear();
                (next.validators, next.recorded_at) = (next.waiting.take().expect("it waits").1, at.number);
                break;
            }
        }
        next
    }

    fn is_front_final(&self, kit: &Kit) -> bool {
        let has_signed = |one: &&Address| self.queue.iter().any(|(_, signers)| signers.contains(one));
        let signers = self.validators.iter().filter(has_signed).count();
        !self.queue.is_empty() && kit.is_enough(signers, self.validators.len())
    }

    pub(crate) fn proposer(&self, step: Step) -> Option<Address> {
        let index = step.0.checked_rem(self.validators.len() as u64)?;
        self.validators.get(usize::try_from(index).ok()?).copied()
    }

    pub(crate) const fn finalized(&self) -> BlockRef {
        self.finalized
    }

    pub(crate) fn validators(&self) -> &[Address] {
        &self.validators
    }

    /// The validators that are signalled and wait for finality.
    pub(crate) fn waiting(&self) -> Option<&[Address]> {
        self.waiting.as_ref().map(|(_, validators)| validators.as_slice())
    }

    pub(crate) const fn contracts(&self) -> &Contracts {
        &self.contracts
    }
}
