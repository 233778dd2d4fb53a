//! The pool.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "txpool",
    page: "txpool",
    text: "The pool.",
    methods: &[
        Method {
            name: "txpool_content",
            params: &[],
            result: "Object",
            text: "All that waits, by sender and nonce.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "txpool_contentFrom",
            params: &[("sender", "Address")],
            result: "Object",
            text: "What waits of one sender.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "txpool_inspect",
            params: &[],
            result: "Object",
            text: "The same in a line each.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "txpool_status",
            params: &[],
            result: "Object",
            text: "How much waits.",
            errors: &[],
            like: Geth,
            dev: false,
        },
    ],
};
