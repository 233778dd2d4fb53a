//! The node in a word.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "web3",
    page: "web3",
    text: "The node in a word.",
    methods: &[
        Method {
            name: "web3_clientVersion",
            params: &[],
            result: "String",
            text: "What this node is.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "web3_sha3",
            params: &[("data", "Bytes")],
            result: "Hash",
            text: "Keccak-256.",
            errors: &[],
            like: Geth,
            dev: false,
        },
    ],
};
