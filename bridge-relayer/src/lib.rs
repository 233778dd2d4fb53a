#![doc = include_str!("../README.md")]

mod api;
mod board;
mod chain;
mod config;
mod decide;
pub mod deploy;
mod deposit;
mod facts;
mod fees;
mod files;
mod journal;
mod lane;
mod metrics;
mod relayer;
mod run;
mod send;
mod sign;
mod state;
mod submit;
mod watch;

pub use chain::{BlockRef, ChainError};
pub use config::{ChainConfig, Config, ConfigError, Overrides};
pub use decide::{Action, Executed, Facts, Obstacle, Why, decide, distance};
pub use deposit::Deposit;
pub use facts::DigestMismatch;
pub use fees::Fees;
pub use journal::{CRASH_AT, Cursor, Journal, JournalError};
pub use lane::Lane;
pub use relayer::RelayerError;
pub use run::{Handle, StartError, run};
pub use sign::{Draft, KeyError, SignedTx};
pub use state::{Attestation, Event, IllegalEvent, Key, OwnTx, Record, Step, Work};
pub use submit::{Flight, Mined};
