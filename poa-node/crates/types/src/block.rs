//! Blocks, and the names they earn on their way to the head (see the crate's front page).

use std::sync::{Arc, OnceLock};

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, keccak256},
    rlp::{self, Encodable, Header as RlpHeader},
};
use rayon::prelude::*;

use crate::{
    BlockNumber, EMPTY_UNCLES_HASH, Header, HeaderFormat, Receipt, Recovered, StateChanges, Transaction,
    TransactionError, decode_transaction,
    header::{take_item, take_list},
    receipts_root_and_bloom, recover_sender, transactions_root,
};

/// How a block contradicts its own header, or cannot be one. Always the block's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are no block.
    #[error("malformed block: {0}")]
    Malformed(String),
    /// The body's transactions are not those of the header.
    #[error("transactions root is {computed}, header says {header}")]
    TransactionsRoot {
        /// From the body.
        computed: B256,
        /// From the header.
        header: B256,
    },
    /// The body's uncles are not those of the header.
    #[error("uncles hash is {computed}, header says {header}")]
    UnclesHash {
        /// From the body.
        computed: B256,
        /// From the header.
        header: B256,
    },
    /// A transaction has no sender.
    #[error("transaction {index} in block: {source}")]
    Transaction {
        /// Place in the block.
        index: usize,
        /// Why.
        source: TransactionError,
    },
    /// Gas used differs after execution.
    #[error("gas used is {computed}, header says {header}")]
    GasUsed {
        /// By execution.
        computed: u64,
        /// From the header.
        header: u64,
    },
    /// Receipts differ after execution.
    #[error("receipts root is {computed}, header says {header}")]
    ReceiptsRoot {
        /// By execution.
        computed: B256,
        /// From the header.
        header: B256,
    },
    /// The logs' bloom differs after execution.
    #[error("logs bloom differs from the header's")]
    LogsBloom,
    /// The state differs after execution.
    #[error("state root is {computed}, header says {header}")]
    StateRoot {
        /// By execution.
        computed: B256,
        /// From the header.
        header: B256,
    },
}

/// Header and body as they are sent and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Transactions in order.
    pub transactions: Vec<Transaction>,
    /// Uncle headers; empty on every chain that does not allow them.
    pub uncles: Vec<Header>,
}

impl Block {
    /// RLP of `[header, [transaction…], [uncle…]]`, typed transactions as byte strings (as Ethereum's eth protocol).
    pub fn encode(&self) -> Bytes {
        let mut transactions = Vec::new();
        for tx in &self.transactions {
            tx.network_encode(&mut transactions);
        }
        let payload_length = self.header.length()
            + RlpHeader { list: true, payload_length: transactions.len() }.length()
            + transactions.len()
            + self.uncles.length();
        let mut out = Vec::with_capacity(payload_length + 5);
        RlpHeader { list: true, payload_length }.encode(&mut out);
        self.header.encode(&mut out);
        RlpHeader { list: true, payload_length: transactions.len() }.encode(&mut out);
        out.extend_from_slice(&transactions);
        self.uncles.encode(&mut out);
        out.into()
    }

    /// Decodes what [`Self::encode`] wrote. Blob transactions are malformed here.
    ///
    /// # Errors
    /// [`BlockError::Malformed`].
    pub fn decode(bytes: &[u8], format: &HeaderFormat) -> Result<Self, BlockError> {
        decode_block(bytes, format)
    }
}

fn decode_block(mut bytes: &[u8], format: &HeaderFormat) -> Result<Block, BlockError> {
    let malformed = |error: rlp::Error| BlockError::Malformed(error.to_string());
    let mut payload = take_list(&mut bytes).map_err(malformed)?;
    if !bytes.is_empty() {
        return Err(BlockError::Malformed("bytes after the block".to_owned()));
    }
    let header = Header::decode(&mut payload, format).map_err(malformed)?;
    let mut transaction_items = take_list(&mut payload).map_err(malformed)?;
    let mut transactions = Vec::new();
    while !transaction_items.is_empty() {
        let item = take_item(&mut transaction_items).map_err(malformed)?;
        transactions.push(decode_transaction_item(item)?);
    }
    let mut uncle_items = take_list(&mut payload).map_err(malformed)?;
    let mut uncles = Vec::new();
    while !uncle_items.is_empty() {
        uncles.push(Header::decode(&mut uncle_items, format).map_err(malformed)?);
    }
    if !payload.is_empty() {
        return Err(BlockError::Malformed("a block has three fields, these are more".to_owned()));
    }
    Ok(Block { header, transactions, uncles })
}

