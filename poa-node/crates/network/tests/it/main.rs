//! Nodes of the network among themselves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;
mod compact;
mod peers;
mod snapshots;
mod sync;
