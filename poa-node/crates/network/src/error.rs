//! Why the network does not start.

use std::{io, net::SocketAddr};

use crate::EnodeError;

/// Why [`crate::run`] failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address cannot be listened at.
    #[error("cannot listen for peers at {address}: {source}{}", hint(source))]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A reserved peer's id is no key.
    #[error("reserved peer {enode}: {source}")]
    Reserved {
        /// As configured.
        enode: String,
        /// What is wrong.
        source: EnodeError,
    },
    /// The transport could not be built.
    #[error("network could not be set up: {0}")]
    Setup(String),
}

fn hint(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::AddrInUse {
        "; another process has the port, choose one with --port"
    } else {
        ""
    }
}
