//! Certificates.

use super::{Like::*, Method, Section, errors};

pub(super) const SECTION: Section = Section {
    title: "finality",
    page: "finality",
    text: "Certificates.",
    methods: &[
        Method {
            name: "finality_getCertificate",
            params: &[("height", "Tag|Number")],
            result: "Object|null",
            text: "The certificate that makes a block final, to be verified elsewhere.",
            errors: &[errors::FAR_CERTIFICATE],
            like: Own,
            dev: false,
        },
        Method {
            name: "finality_status",
            params: &[],
            result: "Object",
            text: "Votes, certificates and contradictions seen.",
            errors: &[errors::NO_CERTIFICATES],
            like: Own,
            dev: false,
        },
    ],
};
