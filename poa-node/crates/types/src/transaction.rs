//! Signed transactions and their senders.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::{
    consensus::{
        EthereumTxEnvelope, TxEip4844, TxType, crypto::SECP256K1N_HALF, transaction::Recovered as AlloyRecovered,
    },
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, B256},
};
use alloy_trie::root::ordered_trie_root_with_encoder;

use crate::crypto;

/// A signed transaction of type 0, 1, 2 or 4. Type 3 (blobs) decodes nowhere in the node: [`decode_transaction`].
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A value whose signer is known.
pub type Recovered<T> = AlloyRecovered<T>;

/// Why bytes are not a transaction of this chain, or have no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not an EIP-2718 envelope, or bytes are left over.
    #[error("malformed transaction: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// A type the chain does not take (3, or unknown).
    #[error("transaction type {tx_type} is not supported on this chain")]
    UnsupportedType {
        /// The EIP-2718 type byte.
        tx_type: u8,
    },
    /// The signature has no signer, or a high s (EIP-2).
    #[error("invalid transaction signature")]
    InvalidSignature,
}

/// Decodes the EIP-2718 form (what `eth_sendRawTransaction` takes) and refuses blob transactions.
///
/// # Errors
/// [`TransactionError`]; trailing bytes are malformed.
pub fn decode_transaction(mut bytes: &[u8]) -> Result<Transaction, TransactionError> {
    if let Some(tx_type) = bytes.first().copied().filter(|byte| *byte < 0x80)
        && !matches!(tx_type, 0x01 | 0x02 | 0x04)
    {
        return Err(TransactionError::UnsupportedType { tx_type });
    }
    let tx = Transaction::decode_2718(&mut bytes)
        .map_err(|error| TransactionError::Malformed { reason: error.to_string() })?;
    if !bytes.is_empty() {
        return Err(TransactionError::Malformed { reason: "bytes after the transaction".to_owned() });
    }
    if tx.tx_type() == TxType::Eip4844 {
        return Err(TransactionError::UnsupportedType { tx_type: TxType::Eip4844 as u8 });
    }
    Ok(tx)
}

/// The address whose key signed `tx`; costs about 30 µs. By [`crate::crypto`], whether or not that is installed in alloy.
///
/// # Errors
/// [`TransactionError::InvalidSignature`] for unrecoverable signatures and for s above half the curve order (EIP-2).
pub fn recover_sender(tx: &Transaction) -> Result<Address, TransactionError> {
    RECOVERIES.fetch_add(1, Ordering::Relaxed);
    let signature = tx.signature();
    if signature.s() > SECP256K1N_HALF {
        return Err(TransactionError::InvalidSignature);
    }
    crypto::recover(tx.signature_hash(), &crypto::to_bytes(signature)).map_err(|_| TransactionError::InvalidSignature)
}

static RECOVERIES: AtomicU64 = AtomicU64::new(0);

/// How often this process has called [`recover_sender`]. A node should need it once for each transaction it hears of.
pub fn recoveries() -> u64 {
    RECOVERIES.load(Ordering::Relaxed)
}

/// Root of the trie of transactions.
pub fn transactions_root(transactions: &[Transaction]) -> B256 {
    ordered_trie_root_with_encoder(transactions, |tx, out| tx.encode_2718(out))
}
