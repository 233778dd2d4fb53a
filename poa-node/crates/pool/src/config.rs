//! What a pool holds at most, and where it remembers.

use std::path::PathBuf;

use aurum_types::BlockNumber;

/// Limits and the journal's place.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// File that keeps transactions of this node's own clients over a restart; `None` keeps them in memory only.
    pub journal: Option<PathBuf>,
    /// Whether the chain charges nothing for gas. Then balances need only cover the value, the offered price orders
    /// nothing, and a transaction cannot be replaced by a dearer one.
    pub gas_free: bool,
    /// Base fee of the next block in wei, until [`crate::HeadChange`] tells another; `None` before EIP-1559.
    pub base_fee: Option<u64>,
    /// Number of the head, until [`crate::HeadChange`] tells another.
    pub head: BlockNumber,
    /// Whether other nodes' transactions that offer nothing for gas are refused, their senders certified or not
    /// (Parity's `--refuse-service-transactions`). [`crate::Admission`] reads it.
    pub refuse_service_transactions: bool,
    /// Whether this node's own clients may hand in transactions that name no chain (from before EIP-155), which anybody can
    /// repeat on another chain. [`crate::Admission`] reads it.
    pub allow_unprotected: bool,
    /// Transactions in the pool, of all senders.
    pub max_transactions: usize,
    /// Their encoded bytes together.
    pub max_bytes: usize,
    /// Transactions of one sender.
    pub max_per_sender: usize,
    /// Transactions of one sender that wait behind a missing nonce.
    pub max_queued_per_sender: usize,
    /// Encoded bytes of one transaction (geth: 128 KiB).
    pub max_transaction_bytes: usize,
    /// Transactions that were refused or left, and whose sender and reason are still told. Each takes some 160 bytes and its
    /// reason, which is cut at 256: 39 MB at most for the usual number.
    pub departures: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            journal: None,
            gas_free: false,
            base_fee: None,
            head: 0,
            refuse_service_transactions: false,
            allow_unprotected: false,
            max_transactions: 32_768,
            max_bytes: 128 << 20,
            max_per_sender: 4_096,
            max_queued_per_sender: 256,
            max_transaction_bytes: 128 << 10,
            departures: 100_000,
        }
    }
}
