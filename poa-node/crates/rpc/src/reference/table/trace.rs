//! Parity's traces.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "trace",
    methods: &[
        Method {
            name: "trace_block",
            params: &[("block", "Block")],
            result: "Object[]|null",
            text: "What happened inside a block's transactions, then its rewards (`block`, `emptyStep`, `external`).",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_call",
            params: &[("message", "Call"), ("types", "String[]"), ("block?", "Block")],
            result: "Object",
            text: "What would happen in a message: `trace`, `stateDiff`, `vmTrace`.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_callMany",
            params: &[("calls", "Array"), ("block?", "Block")],
            result: "Object[]",
            text: "The same of several, each on what those before it left behind.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_filter",
            params: &[("filter", "Object")],
            result: "Object[]",
            text: "Frames and rewards of a range of blocks by `fromAddress`, `toAddress`, `after`, `count`, and Erigon's `mode`.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_get",
            params: &[("hash", "Hash"), ("address", "Quantity[]")],
            result: "Object|null",
            text: "One frame of a transaction.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_rawTransaction",
            params: &[("transaction", "Bytes"), ("types", "String[]"), ("block?", "Block")],
            result: "Object",
            text: "trace_call of a signed transaction, which is not sent.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_replayBlockTransactions",
            params: &[("block", "Block"), ("types", "String[]")],
            result: "Object[]",
            text: "trace_replayTransaction of each transaction of a block.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_replayTransaction",
            params: &[("hash", "Hash"), ("types", "String[]")],
            result: "Object",
            text: "What happened in a transaction: `trace`, `stateDiff`, `vmTrace`.",
            like: Parity,
            dev: false,
        },
        Method {
            name: "trace_transaction",
            params: &[("hash", "Hash")],
            result: "Object[]|null",
            text: "The frames of a transaction.",
            like: Parity,
            dev: false,
        },
    ],
};
