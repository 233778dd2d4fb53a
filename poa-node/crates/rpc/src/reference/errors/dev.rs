//! Of development chains.

use super::{Group, kind};
use crate::error::{INVALID_PARAMS, LIMIT, SERVER};

/// Of an account the node signs for.
pub(crate) const ACCOUNT: Group = &[kind(SERVER, &["unknown account"], "The node has no key for this account.")];

/// Of a message that is to be a transaction.
pub(crate) const FILL: Group = &[
    kind(INVALID_PARAMS, &["missing field from"], "Nobody to sign for."),
    super::BOTH_PRICES,
    super::BLOBS,
    kind(
        INVALID_PARAMS,
        &["the fields do not make a transaction of any type"],
        "Fields of several types, as a `gasPrice` with authorizations.",
    ),
];

/// Of EIP-712.
pub(crate) const TYPED_DATA: Group =
    &[kind(INVALID_PARAMS, &["typed data: …"], "The data are no typed data, or do not fit their types.")];

/// Of blocks on demand.
pub(crate) const MINE: Group = &[
    kind(SERVER, &["no block was mined: …"], "No block could be sealed."),
    kind(
        SERVER,
        &["mining ended after … of … blocks: the node stops"],
        "The node is stopped meanwhile. It also ends when the client has gone, or the time of a request is over.",
    ),
    kind(LIMIT, &["… blocks asked for, at most … at once"], "Too many blocks."),
];

/// Of the next block's time.
pub(crate) const PAST: Group = &[kind(
    SERVER,
    &["Timestamp … is lower than or equal to previous block's timestamp …"],
    "A time no later than the latest block's; Hardhat's words.",
)];

/// Of edits of state and past.
pub(crate) const EDIT: Group = &[kind(
    SERVER,
    &["this chain has an authority of its own: its state and past cannot be edited"],
    "A development chain whose authority is not that of `poa-node dev`.",
)];

/// Of an edit's block.
pub(crate) const EDITED: Group = &[kind(SERVER, &["no block was mined: …"], "The edit's block could not be sealed.")];

/// Of going back.
pub(crate) const REWIND: Group =
    &[kind(SERVER, &["the chain was not taken back: …"], "The past is not kept any more.")];

/// Of forks of other chains.
pub(crate) const FORKING: Group =
    &[kind(INVALID_PARAMS, &["this node does not fork other chains"], "`forking` names a node or a block.")];
