//! Certificates.

use super::{Like::*, Method, Section};

pub(super) const SECTION: Section = Section {
    title: "finality",
    methods: &[
        Method {
            name: "finality_getCertificate",
            params: &[("height", "Quantity")],
            result: "Object|null",
            text: "The certificate that makes a block final, to be verified elsewhere.",
            like: Own,
            dev: false,
        },
        Method {
            name: "finality_status",
            params: &[],
            result: "Object",
            text: "Votes, certificates and contradictions seen.",
            like: Own,
            dev: false,
        },
    ],
};
