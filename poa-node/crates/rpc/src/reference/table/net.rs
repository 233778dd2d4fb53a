//! The network in a word.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "net",
    page: "net",
    text: "The network in a word.",
    methods: &[
        Method {
            name: "net_listening",
            params: &[],
            result: "Boolean",
            text: "Whether others can connect.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "net_peerCount",
            params: &[],
            result: "Quantity",
            text: "Number of connected nodes.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "net_version",
            params: &[],
            result: "String",
            text: "Network id, decimal.",
            errors: &[],
            like: Geth,
            dev: false,
        },
    ],
};
