//! One waiting transaction, and what is told about those that wait or left.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, U256},
};
use aurum_types::{BlockNumber, Recovered, Transaction};

use crate::{Origin, PoolConfig};

/// A transaction that was valid against the head when it came: nonce, balance, fee, permission.
#[derive(Debug)]
pub struct Pooled {
    tx: Recovered<Transaction>,
    origin: Origin,
    arrival: u64,
    encoded_len: usize,
    cost: U256,
}

impl Pooled {
    pub(crate) fn new(tx: Recovered<Transaction>, origin: Origin, arrival: u64, config: &PoolConfig) -> Self {
        let fee = if config.gas_free {
            U256::ZERO
        } else {
            U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()))
        };
        let cost = fee.saturating_add(tx.value());
        let encoded_len = tx.inner().encode_2718_len();
        Self { tx, origin, arrival, encoded_len, cost }
    }

    /// The transaction with its sender.
    pub const fn transaction(&self) -> &Recovered<Transaction> {
        &self.tx
    }

    /// Its hash.
    pub fn hash(&self) -> B256 {
        *self.tx.inner().tx_hash()
    }

    /// Who signed it.
    pub const fn sender(&self) -> Address {
        self.tx.signer()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// Where it came from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Its place in the order of arrival at this node, unique in one run.
    pub const fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Bytes of its EIP-2718 form.
    pub const fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// The most it can take from the balance, wei: the value, and gas limit times price where gas is charged.
    pub const fn cost(&self) -> U256 {
        self.cost
    }

    /// What the author would earn per gas at `base_fee`; `None` if the transaction cannot pay the base fee. One that
    /// offers nothing pays none: it waits here only where the chain exempts it (aura.md §3.3).
    pub(crate) fn tip(&self, base_fee: Option<u64>, gas_free: bool) -> Option<u128> {
        let offers_nothing = self.tx.max_fee_per_gas() == 0;
        if gas_free || offers_nothing { Some(0) } else { self.tx.effective_tip_per_gas(base_fee.unwrap_or(0)) }
    }

    /// Whether `self` pays at least 10 % more than `other` in both fee fields (the rule of go-ethereum).
    pub(crate) fn outbids(&self, other: &Self) -> bool {
        let tip = |tx: &Recovered<Transaction>| tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
        let beats = |new: u128, old: u128| {
            new > old && U256::from(new) * U256::from(100u8) >= U256::from(old) * U256::from(110u8)
        };
        beats(self.tx.max_fee_per_gas(), other.tx.max_fee_per_gas()) && beats(tip(&self.tx), tip(&other.tx))
    }
}

/// Why a transaction is not in the pool, other than for being in a canonical block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was refused when it came; the refusal's message.
    Refused(String),
    /// The sender replaced it by a dearer one.
    Replaced {
        /// The one that took its nonce.
        by: B256,
    },
    /// A block holds another transaction with its nonce.
    NonceUsed,
    /// It came from another node, waited behind a nonce gap, and the pool was full.
    Evicted,
    /// The chain's rules stopped admitting it while it waited; the refusal's message.
    NoLongerAdmitted(String),
    /// Taken out by [`crate::Pool::remove`]; the caller's words.
    Removed(String),
}

/// A departure, and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// Why it is not there.
    pub why: Departure,
    /// The head's number then.
    pub at: BlockNumber,
}

/// Bytes of a reason that are kept.
const REASON: usize = 256;

impl Departure {
    /// The same with a reason no longer than is kept.
    pub(crate) fn short(mut self) -> Self {
        if let Self::Refused(reason) | Self::NoLongerAdmitted(reason) | Self::Removed(reason) = &mut self {
            reason.truncate(reason.floor_char_boundary(REASON));
            reason.shrink_to_fit();
        }
        self
    }
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Could be in the next block as far as nonces go.
    pub pending: usize,
    /// Wait behind a missing nonce.
    pub queued: usize,
    /// Encoded bytes of both.
    pub bytes: usize,
}

/// All that waits, by sender and in nonce order.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Without a nonce gap before them.
    pub pending: BTreeMap<Address, Vec<Arc<Pooled>>>,
    /// Behind a nonce gap.
    pub queued: BTreeMap<Address, Vec<Arc<Pooled>>>,
}
