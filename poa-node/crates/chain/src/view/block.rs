//! Blocks, transactions and receipts as they are read: with everything JSON-RPC says about them.

use std::sync::Arc;

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256, TxKind, U256},
};
use aurum_types::{Block, BlockNumber, CommittedBlock, Header, Receipt, Recovered, Score, Transaction};

/// A block with receipts and senders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlockView {
    body: Body,
    score: Option<Score>,
    canonical: bool,
    gas_free: bool,
}

#[derive(Clone, Debug)]
enum Body {
    Recent(Arc<CommittedBlock>),
    Stored(Arc<StoredBlock>),
}

/// A block as the database gave it back.
#[derive(Clone, Debug)]
pub(crate) struct StoredBlock {
    pub(crate) hash: B256,
    pub(crate) block: Block,
    pub(crate) senders: Vec<Address>,
    pub(crate) receipts: Vec<Receipt>,
}

impl BlockView {
    pub(crate) const fn recent(
        block: Arc<CommittedBlock>,
        score: Option<Score>,
        canonical: bool,
        gas_free: bool,
    ) -> Self {
        Self { body: Body::Recent(block), score, canonical, gas_free }
    }

    pub(crate) fn stored(block: StoredBlock, score: Option<Score>, gas_free: bool) -> Self {
        Self { body: Body::Stored(Arc::new(block)), score, canonical: true, gas_free }
    }

    /// The block's hash.
    pub fn hash(&self) -> B256 {
        match &self.body {
            Body::Recent(block) => block.hash(),
            Body::Stored(block) => block.hash,
        }
    }

    /// The height.
    pub fn number(&self) -> BlockNumber {
        self.header().number
    }

    /// The header, with seal fields and base fee.
    pub fn header(&self) -> &Header {
        &self.block().header
    }

    /// Header and body.
    pub fn block(&self) -> &Block {
        match &self.body {
            Body::Recent(block) => block.sealed().block(),
            Body::Stored(block) => &block.block,
        }
    }

    /// Transactions in order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.block().transactions
    }

    /// Senders in the transactions' order.
    pub fn senders(&self) -> &[Address] {
        match &self.body {
            Body::Recent(block) => block.senders(),
            Body::Stored(block) => &block.senders,
        }
    }

    /// Receipts in the transactions' order.
    pub fn receipts(&self) -> &[Receipt] {
        match &self.body {
            Body::Recent(block) => block.receipts(),
            Body::Stored(block) => &block.receipts,
        }
    }

    /// Sum of difficulties up to and with this block, where it is kept.
    pub const fn total_difficulty(&self) -> Option<Score> {
        self.score
    }

    /// Whether the block is on the branch of the head.
    pub const fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// Bytes of the block's RLP.
    pub fn size(&self) -> usize {
        self.block().encode().len()
    }

    /// The transaction at `index` with its place, or `None` past the last one.
    pub fn transaction(&self, index: usize) -> Option<TransactionView> {
        let header = self.header();
        Some(TransactionView {
            transaction: Recovered::new_unchecked(self.transactions().get(index)?.clone(), *self.senders().get(index)?),
            place: Some(TransactionPlace {
                block_hash: self.hash(),
                block_number: header.number,
                index,
                base_fee: header.base_fee_per_gas,
                timestamp: header.timestamp,
            }),
        })
    }

    /// The receipt at `index` with its place, or `None` past the last one.
    pub fn receipt(&self, index: usize) -> Option<ReceiptView> {
        let receipts = self.receipts();
        let receipt = receipts.get(index)?.clone();
        let transaction = self.transaction(index)?;
        let before = index.checked_sub(1).map_or(0, |previous| receipts[previous].cumulative_gas_used);
        let first_log_index = receipts[..index].iter().map(|receipt| receipt.logs.len()).sum();
        let sender = transaction.transaction.signer();
        let tx = transaction.transaction.inner();
        let contract_address = match tx.kind() {
            TxKind::Create => Some(sender.create(tx.nonce())),
            TxKind::Call(_) => None,
        };
        Some(ReceiptView {
            gas_used: receipt.cumulative_gas_used.saturating_sub(before),
            effective_gas_price: self.paid(effective_gas_price(tx, self.header().base_fee_per_gas)),
            contract_address,
            first_log_index,
            receipt,
            transaction,
        })
    }

    /// (tip in wei, gas used) of each transaction.
    pub(crate) fn tips(&self) -> impl Iterator<Item = (u128, u64)> {
        let base_fee = self.header().base_fee_per_gas.unwrap_or(0);
        let mut before = 0;
        self.transactions().iter().zip(self.receipts()).map(move |(tx, receipt)| {
            let gas = receipt.cumulative_gas_used.saturating_sub(before);
            before = receipt.cumulative_gas_used;
            (self.paid(tx.effective_tip_per_gas(base_fee).unwrap_or(0)), gas)
        })
    }

    /// What is paid of an offered price: nothing on a gas-free chain.
    const fn paid(&self, offered: u128) -> u128 {
        if self.gas_free { 0 } else { offered }
    }

    /// All receipts with their places.
    pub fn receipt_views(&self) -> impl Iterator<Item = ReceiptView> {
        (0..self.receipts().len()).filter_map(|index| self.receipt(index))
    }
}

/// Where a transaction stands in the canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    /// Its block.
    pub block_hash: B256,
    /// Height of the block.
    pub block_number: BlockNumber,
    /// Place in the block.
    pub index: usize,
    /// Base fee of the block in wei.
    pub base_fee: Option<u64>,
    /// Unix seconds of the block.
    pub timestamp: u64,
}

/// A transaction with its sender and, once in a block, its place.
#[derive(Clone, Debug)]
pub struct TransactionView {
    /// The transaction and its sender.
    pub transaction: Recovered<Transaction>,
    /// `None` while it waits in the pool.
    pub place: Option<TransactionPlace>,
}

/// A receipt with what JSON-RPC derives from its neighbours.
#[derive(Clone, Debug)]
pub struct ReceiptView {
    /// The receipt.
    pub receipt: Receipt,
    /// The transaction; its place is always there.
    pub transaction: TransactionView,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Wei paid per gas (what the transaction offered, bounded by base fee plus tip).
    pub effective_gas_price: u128,
    /// The created contract, if the transaction creates one (also when it failed).
    pub contract_address: Option<Address>,
    /// Index in the block of this receipt's first log.
    pub first_log_index: usize,
}

impl ReceiptView {
    /// Where the transaction stands.
    pub fn place(&self) -> TransactionPlace {
        self.transaction.place.expect("a receipt view is only made of a transaction in a block")
    }
}

/// Wei per gas a transaction pays in a block with this base fee.
fn effective_gas_price(tx: &Transaction, base_fee: Option<u64>) -> u128 {
    // Parity chains let zero-price transactions into blocks below the base fee (aura.md §3.3); those pay nothing.
    if tx.max_fee_per_gas() == 0 { 0 } else { tx.effective_gas_price(base_fee) }
}

/// An account at a block, as `eth_getBalance` and its kin need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountView {
    /// Balance in wei.
    pub balance: U256,
    /// Transactions sent.
    pub nonce: u64,
}