/// A list is a legacy transaction, a byte string holds a typed one, and each form holds exactly one transaction. Stricter
/// than alloy's `network_decode`, which also takes a typed transaction without its string prefix: a block has one
/// encoding.
fn decode_transaction_item(item: &[u8]) -> Result<Transaction, BlockError> {
    let malformed = |error: &dyn std::fmt::Display| BlockError::Malformed(format!("transaction in block: {error}"));
    let mut payload = item;
    let head = RlpHeader::decode(&mut payload).map_err(|error| malformed(&error))?;
    let bytes = if head.list { item } else { payload };
    if !head.list && bytes.first().is_none_or(|byte| *byte >= 0x80) {
        return Err(malformed(&"a byte string without a transaction type"));
    }
    decode_transaction(bytes).map_err(|error| malformed(&error))
}

/// A block whose hash is known. Nothing else about it is.
#[derive(Clone, Debug)]
pub struct SealedBlock {
    block: Block,
    hash: B256,
    /// Computed when it is first asked for; that the header says the same is not known.
    transactions_root: OnceLock<B256>,
}

impl PartialEq for SealedBlock {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.block == other.block
    }
}

impl Eq for SealedBlock {}

impl SealedBlock {
    /// Hashes the header once.
    pub fn seal_slow(block: Block) -> Self {
        let hash = block.header.hash_slow();
        Self { block, hash, transactions_root: OnceLock::new() }
    }

    /// Decodes and hashes.
    ///
    /// # Errors
    /// [`BlockError::Malformed`].
    pub fn decode(bytes: &[u8], format: &HeaderFormat) -> Result<Self, BlockError> {
        Block::decode(bytes, format).map(Self::seal_slow)
    }

    /// The block's hash.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.block.header
    }

    /// The height.
    pub const fn number(&self) -> BlockNumber {
        self.block.header.number
    }

    /// Header and body.
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Root of the trie of the transactions that are there, whatever the header says; computed once.
    pub fn transactions_root(&self) -> B256 {
        *self.transactions_root.get_or_init(|| transactions_root(&self.block.transactions))
    }

    /// Runs `engine_check`: seal, proposer, step, time, limits (crate `aurum-aura`); then checks that the body is the
    /// header's. Only both together make a [`VerifiedBlock`]. The seal comes first: one signature refuses what a stranger
    /// made up, before its body costs anything.
    ///
    /// # Errors
    /// What `engine_check` says, or the body's contradiction.
    pub fn verify<E: From<BlockError>>(
        self,
        engine_check: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<VerifiedBlock, E> {
        engine_check(&self)?;
        let header = &self.block.header;
        let computed = self.transactions_root();
        if computed != header.transactions_root {
            return Err(BlockError::TransactionsRoot { computed, header: header.transactions_root }.into());
        }
        let computed =
            if self.block.uncles.is_empty() { EMPTY_UNCLES_HASH } else { keccak256(rlp::encode(&self.block.uncles)) };
        if computed != header.uncles_hash {
            return Err(BlockError::UnclesHash { computed, header: header.uncles_hash }.into());
        }
        Ok(VerifiedBlock(self))
    }
}

/// A block whose seal, proposer, step and body roots hold.
#[derive(Clone, Debug)]
pub struct VerifiedBlock(SealedBlock);

impl VerifiedBlock {
    /// The block.
    pub const fn sealed(&self) -> &SealedBlock {
        &self.0
    }

