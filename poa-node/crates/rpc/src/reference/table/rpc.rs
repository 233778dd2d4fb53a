//! JSON-RPC itself.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "rpc",
    methods: &[
        Method {
            name: "rpc_modules",
            params: &[],
            result: "Object",
            text: "The namespaces served.",
            like: Geth,
            dev: false,
        },
        Method {
            name: "rpc.discover",
            params: &[],
            result: "Object",
            text: "This reference as an OpenRPC document.",
            like: Own,
            dev: false,
        },
    ],
};
