//! What contracts can see of the block they run in.

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{BlockNumber, Header};

/// The facts of a block that execution depends on: known before its transactions are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockEnv {
    /// Height.
    pub number: BlockNumber,
    /// Unix seconds.
    pub timestamp: u64,
    /// The sealer; receives tips and rewards.
    pub author: Address,
    /// AuRa score of the block; also what PREVRANDAO returns.
    pub difficulty: U256,
    /// Gas the block may use.
    pub gas_limit: u64,
    /// Base fee in wei, where the chain has one.
    pub base_fee: Option<u64>,
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// The third seal field as it stands (or will stand) in the header: RLP list of empty steps, whose signers are
    /// rewarded. Empty bytes where there is none.
    pub empty_steps: Bytes,
}

impl BlockEnv {
    /// The environment a header describes.
    pub fn of(header: &Header) -> Self {
        Self {
            number: header.number,
            timestamp: header.timestamp,
            author: header.author,
            difficulty: header.difficulty,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas,
            parent_hash: header.parent_hash,
            empty_steps: header.seal.get(2).cloned().unwrap_or_default(),
        }
    }
}
