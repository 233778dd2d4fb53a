//! The engine.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "aura",
    page: "aura",
    text: "The engine.",
    methods: &[
        Method {
            name: "aura_getFinality",
            params: &[],
            result: "Object",
            text: "The newest final block, and what the next one lacks.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getPendingChange",
            params: &[],
            result: "Object|null",
            text: "A change of validators that waits for finality.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getStep",
            params: &[],
            result: "Number",
            text: "The step by this node's clock.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getSteps",
            params: &[("count?", "Number")],
            result: "Object[]",
            text: "What became of the last steps, turn by turn.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getValidators",
            params: &[],
            result: "Address[]",
            text: "Who seals the next block, in order.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_status",
            params: &[],
            result: "Object",
            text: "All of it, and this node's own author.",
            errors: &[],
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_whyNoBlock",
            params: &[],
            result: "Object",
            text: "Why there is no block, in sentences.",
            errors: &[],
            like: Own,
            dev: false,
        },
    ],
};
