//! JSON-RPC itself.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "rpc",
    page: "rpc",
    text: "JSON-RPC itself.",
    methods: &[
        Method {
            name: "rpc_modules",
            params: &[],
            result: "Object",
            text: "The namespaces served.",
            errors: &[],
            like: Geth,
            dev: false,
        },
        Method {
            name: "rpc.discover",
            params: &[],
            result: "Object",
            text: "This reference as an OpenRPC document.",
            errors: &[],
            like: Own,
            dev: false,
        },
    ],
};
