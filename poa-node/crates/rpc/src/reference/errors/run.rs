//! Of messages that are run, and of what is run again.

use super::{ErrorKind, Group, STATE, STATE_AT, join, kind};
use crate::error::{INVALID_PARAMS, LIMIT, REVERTED, SERVER};

/// Of a message.
pub(crate) const MESSAGE: Group = &[
    kind(INVALID_PARAMS, &["chainId does not match node's (have=…, want=…)"], "A message for another chain."),
    BOTH_PRICES,
    BLOBS,
    kind(
        INVALID_PARAMS,
        &["both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data"],
        "`data` and `input` contradict each other.",
    ),
];

/// Of a message that is run on the state after a block.
pub(crate) const MESSAGE_AT: Group = join!(MESSAGE, STATE_AT);

/// Of a message that is run once for its result, or again and again for its gas.
pub(crate) const CALL: Group = join!(MESSAGE_AT, STATE_OVERRIDES, BLOCK_OVERRIDES, INTRINSIC, RUN, OUT_OF_GAS, ENDS);

pub(super) const BOTH_PRICES: ErrorKind =
    kind(INVALID_PARAMS, &["both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"], "Fees of two kinds.");

pub(super) const BLOBS: ErrorKind =
    kind(INVALID_PARAMS, &["blob transactions are not part of this chain"], "Fields of a blob transaction.");

/// Of accounts as they are not.
pub(crate) const STATE_OVERRIDES: Group = &[kind(
    SERVER,
    &[
        "state overrides: account has both 'state' and 'stateDiff'",
        "state overrides: account … is already overridden",
        "state overrides: account … is not a precompile",
    ],
    "Overrides that contradict each other, or that move what is no precompile, or move it to an account that is overridden.",
)];

/// Of a block as it is not.
pub(crate) const BLOCK_OVERRIDES: Group = &[kind(
    SERVER,
    &[
        "block overrides: blockHash is not supported",
        "block overrides: parentBeaconBlockRoot is not supported",
        "block overrides: blobBaseFee is zero on this chain, which has no blobs",
        "block overrides: … does not fit 64 bits",
    ],
    "Values no block of this chain can have.",
)];

/// Of a message with a gas limit.
pub(crate) const INTRINSIC: Group = &[kind(
    SERVER,
    &["intrinsic gas too low: gas …, minimum needed …"],
    "`gas` does not pay for the message before its first instruction.",
)];

/// Of a message that is run.
pub(crate) const RUN: Group = &[
    kind(
        SERVER,
        &["max priority fee per gas higher than max fee per gas"],
        "`maxPriorityFeePerGas` is above `maxFeePerGas`, on a chain that charges gas.",
    ),
    kind(SERVER, &["max initcode size exceeded: code size …, limit …"], "Creation code above the limit (EIP-3860)."),
    kind(
        SERVER,
        &["code that begins as wasm cannot be run"],
        "Code that Parity ran as wasm, on a chain with `wasmActivationTransition`.",
    ),
];

/// Of a message with a gas limit that has to succeed.
pub(crate) const OUT_OF_GAS: Group = &[kind(SERVER, &["out of gas"], "Its own gas limit was too little.")];

/// Of a message that has to succeed.
pub(crate) const ENDS: Group = &[
    kind(
        REVERTED,
        &["execution reverted…"],
        "It reverted: `execution reverted: ` and the reason where that is a text or a panic; `data` is the revert data.",
    ),
    kind(
        SERVER,
        &["gas required exceeds allowance (…)"],
        "It used all gas that this node, or the block, grants a message.",
    ),
    kind(
        SERVER,
        &[
            "invalid opcode…",
            "invalid jump destination",
            "stack underflow",
            "stack limit reached 1024",
            "return data out of bounds",
            "contract address collision",
            "max code size exceeded",
            "invalid code: must not begin with 0xef",
        ],
        "It was stopped otherwise, in geth's words.",
    ),
];

/// Of what is recorded while something runs.
pub(crate) const TRACE_TIME: Group = &[kind(
    LIMIT,
    &["execution timeout: tracing took longer …"],
    "The time of a trace is over; `data.reason` is `TIME_LIMIT`.",
)];

