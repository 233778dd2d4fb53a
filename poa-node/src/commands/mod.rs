//! What the program does besides running a node, one file a command.
//!
//! A command prints exactly one JSON object on standard output and ends with exit code 0 or 1; people read what goes to
//! standard error. Bytes are lower-case hex with 0x, integers below 2^53 numbers and larger ones decimal strings. An
//! object of a command that failed has a member `error`. Commands work offline and make nothing but what they are asked
//! for.

pub mod block_file;
pub mod chain;
pub mod compact;
pub mod export;
pub mod import;
pub mod json;
mod message;
mod offline;
mod refusal;
pub mod snapshot;
pub mod verify_certificate;

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

pub use message::one_line;

use crate::config::{ConfigError, Options};

/// What a command found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What goes to standard output.
    pub json: Value,
    /// What decides the exit code: whether the question was answered with yes.
    pub success: bool,
}

impl Answer {
    /// An answer with exit code 0.
    pub const fn yes(json: Value) -> Self {
        Self { json, success: true }
    }

    /// Exit code 0 and nothing to print: standard output was used for something else.
    pub const fn silent() -> Self {
        Self { json: Value::Null, success: true }
    }

    /// An answer with exit code 1.
    pub const fn no(json: Value) -> Self {
        Self { json, success: false }
    }
}

/// Where a node's folder is: the node's own options, for commands that work on its database.
#[derive(Debug, clap::Args)]
pub struct Folder {
    /// Configuration file [default: $BASE/config.toml if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The node's options; most of them mean nothing here.
    #[command(flatten)]
    pub options: Options,
}

impl Folder {
    /// What was typed after the command, then before it, then what is in the configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration file that cannot be read or is wrong.
    pub fn options(self, before: Options, config: Option<PathBuf>) -> Result<Options, ConfigError> {
        let (options, warnings) = self.options.or(before).with_file(self.config.or(config).as_deref())?;
        for warning in warnings {
            tracing::warn!("configuration: {warning}");
        }
        Ok(options)
    }
}

/// Prints what a command found, or why it found nothing, and gives the exit code.
pub fn finish(result: anyhow::Result<Answer>) -> ExitCode {
    let answer = result.unwrap_or_else(|error| {
        let error = one_line(error.as_ref());
        eprintln!("error: {error}");
        Answer::no(json!({ "error": error }))
    });
    if !answer.json.is_null() {
        println!("{:#}", answer.json);
    }
    if answer.success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
