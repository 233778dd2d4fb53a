//! The engine.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "aura",
    methods: &[
        Method {
            name: "aura_getFinality",
            params: &[],
            result: "Object",
            text: "The newest final block, and what the next one lacks.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getPendingChange",
            params: &[],
            result: "Object|null",
            text: "A change of validators that waits for finality.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getStep",
            params: &[],
            result: "Number",
            text: "The step by this node's clock.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getSteps",
            params: &[("count?", "Number")],
            result: "Object[]",
            text: "What became of the last steps, turn by turn.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_getValidators",
            params: &[],
            result: "Address[]",
            text: "Who seals the next block, in order.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_status",
            params: &[],
            result: "Object",
            text: "All of it, and this node's own author.",
            like: Own,
            dev: false,
        },
        Method {
            name: "aura_whyNoBlock",
            params: &[],
            result: "Object",
            text: "Why there is no block, in sentences.",
            like: Own,
            dev: false,
        },
    ],
};
