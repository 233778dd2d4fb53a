//! What can go wrong, split by whose fault it is.

use alloy::primitives::{Address, U256};
use aurum_types::{BlockError, StateError};

use crate::Denial;

/// Why a block, a call or a genesis did not run to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvmError {
    /// What was asked to run is bad: refuse it, punish its sender, go on.
    #[error(transparent)]
    Invalid(#[from] InvalidExecution),
    /// Our side failed: a disk or a bug.
    #[error(transparent)]
    Fault(#[from] StateError),
}

impl From<BlockError> for EvmError {
    fn from(error: BlockError) -> Self {
        Self::Invalid(InvalidExecution::Block(error))
    }
}

impl EvmError {
    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self::Fault(StateError::new(message.into()))
    }
}

/// How a block breaks the rules of execution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExecution {
    /// A transaction that may not be in this block.
    #[error("transaction {index} in block: {source}")]
    Transaction {
        /// Place in the block.
        index: usize,
        /// Why.
        source: TxInvalid,
    },
    /// A transaction its sender had no right to.
    #[error("transaction {index} in block: {denial}")]
    NotPermitted {
        /// Place in the block.
        index: usize,
        /// What was missing.
        denial: Denial,
    },
    /// A transaction asks for more gas than the block has left.
    #[error("transaction {index} in block asks for {gas} gas, {left} are left")]
    GasLimit {
        /// Place in the block.
        index: usize,
        /// The transaction's gas limit.
        gas: u64,
        /// What the block had left.
        left: u64,
    },
    /// A system call halted (aura.md §2.4 `FailedSystemCall`).
    #[error("system call to {contract} failed: {reason}")]
    SystemCall {
        /// The called contract.
        contract: Address,
        /// What stopped it.
        reason: String,
    },
    /// The reward contract answered nonsense (aura.md §2.6).
    #[error("reward contract {contract}: {reason}")]
    Rewards {
        /// The reward contract.
        contract: Address,
        /// What is wrong with its answer.
        reason: String,
    },
    /// `getValidators()` gave no list.
    #[error("validator contract {contract} does not answer getValidators()")]
    Validators {
        /// The validator contract.
        contract: Address,
    },
    /// A call (`eth_call`, `eth_estimateGas`) that cannot even start.
    #[error(transparent)]
    Call(TxInvalid),
    /// The block contradicts its own header.
    #[error(transparent)]
    Block(BlockError),
}

/// Why a transaction cannot be executed at this point of the chain. The texts are those clients match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxInvalid {
    /// The type is never, or not yet, part of this chain.
    #[error("transaction type {0} is not supported on this chain")]
    UnsupportedType(u8),
    /// Signed for another chain, or for none where that is no longer allowed (EIP-155).
    #[error("invalid chain id: transaction has {have:?}, chain is {want}")]
    ChainId {
        /// The transaction's.
        have: Option<u64>,
        /// The chain's.
        want: u64,
    },
    /// The nonce was used already.
    #[error("nonce too low: next nonce {state}, tx nonce {tx}")]
    NonceTooLow {
        /// The transaction's.
        tx: u64,
        /// The account's.
        state: u64,
    },
    /// Earlier transactions of the sender are missing.
    #[error("nonce too high: next nonce {state}, tx nonce {tx}")]
    NonceTooHigh {
        /// The transaction's.
        tx: u64,
        /// The account's.
        state: u64,
    },
    /// The nonce cannot be increased any more (EIP-2681).
    #[error("nonce has max value")]
    NonceOverflow,
    /// The balance does not cover gas limit times price, plus value.
    #[error("insufficient funds for gas * price + value: have {have} want {want}")]
    InsufficientFunds {
        /// Balance in wei.
        have: U256,
        /// Wei needed up front.
        want: U256,
    },
    /// The price is below the base fee.
    #[error("max fee per gas less than block base fee: maxFeePerGas {have}, baseFee {base_fee}")]
    FeeBelowBaseFee {
        /// Offered, in wei.
        have: u128,
        /// The block's, in wei.
        base_fee: u128,
    },
    /// The tip is above the price.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// Gas limit times price does not fit a number.
    #[error("gas limit times price overflows")]
    FeeOverflow,
    /// The gas limit is below what the transaction costs before its first instruction.
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        have: u64,
        /// Least gas limit.
        want: u64,
    },
    /// The gas limit is above the block's.
    #[error("exceeds block gas limit: gas {have}, block {limit}")]
    GasAboveBlock {
        /// The transaction's gas limit.
        have: u64,
        /// The block's gas limit.
        limit: u64,
    },
    /// The sender has code (EIP-3607).
    #[error("sender not an eoa")]
    SenderHasCode,
    /// Creation code above the limit (EIP-3860).
    #[error("max initcode size exceeded: code size {have}, limit {limit}")]
    InitCodeTooLarge {
        /// Bytes.
        have: usize,
        /// Bytes.
        limit: usize,
    },
    /// More bytes than `maxTransactionSize`.
    #[error("oversized data: transaction size {have}, limit {limit}")]
    Oversized {
        /// Bytes.
        have: usize,
        /// Bytes.
        limit: u64,
    },
    /// An EIP-7702 transaction without authorizations.
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizationList,
    /// A zero-price transaction of a sender the service transaction checker does not certify (aura.md §3.3).
    #[error("zero gas price transaction of an uncertified sender")]
    Uncertified,
    /// It runs code that Parity would run as wasm (`wasmActivationTransition`), which this node does not have.
    #[error("code that begins as wasm cannot be run")]
    Wasm,
    /// A call whose result nobody wants any more ([`crate::Cancel`]).
    #[error("execution timeout")]
    Cancelled,
    /// Anything else revm refuses.
    #[error("{0}")]
    Other(String),
}
