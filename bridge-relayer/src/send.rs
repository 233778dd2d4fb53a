//! How a node answers a transaction, by kind.

use alloy::{
    primitives::B256,
    providers::{DynProvider, Provider},
    transports::{RpcError, TransportErrorKind},
};

use crate::sign::SignedTx;

/// What a node did with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is in the node's pool, now or already.
    Pooled,
    /// Its nonce is used: this transaction, another version of it, or a stranger's is in a block.
    NonceUsed,
    /// Another transaction with this nonce is in the pool and this one does not offer enough more.
    Underpriced,
    /// The account cannot pay the worst case.
    InsufficientFunds,
    /// The chain's permission contract refuses the account.
    NotPermitted(String),
    /// Another refusal.
    Refused(String),
    /// No answer: it may have arrived or not.
    Unknown(String),
}

/// JSON-RPC code of a refusal by Parity's transaction permissions.
const NOT_PERMITTED: i64 = -32010;

/// Sends a signed transaction.
pub(crate) async fn send(provider: &DynProvider, tx: &SignedTx) -> Sent {
    match provider.raw_request::<_, B256>("eth_sendRawTransaction".into(), (&tx.raw,)).await {
        Ok(_) => Sent::Pooled,
        Err(error) => classify(&error),
    }
}

/// Nodes have no codes for these; the words are those of geth, Nethermind, Erigon, OpenEthereum and our node.
pub(crate) fn classify(error: &RpcError<TransportErrorKind>) -> Sent {
    let RpcError::ErrorResp(payload) = error else { return Sent::Unknown(error.to_string()) };
    let message = payload.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["already known", "known transaction", "already imported", "alreadyknown", "already in mempool"]) {
        Sent::Pooled
    } else if says(&["nonce too low", "nonce is too low", "oldnonce", "invalid nonce"]) {
        Sent::NonceUsed
    } else if says(&["underpriced", "fee too low to replace", "gas price too low to replace", "too low to compete"]) {
        Sent::Underpriced
    } else if says(&["insufficient funds", "insufficient balance", "insufficientfunds"]) {
        Sent::InsufficientFunds
    } else if says(&["not permitted"]) || payload.code == NOT_PERMITTED && says(&["permi"]) {
        Sent::NotPermitted(payload.message.to_string())
    } else {
        Sent::Refused(payload.message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &'static str, expected: &Sent) {
        let payload = serde_json::from_value(serde_json::json!({ "code": -32000, "message": message }));
        assert_eq!(classify(&RpcError::ErrorResp(payload.expect("an error"))), *expected, "{message}");
    }

    #[test]
    fn words_of_the_clients_are_understood() {
        check("already known", &Sent::Pooled);
        check("ALREADY_EXISTS: already known", &Sent::Pooled);
        check("Transaction with the same hash was already imported.", &Sent::Pooled);
        check("nonce too low: next nonce 5, tx nonce 4", &Sent::NonceUsed);
        check("Transaction nonce is too low. Try incrementing the nonce.", &Sent::NonceUsed);
        check("replacement transaction underpriced", &Sent::Underpriced);
        check("transaction underpriced: tip needed 2, tip permitted 1", &Sent::Underpriced);
        check("insufficient funds for gas * price + value: address 0x… have 0 want 1", &Sent::InsufficientFunds);
        check(
            "Transaction is not permitted. 0x… lacks call",
            &Sent::NotPermitted("Transaction is not permitted. 0x… lacks call".into()),
        );
        check("exceeds block gas limit", &Sent::Refused("exceeds block gas limit".into()));
    }
}
