//! Stable names of the rules for which blocks are refused; those of a header's are the ones `chain header` uses.

use aurum_aura::{InvalidBlock, InvalidSeal, TemporarilyInvalid};
use aurum_chain::{ImportError, Invalid};
use aurum_types::BlockError;

/// The rule that a block broke.
pub(super) const fn rule(error: &ImportError) -> &'static str {
    match error {
        ImportError::Invalid(invalid) => match invalid {
            Invalid::Block(error) => body(error),
            Invalid::Engine(error) => engine(error),
            Invalid::NotPermitted { .. } => "transaction_permission",
            Invalid::Execution(_) => "execution",
            Invalid::RevertsFinalized { .. } => "finality",
            Invalid::KnownBad { .. } => "known_bad",
            Invalid::BadParent { .. } => "bad_parent",
            Invalid::NotPinned { .. } => "not_pinned",
        },
        ImportError::TemporarilyInvalid(TemporarilyInvalid::Timestamp { .. }) => "timestamp_not_ahead",
        ImportError::TemporarilyInvalid(TemporarilyInvalid::Step { .. }) => "step_not_ahead",
        ImportError::UnknownParent(_) => "unknown_parent",
        ImportError::Fault(_) => "fault",
    }
}

const fn body(error: &BlockError) -> &'static str {
    match error {
        BlockError::Malformed(_) => "malformed",
        BlockError::TransactionsRoot { .. } => "transactions_root",
        BlockError::UnclesHash { .. } => "uncles",
        BlockError::Transaction { .. } => "transaction_signature",
        BlockError::GasUsed { .. } => "gas_used",
        BlockError::ReceiptsRoot { .. } => "receipts_root",
        BlockError::LogsBloom => "logs_bloom",
        BlockError::StateRoot { .. } => "state_root",
    }
}

const fn engine(error: &InvalidBlock) -> &'static str {
    match error {
        InvalidBlock::Seal(InvalidSeal::Arity { .. }) => "seal_arity",
        InvalidBlock::Seal(InvalidSeal::Unrecoverable) => "signature_recovers",
        InvalidBlock::Seal(_) => "seal_fields",
        InvalidBlock::Number { .. } => "number",
        InvalidBlock::TooMuchGasUsed { .. } => "gas_used",
        InvalidBlock::GasLimitTooLow { .. } => "gas_limit_minimum",
        InvalidBlock::GasLimitOutOfBounds { .. } | InvalidBlock::GasLimitNotStated { .. } => "gas_limit_bound",
        InvalidBlock::ExtraData { .. } => "extra_data_size",
        InvalidBlock::TimestampTooFarAhead { .. } => "timestamp_not_ahead",
        InvalidBlock::TimestampNotAfterParent { .. } => "timestamp_after_parent",
        InvalidBlock::BaseFee { .. } => "base_fee",
        InvalidBlock::Uncles { .. } | InvalidBlock::Uncle { .. } | InvalidBlock::UncleHeader { .. } => "uncles",
        InvalidBlock::DifficultyOutOfBounds { .. } => "difficulty_bound",
        InvalidBlock::Difficulty { .. } => "difficulty",
        InvalidBlock::StepTooFarAhead { .. } => "step_not_ahead",
        InvalidBlock::DoubleVote { .. } | InvalidBlock::ParentStep => "step_after_parent",
        InvalidBlock::EmptyStep { .. } => "empty_steps",
        InvalidBlock::NotProposer { .. } | InvalidBlock::NoValidators => "proposer",
    }
}
