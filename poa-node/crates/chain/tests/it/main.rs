//! The chain as a whole, on a clock and with keys in our hands.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod batch;
mod certificates;
mod epochs;
mod import;
mod killed;
mod kit;
mod order;
mod permissions;
mod receipts;
mod restart;
mod service;
mod snapshot_proofs;
mod snapshots;
mod stall;
mod steps;
mod view;
