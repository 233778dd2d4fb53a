//! The questions the pool asks the chain.

use alloy::primitives::Address;
use aurum_types::{Account, BlockNumber, Recovered, StateError, Transaction};

/// Where a transaction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A client of this node; journalled, and never evicted.
    Local,
    /// Another node; that node's journal holds it.
    Network,
    /// A block that left the canonical chain; journalled, and no limit applies.
    Retracted,
}

impl Origin {
    /// Whether the pool answers for the transaction: keeps it over a restart and never evicts it.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Local | Self::Retracted)
    }
}

/// The chain's answers, at its head.
///
/// A head must be readable here before [`crate::Pool::on_head`] is called for it. Calls come without any lock held and
/// may take as long as an EVM call.
pub trait Admission: Send + Sync {
    /// The sender's account; the empty account where there is none.
    ///
    /// # Errors
    /// [`Refusal::Fault`] when the state cannot be read.
    fn account(&self, address: Address) -> Result<Account, Refusal>;

    /// Chain id, type, fee, intrinsic gas, sizes and permission. Nonce and balance are the pool's own checks. `origin`
    /// matters for what a node asks beyond the chain's rules, such as a least price.
    ///
    /// # Errors
    /// The rule that refuses.
    fn admits(&self, tx: &Recovered<Transaction>, origin: Origin) -> Result<(), Refusal>;
}

/// Why the permission contract does not let a transaction in, as told to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Transaction is not permitted. {explanation}")]
pub struct Denied {
    /// What it means and who can change it, one sentence.
    pub explanation: String,
    /// Stable word for programs, such as `CREATE_DENIED`.
    pub reason: String,
    /// Right the transaction needs, a bit of the permission contract.
    pub needed: u32,
    /// Rights the sender has, the contract's bits.
    pub have: u32,
    /// The permission contract.
    pub contract: Address,
    /// Block whose state decided.
    pub block: BlockNumber,
}

/// Why the chain does not take a transaction. Messages are those of go-ethereum where it has the rule, since clients
/// match them.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// Of the transaction.
        have: u64,
        /// Of this chain.
        want: u64,
    },
    /// No chain id in the signature where the chain demands one.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    /// The type is not active, or never on this chain.
    #[error("transaction type not supported")]
    UnsupportedType,
    /// The gas limit does not cover what any execution of it costs.
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Least gas it needs.
        want: u64,
    },
    /// No block has that much gas.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// Cannot be mined at the head's base fee.
    #[error("max fee per gas less than block base fee: maxFeePerGas: {have}, baseFee: {want}")]
    FeeBelowBase {
        /// Offered, wei.
        have: u128,
        /// Demanded, wei.
        want: u128,
    },
    /// EIP-1559 fields contradict each other.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// Below what this node, or chain, asks.
    #[error("transaction underpriced")]
    Underpriced,
    /// More bytes than a transaction may have.
    #[error("oversized data: transaction size {have}, limit {limit}")]
    Oversized {
        /// Encoded bytes.
        have: usize,
        /// Most allowed.
        limit: usize,
    },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {have}, limit {limit}")]
    InitCode {
        /// Bytes.
        have: usize,
        /// Most allowed.
        limit: usize,
    },
    /// EIP-3607: an account with code (other than an EIP-7702 delegation) sends nothing.
    #[error("sender not an eoa: address {0}")]
    SenderHasCode(Address),
    /// The permission contract says no.
    #[error(transparent)]
    NotPermitted(#[from] Box<Denied>),
    /// Any other rule.
    #[error("{0}")]
    Other(String),
    /// Our side failed; says nothing about the transaction.
    #[error(transparent)]
    Fault(#[from] StateError),
}
