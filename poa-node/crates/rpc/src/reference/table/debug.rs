//! geth's tracers and raw encodings.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "debug",
    methods: &[
        Method {
            name: "debug_getRawBlock",
            params: &[("block", "Block")],
            result: "Bytes",
            text: "RLP of a block as it is hashed: a Parity header, with its seal.",
            like: Own,
            dev: false,
        },
        Method {
            name: "debug_getRawHeader",
            params: &[("block", "Block")],
            result: "Bytes",
            text: "RLP of a header.",
            like: Own,
            dev: false,
        },
        Method {
            name: "debug_getRawReceipts",
            params: &[("block", "Block")],
            result: "Bytes[]",
            text: "EIP-2718 forms of a block's receipts.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_getRawTransaction",
            params: &[("hash", "Hash")],
            result: "Bytes",
            text: "EIP-2718 form of a transaction.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_traceBlock",
            params: &[("rlp", "Bytes"), ("options?", "Object")],
            result: "Object[]",
            text: "Traces of a block's transactions, given as `debug_getRawBlock` gives it; its parent must be here.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_traceBlockByHash",
            params: &[("hash", "Hash"), ("options?", "Object")],
            result: "Object[]",
            text: "debug_traceTransaction of each transaction of a block.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_traceBlockByNumber",
            params: &[("number", "Tag"), ("options?", "Object")],
            result: "Object[]",
            text: "The same by height or tag.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_traceCall",
            params: &[("message", "Call"), ("block?", "Block"), ("options?", "Object")],
            result: "Object",
            text: "The same of a message, with `stateOverrides`, `blockOverrides` and `txIndex`.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "debug_traceTransaction",
            params: &[("hash", "Hash"), ("options?", "Object")],
            result: "Object",
            text: "A transaction run again under a tracer: callTracer (`withLog`, `onlyTopCall`), prestateTracer (`diffMode`), 4byteTracer, flatCallTracer, muxTracer, noopTracer, or without one instruction by instruction. No JavaScript.",
            like: Geth,
            dev: false,
        },
    ],
};
