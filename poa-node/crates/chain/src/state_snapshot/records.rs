//! What stands in the chunks.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::Account;

use super::proof::EpochRecord;

/// The first chunk.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Manifest {
    pub(super) genesis: B256,
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) state_root: B256,
    /// The chain's stored consensus snapshot, with this block for tip and anchor.
    pub(super) consensus: Bytes,
    /// Every set of validators up to the block, genesis first; none with immediate transitions.
    pub(super) epochs: Vec<EpochRecord>,
    /// Finality certificates from genesis over each change of validators to this block's; none where it has none.
    pub(super) certificates: Vec<Bytes>,
}

impl Manifest {
    /// The block's own certificate; empty without one.
    pub(super) fn certificate(&self) -> Bytes {
        self.certificates.last().cloned().unwrap_or_default()
    }
}

/// A block with what it left behind.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct BlockRecord {
    pub(super) block: Bytes,
    /// Each in its consensus encoding.
    pub(super) receipts: Vec<Bytes>,
    pub(super) score: U256,
}

/// An account, or more slots of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct AccountRecord {
    pub(super) address: Address,
    pub(super) nonce: u64,
    pub(super) balance: U256,
    pub(super) code_hash: B256,
    pub(super) slots: Vec<SlotRecord>,
}

impl AccountRecord {
    pub(super) const fn new(address: Address, account: Account) -> Self {
        let Account { nonce, balance, code_hash } = account;
        Self { address, nonce, balance, code_hash, slots: Vec::new() }
    }

    pub(super) const fn account(&self) -> Account {
        Account { nonce: self.nonce, balance: self.balance, code_hash: self.code_hash }
    }
}

/// A slot that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct SlotRecord {
    pub(super) slot: U256,
    pub(super) value: U256,
}

/// The last chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Totals {
    pub(super) accounts: u64,
    pub(super) slots: u64,
    pub(super) codes: u64,
}