    /// Finds every sender: from `known` (the pool has recovered most already) or by recovery in parallel on rayon.
    ///
    /// # Errors
    /// [`BlockError::Transaction`] for a transaction without a valid signature (of several, any one).
    pub fn recover(self, known: impl Fn(&B256) -> Option<Address> + Sync) -> Result<RecoveredBlock, BlockError> {
        let senders = self
            .0
            .block
            .transactions
            .par_iter()
            .enumerate()
            .map(|(index, tx)| match known(tx.tx_hash()) {
                Some(sender) => Ok(sender),
                None => recover_sender(tx).map_err(|source| BlockError::Transaction { index, source }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(RecoveredBlock { sealed: self.0, senders })
    }
}

/// A verified block whose senders are all known.
#[derive(Clone, Debug)]
pub struct RecoveredBlock {
    sealed: SealedBlock,
    senders: Vec<Address>,
}

impl RecoveredBlock {
    /// The block.
    pub const fn sealed(&self) -> &SealedBlock {
        &self.sealed
    }

    /// Senders in the transactions' order.
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// Transactions with their senders.
    pub fn transactions(&self) -> impl Iterator<Item = Recovered<&Transaction>> {
        self.sealed
            .block
            .transactions
            .iter()
            .zip(&self.senders)
            .map(|(tx, sender)| Recovered::new_unchecked(tx, *sender))
    }

    /// Runs the block (`run`, crate `aurum-evm`; for a block of our own, the outcome that building it gave) and checks
    /// that gas, receipts and bloom are the header's.
    ///
    /// # Errors
    /// The contradiction, or what `run` says.
    pub fn execute<E: From<BlockError>>(
        self,
        run: impl FnOnce(&Self) -> Result<ExecutionOutcome, E>,
    ) -> Result<ExecutedBlock, E> {
        let outcome = run(&self)?;
        let header = self.sealed.header();
        if outcome.gas_used != header.gas_used {
            return Err(BlockError::GasUsed { computed: outcome.gas_used, header: header.gas_used }.into());
        }
        let (computed, bloom) = receipts_root_and_bloom(&outcome.receipts);
        if computed != header.receipts_root {
            return Err(BlockError::ReceiptsRoot { computed, header: header.receipts_root }.into());
        }
        if bloom != header.logs_bloom {
            return Err(BlockError::LogsBloom.into());
        }
        Ok(ExecutedBlock { block: self, receipts: outcome.receipts, changes: Arc::new(outcome.changes) })
    }
}

/// What running a block gave.
#[derive(Clone, Debug, Default)]
pub struct ExecutionOutcome {
    /// One receipt a transaction. Logs of system calls are in none of them.
    pub receipts: Vec<Receipt>,
    /// Gas used by the transactions.
    pub gas_used: u64,
    /// What the state became.
    pub changes: StateChanges,
}

/// A block that was run and whose header agrees on gas, receipts and bloom. Its state root is still a claim.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    block: RecoveredBlock,
    receipts: Vec<Receipt>,
    changes: Arc<StateChanges>,
}

impl ExecutedBlock {
    /// The block.
    pub const fn sealed(&self) -> &SealedBlock {
        &self.block.sealed
    }

    /// What it did to the state.
    pub const fn changes(&self) -> &Arc<StateChanges> {
        &self.changes
    }

    /// Receipts in order.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Compares the root that applying [`Self::changes`] to the parent's commitment gave with the header's.
    ///
    /// # Errors
    /// [`BlockError::StateRoot`].
    pub fn commit(self, computed: B256) -> Result<CommittedBlock, BlockError> {
        let header = self.sealed().header().state_root;
        if computed != header {
            return Err(BlockError::StateRoot { computed, header });
        }
        Ok(CommittedBlock(self))
    }
}

/// A block about which every claim was checked. Only this can become head.
#[derive(Clone, Debug)]
pub struct CommittedBlock(ExecutedBlock);

impl CommittedBlock {
    /// The block.
    pub const fn sealed(&self) -> &SealedBlock {
        &self.0.block.sealed
    }

    /// The block's hash.
    pub const fn hash(&self) -> B256 {
        self.0.block.sealed.hash
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        self.sealed().header()
    }

    /// Senders in the transactions' order.
    pub fn senders(&self) -> &[Address] {
        &self.0.block.senders
    }

    /// Receipts in order.
    pub fn receipts(&self) -> &[Receipt] {
        &self.0.receipts
    }

    /// What it did to the state.
    pub const fn changes(&self) -> &Arc<StateChanges> {
        &self.0.changes
    }
}
