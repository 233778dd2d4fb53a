//! Every error a method can answer, in the words clients match. Kinds stand once, in groups; a method names its groups. Tests
//! provoke each of them, and hold each answered error against them.

mod dev;
mod pool;
mod run;

pub(super) use self::{dev::*, pool::*, run::*};
use crate::error::{DENIED, INTERNAL, INVALID_PARAMS, INVALID_REQUEST, LIMIT, METHOD_NOT_FOUND, SERVER};

/// An error that a method can answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorKind {
    /// JSON-RPC code.
    pub(crate) code: i32,
    /// The messages; `…` stands for what varies.
    pub(crate) messages: &'static [&'static str],
    /// When it is answered.
    #[cfg_attr(not(test), expect(dead_code, reason = "of the documents"))]
    pub(crate) when: &'static str,
}

const fn kind(code: i32, messages: &'static [&'static str], when: &'static str) -> ErrorKind {
    ErrorKind { code, messages, when }
}

/// Kinds that come together.
pub(crate) type Group = &'static [ErrorKind];

/// Groups of which several methods have all, as one.
macro_rules! join {
    ($($group:expr),+) => {
        &$crate::reference::errors::joined::<{ $crate::reference::errors::length(&[$($group),+]) }>(&[$($group),+])
    };
}
use join;

const fn length(groups: &[Group]) -> usize {
    let (mut length, mut index) = (0, 0);
    while index < groups.len() {
        length += groups[index].len();
        index += 1;
    }
    length
}

const fn joined<const N: usize>(groups: &[Group]) -> [ErrorKind; N] {
    let mut kinds = [groups[0][0]; N];
    let (mut length, mut index) = (0, 0);
    while index < groups.len() {
        let mut place = 0;
        while place < groups[index].len() {
            kinds[length] = groups[index][place];
            (length, place) = (length + 1, place + 1);
        }
        index += 1;
    }
    kinds
}

/// What jsonrpsee answers to what is no JSON.
const PARSE_ERROR: i32 = -32700;

/// What jsonrpsee answers to a message on a WebSocket that is too long.
const OVERSIZED_REQUEST: i32 = -32007;

/// What every method can answer.
pub(crate) const COMMON: Group = &[
    kind(PARSE_ERROR, &["Parse error"], "The body is no JSON."),
    kind(INVALID_REQUEST, &["Invalid request"], "It is JSON, and no request of JSON-RPC 2.0."),
    kind(
        INVALID_REQUEST,
        &["invalid content type, only application/json is supported: …"],
        "The body is not said to be JSON; HTTP's status is 415.",
    ),
    kind(INVALID_REQUEST, &["the body of the request ended early"], "The body is cut short; HTTP's status is 400."),
    kind(
        INVALID_REQUEST,
        &["this is neither a request of JSON-RPC nor an upgrade to WebSocket"],
        "An upgrade that lacks what WebSocket demands; HTTP's status is 400.",
    ),
    kind(
        INVALID_REQUEST,
        &["this HTTP method is not served here; requests of JSON-RPC are sent with POST"],
        "HTTP's status is 405.",
    ),
    kind(
        INVALID_REQUEST,
        &["nothing is served at this path; JSON-RPC is at /"],
        "A path the listener has not, as `/k/TOKEN` where nobody logs in; HTTP's status is 404.",
    ),
    kind(
        METHOD_NOT_FOUND,
        &["the method … does not exist/is not available"],
        "There is no such method, or its namespace is not served on this listener.",
    ),
    kind(
        INVALID_PARAMS,
        &[
            "missing value for required argument …",
            "invalid argument …",
            "too many arguments, want at most …",
            "non-array args",
            "invalid params…",
        ],
        "The parameters do not decode; arguments are counted from 0.",
    ),
    kind(INTERNAL, &["internal error: …"], "The node's own fault; its log says more."),
    kind(
        LIMIT,
        &[
            "too many requests are waiting on this node, try again later",
            "… requests of yours are running already, the most at once",
            "more than … requests a second (bursts of …), try again later",
        ],
        "Too much at once; `data` is `{\"reason\", \"retryAfterMs\"}`.",
    ),
    kind(
        LIMIT,
        &["the request took longer than … s and was given up; ask for less"],
        "The time of a request is over; `data.reason` is `TIME_LIMIT`.",
    ),
    kind(
        LIMIT,
        &[
            "response of … bytes exceeds the limit of …",
            "batch of … requests is too large, limit is …",
            "batch response exceeds … bytes",
        ],
        "The answer or the batch is too large; `data.reason` is `SIZE_LIMIT`, or `BATCH_LIMIT` for the number of requests.",
    ),
    kind(
        LIMIT,
        &["request exceeds the limit of … bytes"],
        "The body is too large; `data.reason` is `SIZE_LIMIT`, and HTTP's status is 413.",
    ),
    kind(
        LIMIT,
        &["the body of the request did not come within … s"],
        "The client sends too slowly; `data.reason` is `TIME_LIMIT`, HTTP's status is 408, and the connection ends.",
    ),
    kind(
        OVERSIZED_REQUEST,
        &["Request is too big"],
        "The same of a message on a WebSocket, which stays open; `data` says how large one may be.",
    ),
    kind(
        DENIED,
        &["Request is not permitted. …"],
        "The caller may not do this here, or has to log in, or came by a name or from a page that is not let in; `data` says which.",
    ),
];

