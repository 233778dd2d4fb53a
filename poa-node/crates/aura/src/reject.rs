//! Why a block is not taken.

use alloy::primitives::{Address, B256, U256};
use aurum_types::{BlockNumber, Step};

/// What is wrong with a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeal {
    /// Wrong number of seal fields.
    #[error("seal has {found} fields, not {expected}")]
    Arity {
        /// Two, or three from `emptyStepsTransition` on.
        expected: usize,
        /// In the header.
        found: usize,
    },
    /// The first field is no 64-bit number.
    #[error("seal's step is not a number")]
    Step,
    /// The second field is not 65 bytes.
    #[error("seal's signature is not 65 bytes")]
    Signature,
    /// The third field is no list of empty steps.
    #[error("seal's empty steps are malformed")]
    EmptySteps,
    /// No key makes this signature.
    #[error("signature has no signer")]
    Unrecoverable,
}

/// A block that is bad for ever, and whoever sent it knew or should have known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "fields are named in each message")]
pub enum InvalidBlock {
    /// The seal's form.
    #[error("invalid seal: {0}")]
    Seal(#[from] InvalidSeal),
    /// Not above the parent.
    #[error("block number {found} is not the parent's {parent} + 1")]
    Number { parent: BlockNumber, found: BlockNumber },
    /// More gas than the block has.
    #[error("gas used {used} exceeds the gas limit {limit}")]
    TooMuchGasUsed { used: u64, limit: u64 },
    /// A gas limit below the spec's minimum.
    #[error("gas limit {found} is below the minimum {minimum}")]
    GasLimitTooLow { minimum: u64, found: u64 },
    /// A gas limit that moved too far; both bounds are exclusive.
    #[error("gas limit {found} is not between {low} and {high} (exclusive)")]
    GasLimitOutOfBounds { low: u64, high: u64, found: u64 },
    /// A gas limit that is not the one the gas limit contract states.
    #[error("gas limit {found} is not the contract's {stated}")]
    GasLimitNotStated { stated: U256, found: u64 },
    /// `extraData` longer than the spec allows.
    #[error("extra data has {found} bytes, more than {maximum}")]
    ExtraData { maximum: u64, found: usize },
    /// More than 150 s ahead of our clock.
    #[error("timestamp {timestamp} is more than 150 s after our clock's {now}")]
    TimestampTooFarAhead { timestamp: u64, now: u64 },
    /// Not after the parent.
    #[error("timestamp {found} is not after the parent's {parent}")]
    TimestampNotAfterParent { parent: u64, found: u64 },
    /// A base fee other than the rule's.
    #[error("base fee is {found:?}, expected {expected:?}")]
    BaseFee { expected: Option<u64>, found: Option<u64> },
    /// The chain does not allow uncles.
    #[error("block has uncles, at most {maximum} are allowed")]
    Uncles { maximum: u64 },
    /// An uncle that may not be one.
    #[error("uncle {uncle}: {reason}")]
    Uncle { uncle: B256, reason: &'static str },
    /// An uncle whose own header breaks a rule.
    #[error("uncle {uncle}: {rule}")]
    UncleHeader { uncle: B256, rule: Box<Self> },
    /// 2^128 − 1 or more.
    #[error("difficulty {found} is not below 2^128 - 1")]
    DifficultyOutOfBounds { found: U256 },
    /// Not the score of its step.
    #[error("difficulty is {found}, expected {expected}")]
    Difficulty { expected: U256, found: U256 },
    /// More than four steps ahead of our clock.
    #[error("step {step} is far ahead of our clock's {current}")]
    StepTooFarAhead { step: Step, current: Step },
    /// Not after the parent's step: a second vote for it.
    #[error("step {step} is not after the parent's {parent} (double vote by {author})")]
    DoubleVote { parent: Step, step: Step, author: Address },
    /// The parent has no readable step.
    #[error("the parent has no step")]
    ParentStep,
    /// An empty step that is not between the parent and the block, not in order, or not its proposer's.
    #[error("empty step {step}: {reason}")]
    EmptyStep { step: Step, reason: &'static str },
    /// Author or signer is not whose turn it is.
    #[error("step {step} is {expected}'s, not author {author}'s (sealed by {sealer})")]
    NotProposer { step: Step, expected: Address, author: Address, sealer: Address },
    /// The validator set is empty, so nobody may seal.
    #[error("nobody may seal: the validator set is empty")]
    NoValidators,
}

/// How bad what an author did is, in the words of validator contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// `reportBenign`: bad clock, silence, a faulty node.
    Benign,
    /// `reportMalicious`: two votes for one step.
    Malicious,
}

impl InvalidBlock {
    /// As what the block's author is reported for it (OpenEthereum `verify_block_basic`, `verify_block_family` and
    /// `verify_block_external`); `None` where it is not. Only to be believed of an author who sealed the block: anybody
    /// can write another's name into a header.
    pub const fn offence(&self) -> Option<Offence> {
        match self {
            Self::DoubleVote { .. } => Some(Offence::Malicious),
            Self::StepTooFarAhead { .. }
            | Self::EmptyStep { .. }
            | Self::Seal(InvalidSeal::EmptySteps)
            | Self::NotProposer { .. } => Some(Offence::Benign),
            _ => None,
        }
    }

    /// Whether it is our clock that finds the block bad. With another clock, and so at another time, it may be good: it
    /// is not to be remembered as bad, nor held against whoever sent it.
    pub const fn depends_on_clock(&self) -> bool {
        matches!(self, Self::StepTooFarAhead { .. } | Self::TimestampTooFarAhead { .. })
    }
}

/// A block that is early by our clock. It is not marked bad and may be offered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "fields are named in each message")]
pub enum TemporarilyInvalid {
    /// More than 15 s, at most 150 s ahead.
    #[error("timestamp {timestamp} is more than 15 s after our clock's {now}")]
    Timestamp { timestamp: u64, now: u64 },
    /// One to four steps ahead.
    #[error("step {step} is after our clock's {current}")]
    Step { step: Step, current: Step },
}

/// Why a block is not taken: for ever, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// For ever.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// Not yet.
    #[error(transparent)]
    TemporarilyInvalid(#[from] TemporarilyInvalid),
}

impl From<InvalidSeal> for Rejected {
    fn from(seal: InvalidSeal) -> Self {
        Self::Invalid(InvalidBlock::Seal(seal))
    }
}
