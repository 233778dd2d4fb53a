#![doc = include_str!("../README.md")]

mod addresses;
mod artifact;
mod bindings;
pub mod genesis;
mod side;
mod transfer;

pub use addresses::{Addresses, AddressesError, BridgeSide, Finality, TokenPair};
pub use artifact::{Artifact, ArtifactError};
pub use bindings::{
    BridgeValidators, BridgedToken, CertificateVerifier, Erc1967Proxy, ForeignBridge, HomeBridge, ICertificateVerifier,
    LoadToken, Permissions, RlcLikeToken, TimelockController, ValidatorSet,
};
pub use side::{Side, Sides};
pub use transfer::{MESSAGE_VERSION, Transfer, bridge_domain, transfer_id};

/// Rights of an account on the home chain, as [`Permissions`] stores them.
pub mod rights {
    /// Plain transfers to accounts without code.
    pub const BASIC: u32 = 1;
    /// Calls of contracts.
    pub const CALL: u32 = 2;
    /// Creation of contracts.
    pub const CREATE: u32 = 4;
    /// Reading the chain.
    pub const READ: u32 = 16;
    /// Everything.
    pub const ALL: u32 = BASIC | CALL | CREATE | READ;
    /// What an admin has at least, whatever the list says.
    pub const ADMIN: u32 = READ | BASIC | CALL;
}