/// Of a tag.
pub(crate) const TAG: Group = &[NO_FINALITY];

const NO_FINALITY: ErrorKind = kind(
    SERVER,
    &["there is no finality on a chain with immediateTransitions: the tags safe and finalized mean no block"],
    "`safe` or `finalized` on a chain where nothing is ever final.",
);

/// Of a block.
pub(crate) const BLOCK: Group = &[
    NO_FINALITY,
    kind(SERVER, &["hash … is not currently canonical"], "`requireCanonical`, and the block is on another branch."),
];

/// Of a block that has to be there.
pub(crate) const UNKNOWN: Group =
    &[kind(SERVER, &["header not found"], "This node has no such block, as those above the latest.")];

/// Of a block whose state is read.
pub(crate) const STATE: Group = &[kind(
    SERVER,
    &["historical state of block … is not available on this node; ask one that keeps all states"],
    "The node does not keep the state of that block any more, or never had it.",
)];

/// Of the state after a block that is named.
pub(crate) const STATE_AT: Group = join!(BLOCK, UNKNOWN, STATE);

/// Of a transaction that has to be in a block.
pub(crate) const MINED: Group =
    &[kind(SERVER, &["transaction not found"], "No block of the chain has this transaction.")];

/// Of a block that is run again.
pub(crate) const GENESIS: Group =
    &[kind(INVALID_PARAMS, &["genesis is not traceable"], "Block 0, which was never run.")];

/// Of a range of blocks.
pub(crate) const RANGE: Group = &[
    kind(INVALID_PARAMS, &["invalid block range params"], "The range ends before it begins."),
    kind(
        LIMIT,
        &["block range … exceeds the limit of … blocks. Try with this block range […]."],
        "More blocks than this node looks at for one request.",
    ),
];

/// Of logs that are looked for.
pub(crate) const LOGS: Group = &[kind(
    LIMIT,
    &["query returned more than … results. Try with this block range […]."],
    "More logs than one answer holds.",
)];

/// Of a filter that is polled.
pub(crate) const FILTER: Group =
    &[kind(SERVER, &["filter not found"], "It was never made, was removed, or was not polled for five minutes.")];

/// Of a filter that is made.
pub(crate) const NEW_FILTER: Group =
    &[kind(LIMIT, &["too many filters: this node keeps at most …"], "All places for filters are taken.")];

/// Of a filter of logs that is made.
pub(crate) const NEW_LOG_FILTER: Group =
    &[kind(INVALID_PARAMS, &["a filter waits for new blocks: give no blockHash"], "The filter names one block.")];

/// Of past fees.
pub(crate) const PERCENTILES: Group = &[kind(
    INVALID_PARAMS,
    &["percentiles must rise from 0 to 100", "over the limit of 100 reward percentiles"],
    "Percentiles that are none, or too many.",
)];

/// Of Merkle proofs.
pub(crate) const PROOF: Group = &[
    kind(LIMIT, &["… slots asked for, at most … in one proof"], "Too many slots."),
    kind(
        LIMIT,
        &["block … is … below the latest, proofs go back … blocks"],
        "The trie of such an old block would have to be made from all that was written since.",
    ),
];

/// Of a node's own author.
pub(crate) const NO_AUTHOR: Group = &[kind(SERVER, &["this node does not seal blocks"], "The node is an observer.")];

/// Of a connection that stays open.
pub(crate) const CONNECTION: Group =
    &[kind(METHOD_NOT_FOUND, &["notifications not supported"], "Over HTTP, which has no way back.")];

/// Of a subscription.
pub(crate) const TOPIC: Group = &[
    kind(INVALID_PARAMS, &["no … subscription in eth namespace"], "There is no such topic."),
    kind(LIMIT, &["too many subscriptions on this connection"], "A connection has a limit of them."),
];

/// Of the storage of a contract.
pub(crate) const STORAGE: Group = &[
    kind(SERVER, &["transaction index … out of range for block …"], "The block has no transaction at `index`."),
    kind(INVALID_PARAMS, &["a start of … bytes: at most 32 are expected"], "`start` is longer than a slot's hash."),
    kind(
        LIMIT,
        &[
            "account … has more than … storage slots, which are not listed at once; this node looks at …, read single slots with eth_getStorageAt",
        ],
        "All slots of the contract are looked at for each page, and these are too many.",
    ),
];

/// Of accounts whose transactions are looked for.
pub(crate) const SEARCH: Group = &[
    kind(LIMIT, &["a page of … transactions was asked for, it has 1 to …"], "No page, or too large a one."),
    kind(
        LIMIT,
        &["no index of accounts is kept here, and the search took too long; it came to block …"],
        "The time of a trace is over.",
    ),
];

/// Of certificates that are asked for.
pub(crate) const FAR_CERTIFICATE: Group = &[kind(
    INVALID_PARAMS,
    &["the next certificate is of block …, more than … above: ask for a block nearer to it"],
    "Certificates had stood still: the way down from the next one is too long for an answer.",
)];

/// Of votes.
pub(crate) const NO_CERTIFICATES: Group =
    &[kind(SERVER, &["finality certificates are off on this chain"], "Nobody votes on this chain.")];
