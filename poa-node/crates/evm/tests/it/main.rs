//! Execution, by its outcomes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod answers;
mod builder;
mod calls;
mod check;
mod common;
mod contracts;
mod eips;
mod forks;
mod genesis;
mod native_permission;
mod permission;
mod restrictions;
mod system;
mod traces;
mod transactions;