/// Of what is recorded while something runs.
pub(crate) const TRACE_SIZE: Group = &[kind(
    LIMIT,
    &["the trace is larger than this node records at once; ask for less (disableStack, disableStorage, limit)"],
    "There is too much to record.",
)];

/// Of what is traced.
pub(crate) const TRACE: Group = join!(TRACE_TIME, TRACE_SIZE);

/// Of what is run again, on the state before it, and traced.
pub(crate) const RUN_AGAIN: Group = join!(STATE, TRACE);

/// Of geth's tracers.
pub(crate) const TRACER: Group = &[
    kind(
        INVALID_PARAMS,
        &["JS Tracer is not enabled", "invalid tracer config"],
        "There is no such tracer, or it has no such setting.",
    ),
    kind(
        INVALID_PARAMS,
        &[
            "unexpected config for tracer …",
            "expected config is missing for tracer …",
            "unsupported tracer type: …",
            "error deserializing config: …",
        ],
        "The same of a tracer within muxTracer.",
    ),
    kind(INVALID_PARAMS, &["time: invalid duration …"], "`timeout` is no duration as Go writes it."),
];

/// Of simulated blocks.
pub(crate) const SIMULATION: Group = &[
    kind(INVALID_PARAMS, &["empty input"], "No block to simulate."),
    kind(
        INVALID_PARAMS,
        &[
            "state overrides: account has both 'state' and 'stateDiff'",
            "state overrides: account … is already overridden",
            "state overrides: account … is not a precompile",
            "max priority fee per gas higher than max fee per gas",
        ],
        "What no transaction of a block can have, and execution-apis gives no code of its own.",
    ),
    kind(-38010, &["nonce too low: next nonce …, tx nonce …"], "With `validation`: the nonce is used."),
    kind(-38011, &["nonce too high: next nonce …, tx nonce …"], "With `validation`: a nonce before it is missing."),
    kind(
        -38012,
        &["max fee per gas less than block base fee: maxFeePerGas …, baseFee …"],
        "With `validation`: the price is below the base fee.",
    ),
    kind(-38013, &["intrinsic gas too low: gas …, minimum needed …"], "The gas limit is below what it costs to begin."),
    kind(
        -38014,
        &["insufficient funds for gas * price + value: have … want …"],
        "The sender cannot pay for its transaction.",
    ),
    kind(-38015, &["block gas limit reached: remaining …, required …"], "The block has no gas left for it."),
    kind(-38020, &["block numbers must rise: … after …"], "A block below the one before it."),
    kind(-38021, &["block timestamps must rise: … after …"], "A block no later than the one before it."),
    kind(-38024, &["sender not an eoa"], "With `validation`: the sender has code."),
    kind(-38025, &["max initcode size exceeded: code size …, limit …"], "Creation code above the limit."),
    kind(-38026, &["too many blocks: … is over … ahead"], "More blocks than one simulation has."),
];

/// Of a block that is given.
pub(crate) const RAW_BLOCK: Group = &[
    kind(
        INVALID_PARAMS,
        &["could not decode block: …", "parent … not found", "invalid transaction signature"],
        "The bytes are no block, its parent is not here, or nobody signed a transaction of it.",
    ),
    kind(
        SERVER,
        &["transaction … in block: …", "transaction … in block asks for … gas, … are left"],
        "The block has a transaction that cannot be in it.",
    ),
];

/// Of a place in a block.
pub(crate) const TX_INDEX: Group =
    &[kind(INVALID_PARAMS, &["txIndex is past the block's …"], "The block has no transaction at `txIndex`.")];

/// Of several calls.
pub(crate) const CALLS: Group = &[kind(LIMIT, &["… calls asked for, at most … at once"], "Too many calls.")];

/// Of traces that are looked for.
pub(crate) const TRACES: Group = &[kind(
    LIMIT,
    &["more than … traces match, at block …: ask for pages (after, count) or fewer blocks"],
    "More traces than one answer holds.",
)];
