//! Permissions and their reasons.

use super::{Like::*, Method, Section, errors};

pub(super) const SECTION: Section = Section {
    title: "perm",
    page: "perm",
    text: "Permissions and their reasons.",
    methods: &[
        Method {
            name: "perm_check",
            params: &[("message", "Call"), ("block?", "Block")],
            result: "Boolean",
            text: "Whether a transaction with these fields would be permitted.",
            errors: &[errors::MESSAGE_AT],
            like: Own,
            dev: false,
        },
        Method {
            name: "perm_explain",
            params: &[("message", "Call"), ("block?", "Block")],
            result: "Object",
            text: "The same with the rule, what is needed and there, and who can grant it.",
            errors: &[errors::MESSAGE_AT],
            like: Own,
            dev: false,
        },
        Method {
            name: "perm_getPermissions",
            params: &[("account", "Address"), ("block?", "Block")],
            result: "Object",
            text: "An account's rights.",
            errors: &[errors::STATE_AT],
            like: Own,
            dev: false,
        },
        Method {
            name: "perm_whyTransaction",
            params: &[("hash", "Hash")],
            result: "Object",
            text: "What became of a transaction: `unknown`, `refused`, `pending`, `queued`, `replaced`, `dropped`, `mined` or `reverted`, and why; custom errors by name, as far as they are known.",
            errors: &[errors::RUN_AGAIN],
            like: Own,
            dev: false,
        },
    ],
};
