//! The state at a final block as one file: a node that starts from it follows the chain without the blocks before.
//!
//! ```text
//! magic "AURUM SNAPSHOT\0" ‖ version (1 byte)
//! chunk*   kind (1) ‖ length (4, big-endian) ‖ payload (RLP) ‖ checksum (32)
//!
//! 1 manifest   [genesis hash, number, hash, state root, consensus, [[number, hash, validators]…], [certificate…]]
//! 2 block      [block, [receipt…], score]         the last ≤ 256 up to the final one, ascending
//! 3 code       bytes                              before the first account that has it
//! 4 state      [[address, nonce, balance, code hash, [[slot, value]…]]…]   by address; a large account goes on in the next
//! 5 end        [accounts, slots, codes]
//! ```
//!
//! A checksum is keccak256 of the checksum before it (at first keccak256 of the magic) and everything of its chunk before the
//! checksum: a flipped bit, a missing end and swapped chunks are all seen. Checksums are against accidents. Against lies:
//! the root is computed anew from the leaves and compared with the block's header, blocks are linked by their parents'
//! hashes, carry the signature of their step's proposer and the bodies and receipts their headers name. What remains to be
//! known is whether the block is the chain's: finality certificates say so, followed from the genesis validators over each
//! change of them; without any its hash is compared with other nodes'.
//!
//! Of the consensus state the validators are proven by that; a change under way and who has signed lately are what the creating
//! node had, believed as far as whoever made the file is.

mod check;
mod create;
mod file;
mod proof;
mod records;
mod restore;

use alloy::primitives::{B256, Bytes};
use aurum_storage::StorageError;
use aurum_types::BlockNumber;

pub use self::{
    check::verify_snapshot,
    create::create_snapshot,
    restore::{SnapshotTrust, restore_snapshot},
};
use crate::{ChainError, Fault};

/// Blocks kept whole before the snapshot's: as far as BLOCKHASH looks back.
pub(crate) const BLOCKS: u64 = 256;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Hash of the chain's block 0.
    pub genesis: B256,
    /// The final block whose state this is.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: B256,
    /// Root of its state.
    pub state_root: B256,
    /// Blocks in the file.
    pub blocks: u64,
    /// Accounts in the state.
    pub accounts: u64,
    /// Slots in the state.
    pub slots: u64,
    /// Different codes in the state.
    pub codes: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// The finality certificate of [`Self::hash`]; empty without one.
    pub certificate: Bytes,
}

/// Why a snapshot cannot be made, or is refused.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Reading or writing the file.
    #[error("snapshot file: {0}")]
    File(#[from] std::io::Error),
    /// Not a snapshot, or one of another version.
    #[error("not a snapshot file of this version")]
    Magic,
    /// A chunk is damaged, cut off or out of place.
    #[error("snapshot is damaged at chunk {chunk} (byte {offset}): {reason}")]
    Damaged {
        /// Place in the file, counted from 1.
        chunk: u64,
        /// Where the chunk starts.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The snapshot is of another chain.
    #[error("snapshot is of the chain with genesis {found}, the spec's genesis is {expected}")]
    OtherChain {
        /// In the snapshot.
        found: B256,
        /// By the spec.
        expected: B256,
    },
    /// Its parts contradict each other.
    #[error("snapshot is refused: {0}")]
    Refused(String),
    /// The chain has no final block but genesis.
    #[error("there is no final block above genesis to make a snapshot of")]
    NothingFinal,
    /// A development chain's block with a transaction that nobody signed: the file's checks ask for every signature.
    #[error(
        "block {number} has transaction {hash} of an impersonated account, which nobody signed: a snapshot with it would be \
         refused, and one is possible {BLOCKS} blocks later"
    )]
    Impersonated {
        /// The block.
        number: BlockNumber,
        /// The transaction.
        hash: B256,
    },
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Opening the chain.
    #[error(transparent)]
    Chain(#[from] Box<ChainError>),
    /// What the chain has stored.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ChainError> for SnapshotError {
    fn from(error: ChainError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl SnapshotError {
    pub(crate) fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}
