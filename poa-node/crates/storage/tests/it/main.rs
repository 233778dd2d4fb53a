//! The storage crate from outside, in one binary, since each costs a link with RocksDB.

mod crash;
mod leaves;
mod state;
mod support;
mod unwind;
