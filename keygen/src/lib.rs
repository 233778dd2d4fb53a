#![doc = include_str!("../README.md")]

mod authority;
mod deployment;
mod error;
mod files;
mod keystore;
mod rights;
mod secret;
pub mod spec;
mod well_known;

pub use authority::{Authority, AuthorityFolder, Endpoint, create_authority, read_authorities};
pub use deployment::{InitRequest, init, shared_files, write_shared};
pub use error::KeygenError;
pub use keystore::{KeystoreInfo, create_account, find_key, inspect, keystores, read_node_key, read_password, unlock};
pub use rights::{Grant, Rights, parse_address};
pub use secret::{Password, Secret};
pub use well_known::development_key;
