//! Why a transaction is not taken. The first words are the ones Ethereum clients match.

use std::{io, path::PathBuf};

use alloy::primitives::{Address, B256, U256};

use crate::Refusal;

/// Why [`crate::Pool::add`] refused. A refusal is immediate and leaves the pool as it was.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The very same transaction waits already.
    #[error("already known")]
    AlreadyKnown,
    /// The nonce is used.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's nonce at the head.
        next: u64,
        /// Of the transaction.
        nonce: u64,
    },
    /// EIP-2681.
    #[error("nonce has max value")]
    NonceMax,
    /// Another transaction has the nonce, and this one does not pay 10 % more.
    #[error(
        "replacement transaction underpriced: {existing} has nonce {nonce}; both fee fields must be at least 10 % higher"
    )]
    ReplacementUnderpriced {
        /// The one that stays.
        existing: B256,
        /// The nonce of both.
        nonce: u64,
    },
    /// Another transaction has the nonce, and no price can be higher on a chain without fees.
    #[error(
        "replacement transaction underpriced: {existing} has nonce {nonce} and stays, since this chain charges no fees by which to prefer another"
    )]
    ReplacementOnFreeChain {
        /// The one that stays.
        existing: B256,
        /// The nonce of both.
        nonce: u64,
    },
    /// The balance does not cover what the transaction may cost.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// At the head, wei.
        balance: U256,
        /// Value, and gas limit times price where gas is charged, wei.
        cost: U256,
    },
    /// The balance covers the transaction, but not together with those of the sender that wait already.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, which together are more"
    )]
    Overdraft {
        /// At the head, wei.
        balance: U256,
        /// What the sender's other pending transactions may cost, wei.
        queued: U256,
        /// What this one may cost, wei.
        cost: U256,
    },
    /// The pool holds as much as it may.
    #[error("txpool is full: {transactions} transactions wait, retry after the next block")]
    Full {
        /// Number in the pool.
        transactions: usize,
    },
    /// The sender has as many waiting as it may.
    #[error("txpool is full for sender {sender}: {waiting} transactions wait")]
    SenderFull {
        /// Whose.
        sender: Address,
        /// Number of its transactions in the pool.
        waiting: usize,
    },
    /// Too many of the sender's transactions wait behind a missing nonce.
    #[error(
        "nonce too high: next nonce {next}, tx nonce {nonce}, and {waiting} transactions wait for the nonces between"
    )]
    TooManyGapped {
        /// First missing nonce.
        next: u64,
        /// Of the transaction.
        nonce: u64,
        /// Number waiting behind the gap.
        waiting: usize,
    },
    /// The chain refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be journalled, so it was not accepted.
    #[error("transaction could not be journalled: {0}")]
    Journal(#[source] io::Error),
}

impl PoolError {
    /// Whether our side failed, as opposed to the transaction.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Journal(_) | Self::Refused(Refusal::Fault(_)))
    }
}

/// Why a pool does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal file cannot be read or written.
    #[error("transaction journal {path}: {source}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state cannot be read, so that journalled transactions cannot be judged.
    #[error("journalled transactions cannot be checked: {0}")]
    Fault(#[source] Refusal),
    /// The system gives no threads.
    #[error("threads that take transactions in cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
