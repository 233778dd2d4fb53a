//! Blocks that carry nothing but changes.

use alloy::primitives::{Address, B256, U256, keccak256};
use aurum_types::{
    Account, Block, BlockError, CommittedBlock, EMPTY_UNCLES_HASH, ExecutionOutcome, Header, SealedBlock, StateChanges,
    receipts_root, transactions_root,
};

pub(crate) fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

/// An account with this nonce and a balance that follows from it.
pub(crate) fn account(nonce: u64) -> Option<Account> {
    Some(Account { nonce, balance: U256::from(1_000_000_007u64 + nonce), ..Account::default() })
}

/// A number below `below` that follows from `seed` without a pattern.
pub(crate) fn scattered(seed: u64, below: u64) -> u64 {
    keccak256(seed.to_be_bytes()).iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)) % below
}

/// The header of a block without transactions.
pub(crate) fn header(parent: Option<&Header>, state_root: B256) -> Header {
    Header {
        parent_hash: parent.map_or(B256::ZERO, Header::hash_slow),
        number: parent.map_or(0, |parent| parent.number + 1),
        uncles_hash: EMPTY_UNCLES_HASH,
        transactions_root: transactions_root(&[]),
        receipts_root: receipts_root(&[]),
        state_root,
        ..Header::default()
    }
}

/// The block of `header`, as far as an import takes it, with these changes as its outcome.
pub(crate) fn block_of(header: Header, changes: StateChanges) -> CommittedBlock {
    let root = header.state_root;
    let outcome = ExecutionOutcome { changes, ..ExecutionOutcome::default() };
    SealedBlock::seal_slow(Block { header, transactions: Vec::new(), uncles: Vec::new() })
        .verify(|_| Ok::<_, BlockError>(()))
        .and_then(|block| block.recover(|_| None))
        .and_then(|block| block.execute(|_| Ok::<_, BlockError>(outcome)))
        .and_then(|block| block.commit(root))
        .expect("the block is its header's")
}
