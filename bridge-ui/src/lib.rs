#![doc = include_str!("../README.md")]

mod amount;
mod api;
mod app;
mod assess;
mod cache;
mod chain;
mod config;
mod events;
mod pages;
mod prepare;
mod quote;
mod refusal;
mod relayers;
mod server;
mod status;
mod time;
mod transfer;

pub use app::AppError;
pub use chain::Unanswered;
pub use config::{ChainConfig, Config, ConfigError};
pub use server::{Handle, ServerError, run};
