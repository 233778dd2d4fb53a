//! What can go wrong with the node's own disk. Nothing here is ever a block's fault.

use std::path::PathBuf;

use alloy::primitives::B256;
use aurum_types::{BlockNumber, StateError};

/// A fault of ours: the disk, the directory we were given, or a bug. The node stops; it never punishes a peer for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// RocksDB could not read or write.
    #[error("disk: {operation} failed: {reason}")]
    Disk {
        /// What was attempted.
        operation: &'static str,
        /// What RocksDB said.
        reason: String,
    },
    /// Another process, or another part of this one, has the directory open.
    #[error("database {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was written by a program with another table layout.
    #[error("database {} has schema version {found}, this program reads and writes version {expected}", path.display())]
    OtherSchema {
        /// The directory.
        path: PathBuf,
        /// What the directory says.
        found: u64,
        /// What this program writes.
        expected: u64,
    },
    /// The directory belongs to another chain.
    #[error("database {} holds the chain with genesis {found}, the chain spec's genesis is {expected}", path.display())]
    OtherGenesis {
        /// The directory.
        path: PathBuf,
        /// Genesis hash in the directory.
        found: B256,
        /// Genesis hash of the chain spec.
        expected: B256,
    },
    /// The genesis state has another root than the genesis header claims.
    #[error("genesis state has root {computed}, its header says {header}")]
    GenesisRoot {
        /// From the accounts.
        computed: B256,
        /// From the header.
        header: B256,
    },
    /// Stored bytes are not what this program writes there.
    #[error("corrupt database: {what} in table {table}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is missing or malformed.
        what: String,
    },
    /// A trie node is not at its place.
    #[error("corrupt database: trie node {hash} is missing at {path:?} in table {table}")]
    MissingNode {
        /// The table.
        table: &'static str,
        /// One hexadecimal byte a nibble from the root down, for storage tries behind the hashed address.
        path: String,
        /// Its hash.
        hash: B256,
    },
    /// The state of this block is not held: the block is unknown, left the chain, or its history is pruned.
    #[error("state of block {block} is not available")]
    MissingState {
        /// The block.
        block: B256,
    },
    /// Blocks were handed over that do not continue the persisted chain.
    #[error("block {hash} does not continue the persisted chain at {tip_number} ({tip_hash})")]
    NotNext {
        /// The block.
        hash: B256,
        /// Height of the persisted tip.
        tip_number: BlockNumber,
        /// Hash of the persisted tip.
        tip_hash: B256,
    },
    /// The undo records do not reach down to the block asked for.
    #[error("cannot unwind to block {to}: the oldest block that can be returned to is {oldest}")]
    UnwindTooDeep {
        /// What was asked.
        to: BlockNumber,
        /// What is possible.
        oldest: BlockNumber,
    },
    /// A folder that was to be filled holds a database already.
    #[error("database {} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The database holds no genesis yet.
    #[error("database has no genesis yet")]
    NoGenesis,
}

impl StorageError {
    /// Whether the stored data contradicts itself (as against a failing disk or a wrong directory).
    pub const fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::MissingNode { .. })
    }

    pub(crate) fn disk(operation: &'static str, error: &rocksdb::Error) -> Self {
        Self::Disk { operation, reason: error.to_string() }
    }

    pub(crate) fn corrupt(table: &'static str, what: impl Into<String>) -> Self {
        Self::Corrupt { table, what: what.into() }
    }
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> Self {
        Self::new(error)
    }
}
