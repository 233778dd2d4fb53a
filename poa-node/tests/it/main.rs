//! The node, from outside or as a whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod authorities;
mod dev;
mod files;
mod flood;
mod killed;
mod node_permission;
mod parity_deploy;
mod simulation;
mod vectors;
