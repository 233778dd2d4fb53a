//! The program against two foreign nodes: anvil as home and as public chain.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "tests"
)]

mod anvil;
mod both_ways;
mod crashes;
mod journals;
mod lies;
mod proxy;
mod stuck;
mod waiting;
mod world;
