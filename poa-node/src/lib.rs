#![doc = include_str!("../README.md")]

mod accepted;
mod adapters;
pub mod author;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dev;
pub mod finality;
pub mod keys;
mod neighbours;
mod node;
pub mod snapshots;
mod watch;

pub use config::{Config, ConfigError};
pub use node::{NodeError, NodeHandle, run};
