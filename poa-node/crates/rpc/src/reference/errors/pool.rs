//! Of sent transactions.

use super::{Group, kind};
use crate::error::{LIMIT, NOT_PERMITTED, SERVER};

/// Of an encoded transaction.
pub(crate) const ENCODED: Group = &[
    kind(SERVER, &["malformed transaction: …"], "The bytes are no transaction."),
    kind(SERVER, &["transaction type not supported: …"], "A type this chain never takes, as blobs."),
    kind(SERVER, &["invalid sender"], "The signature has no signer, or a high s (EIP-2)."),
];

/// Of a transaction that somebody else signed.
pub(crate) const SIGNED: Group = &[
    kind(SERVER, &["EIP-7702 transaction with empty auth list"], "A type-4 transaction without authorizations."),
    kind(SERVER, &["invalid chain id for signer: have … want …"], "It is signed for another chain."),
    kind(
        SERVER,
        &["only replay-protected (EIP-155) transactions allowed over RPC"],
        "It is signed for no chain, and the node does not run with `--allow-unprotected-txs`.",
    ),
];

/// Of a transaction that is to wait. geth's words, where geth has the rule.
pub(crate) const POOL: Group = &[
    kind(SERVER, &["already known"], "It waits already."),
    kind(SERVER, &["nonce too low: next nonce …, tx nonce …"], "A block has a transaction with this nonce."),
    kind(
        SERVER,
        &["nonce too high: next nonce …, tx nonce …, and … transactions wait for the nonces between"],
        "Too many of the sender's transactions wait behind a missing nonce.",
    ),
    kind(SERVER, &["nonce has max value"], "No nonce comes after it (EIP-2681)."),
    kind(
        SERVER,
        &["replacement transaction underpriced: …"],
        "Another waits with this nonce, and this one does not pay 10 % more in both fee fields.",
    ),
    kind(
        SERVER,
        &["insufficient funds for gas * price + value: balance …"],
        "The balance does not cover it, or not together with those that wait.",
    ),
    kind(SERVER, &["intrinsic gas too low: gas …, minimum needed …"], "The gas limit is below what it costs to begin."),
    kind(SERVER, &["exceeds block gas limit"], "No block has that much gas."),
    kind(
        SERVER,
        &["max fee per gas less than block base fee: maxFeePerGas: …, baseFee: …"],
        "It could not be in the next block, on a chain that charges gas.",
    ),
    kind(SERVER, &["max priority fee per gas higher than max fee per gas"], "Its fees contradict each other."),
    kind(
        SERVER,
        &["zero gas price transaction of an uncertified sender"],
        "It offers nothing, on a chain where a contract says who may.",
    ),
    kind(SERVER, &["max initcode size exceeded: code size …, limit …"], "Creation code above the limit (EIP-3860)."),
    kind(SERVER, &["oversized data: transaction size …, limit …"], "More bytes than a transaction may have."),
    kind(SERVER, &["transaction type not supported"], "A type that is not active on this chain."),
    kind(SERVER, &["sender not an eoa: address …"], "The sender has code (EIP-3607)."),
    kind(
        NOT_PERMITTED,
        &["Transaction is not permitted. …"],
        "The sender has no right to it; `data` is `{\"reason\", \"needed\", \"have\", \"contract\", \"block\", \"grantors\"}`, the last where the contract tells who they are.",
    ),
    kind(
        LIMIT,
        &[
            "txpool is full: … transactions wait, retry after the next block",
            "txpool is full for sender …: … transactions wait",
        ],
        "The pool, or the sender's part of it, is full; `data` is `{\"reason\", \"retryAfterMs\"}`.",
    ),
];

/// Of transactions that are sent many at a time.
pub(crate) const INTAKE: Group = &[kind(
    LIMIT,
    &["node is busy: … transactions wait to be checked, try again later"],
    "More transactions came at once than are checked in time; `data` is `{\"reason\", \"retryAfterMs\"}`.",
)];
