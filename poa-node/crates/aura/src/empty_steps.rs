//! Empty steps on their way: signed, gossiped, collected until a block carries them (aura.md §1.3).

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256},
    rlp::{self, Decodable},
};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::{Step, ValidatorSet};

use crate::{EmptyStep, InvalidSeal, Signer, SignerError, seal::recover};

/// Most messages kept. A round of honest authorities leaves one a step, and a sealed block clears them.
const MOST: usize = 4_096;

/// An empty step as it travels: `RLP([signature, [step, parent hash]])` (OpenEthereum `EmptyStep`, the payload of its
/// `ConsensusData` packets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyStepMessage {
    /// r ‖ s ‖ v over [`EmptyStep::message_hash`]; v is 0 or 1.
    pub signature: [u8; 65],
    /// The step let pass.
    pub step: Step,
    /// The block it would have built on.
    pub parent_hash: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Body {
    step: u64,
    parent_hash: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Wire {
    signature: [u8; 65],
    body: Body,
}

impl EmptyStepMessage {
    /// Lets `step` pass on top of `parent_hash`. The step must be used up on disk before.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn sign(step: Step, parent_hash: B256, signer: &dyn Signer) -> Result<Self, SignerError> {
        let signature = signer.sign(EmptyStep::message_hash(step.0, parent_hash))?;
        Ok(Self { signature, step, parent_hash })
    }

    /// The wire form.
    pub fn encode(&self) -> Vec<u8> {
        let body = Body { step: self.step.0, parent_hash: self.parent_hash };
        rlp::encode(Wire { signature: self.signature, body })
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// Bytes that are anything else, or more.
    pub fn decode(mut bytes: &[u8]) -> rlp::Result<Self> {
        let Wire { signature, body } = Wire::decode(&mut bytes)?;
        if !bytes.is_empty() {
            return Err(rlp::Error::UnexpectedLength);
        }
        Ok(Self { signature, step: Step(body.step), parent_hash: body.parent_hash })
    }

    /// Who signed it. Costs about 30 µs.
    ///
    /// # Errors
    /// [`InvalidSeal::Unrecoverable`].
    pub fn signer(&self) -> Result<Address, InvalidSeal> {
        recover(&self.signature, EmptyStep::message_hash(self.step.0, self.parent_hash))
    }
}

/// Why an empty step is not collected. None of these is an offence of whoever passed it on: it may know a newer head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmptyStepRefused {
    /// After our clock's step; it may be offered again.
    #[error("step {step} is after our clock's {current}")]
    Early {
        /// Of the message.
        step: Step,
        /// By our clock.
        current: Step,
    },
    /// Not after the step of its parent.
    #[error("step {step} is not after the parent's {parent}")]
    Stale {
        /// Of the message.
        step: Step,
        /// Of the block it builds on.
        parent: Step,
    },
    /// Not signed by whose step it is.
    #[error("step {step} is not the signer's")]
    NotProposer {
        /// Of the message.
        step: Step,
    },
}

/// Empty steps that a later block may carry, one for each step and parent.
#[derive(Debug, Default)]
pub struct EmptySteps(BTreeMap<(Step, B256), [u8; 65]>);

impl EmptySteps {
    /// Takes a message whose parent has `parent_step` and hands down `validators`, at our clock's step `current`
    /// (OpenEthereum `handle_message`). Whether it is new.
    ///
    /// OpenEthereum asks the validator contract at the parent instead of the epoch's set, and keeps several signatures
    /// of one step. While a change is pending the contract's list is another than the one that verifies the block, and
    /// strict chains take one message a step: a block sealed with the surplus is refused by everybody. What is taken
    /// here can always be sealed.
    ///
    /// # Errors
    /// [`EmptyStepRefused`].
    pub fn accept(
        &mut self,
        message: &EmptyStepMessage,
        parent_step: Step,
        validators: &ValidatorSet,
        current: Step,
    ) -> Result<bool, EmptyStepRefused> {
        let step = message.step;
        if step > current {
            return Err(EmptyStepRefused::Early { step, current });
        }
        if step <= parent_step {
            return Err(EmptyStepRefused::Stale { step, parent: parent_step });
        }
        if self.0.contains_key(&(step, message.parent_hash)) {
            return Ok(false);
        }
        if validators.proposer(step).is_none_or(|proposer| message.signer() != Ok(proposer)) {
            return Err(EmptyStepRefused::NotProposer { step });
        }
        self.0.insert((step, message.parent_hash), message.signature);
        while self.0.len() > MOST {
            self.0.pop_first();
        }
        Ok(true)
    }

    /// What a block at `step` on this parent carries: messages strictly between the parent's step and its own, ascending.
    pub fn between(&self, parent_step: Step, step: Step, parent_hash: B256) -> Vec<EmptyStep> {
        if parent_step.next() >= step {
            return Vec::new();
        }
        self.0
            .range((parent_step.next(), B256::ZERO)..(step, B256::ZERO))
            .filter(|((_, parent), _)| *parent == parent_hash)
            .map(|((step, _), signature)| EmptyStep { signature: *signature, step: step.0 })
            .collect()
    }

    /// Drops messages up to `step`: a block of that step was found valid (OpenEthereum `clear_empty_steps`).
    pub fn forget_until(&mut self, step: Step) {
        self.0 = self.0.split_off(&(step.next(), B256::ZERO));
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
