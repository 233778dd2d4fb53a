//! What can be wrong, or odd, about a chain spec file.

use std::fmt;

/// Why a chain spec cannot be used. Every variant names the place in the file, as a path of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not JSON, or a key occurs twice in one object.
    #[error("the chain spec is not valid JSON: {0}")]
    Json(String),
    /// A key that has no default.
    #[error("{path}: required key is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// A value that is not what its key demands.
    #[error("{path}: {reason}")]
    Invalid {
        /// Where.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another consensus engine than AuRa.
    #[error("engine `{name}` is not supported: this node runs chains of engine `authorityRound` only")]
    Engine {
        /// The engine's key in the file.
        name: String,
    },
    /// A warning, in strict mode.
    #[error("{0} (refused in strict mode)")]
    Strict(SpecWarning),
}

impl SpecError {
    pub(super) fn invalid(path: &str, reason: impl fmt::Display) -> Self {
        Self::Invalid { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// Something in a chain spec that does not stop the node and that its operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecWarning {
    /// Where, as a path of keys: `params.eip9999Transition`.
    pub path: String,
    /// What.
    pub kind: SpecWarningKind,
}

/// The kinds of [`SpecWarning`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecWarningKind {
    /// A key nobody knows; it has no effect.
    UnknownKey,
    /// A key of Parity or Nethermind for something this node does not do; the reason says what will differ.
    Unsupported(&'static str),
    /// A value that was brought into its range, or a default that had to be assumed.
    Adjusted(String),
}

impl fmt::Display for SpecWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SpecWarningKind::UnknownKey => write!(f, "{}: unknown key, it has no effect", self.path),
            SpecWarningKind::Unsupported(why) => write!(f, "{}: {why}", self.path),
            SpecWarningKind::Adjusted(how) => write!(f, "{}: {how}", self.path),
        }
    }
}
