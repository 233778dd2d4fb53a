//! What keygen refuses, and why.

use std::{io, path::PathBuf};

use alloy::primitives::Address;
use aurum_contracts::genesis::InvalidGenesis;
use aurum_types::spec::SpecError;

/// Why nothing was made. No message ever holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// Something is there already.
    #[error("{} exists already: keys and chain files are never overwritten. Choose another place, or move it away", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// An account whose key the whole world knows.
    #[error(
        "{address} is a well-known development key ({origin}): anybody can sign for it. Pass --dev if this chain is for development only"
    )]
    DevelopmentKey {
        /// The account.
        address: Address,
        /// Where the key is published.
        origin: &'static str,
    },
    /// Two companies, or two lines of input, claim the same thing.
    #[error("{what} {value} is given twice, by {first} and {second}")]
    Duplicate {
        /// Kind of thing: name, address, node id, endpoint.
        what: &'static str,
        /// The thing.
        value: String,
        /// Who has it.
        first: String,
        /// Who has it too.
        second: String,
    },
    /// An input that means nothing, or contradicts another.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which input.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A keystore that cannot be opened by any password.
    #[error("{}: {reason}", path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A keystore and a password that do not belong together.
    #[error("the password does not open {}", path.display())]
    WrongPassword {
        /// The keystore.
        path: PathBuf,
    },
    /// No keystore has this address.
    #[error("no keystore of {address} in {}", path.display())]
    NoKey {
        /// The account.
        address: Address,
        /// The folder that was searched.
        path: PathBuf,
    },
    /// The contracts of genesis cannot start like this.
    #[error("genesis contracts: {0}")]
    Genesis(#[from] InvalidGenesis),
    /// A chain spec that no node would take.
    #[error("chain spec: {0}")]
    Spec(#[from] SpecError),
    /// The system's answer; not the input's fault.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("no random numbers from the system: {0}")]
    Random(String),
}

impl KeygenError {
    #[expect(clippy::needless_pass_by_value, reason = "a message, made at the call")]
    pub(crate) fn invalid(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Invalid { what: what.into(), reason: reason.to_string() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => Self::Exists { path },
            _ => Self::Io { path, source },
        }
    }

    /// Whether the input is refused (as opposed to a failure of this machine).
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Random(_))
    }
}
