//! `poa-node chain …`: questions about a chain spec, answered offline from the file and the genesis state it gives.

mod check;
mod context;
mod header;
mod permission;
mod step;
mod validators;

use std::path::PathBuf;

use clap::Subcommand;

pub use self::{
    check::check,
    context::{Genesis, Loaded, SpecArgs, load, load_text},
    header::{Check, HeaderArgs, header},
    permission::{PermissionArgs, permission},
    step::{StepArgs, step},
    validators::{ValidatorsArgs, entry_in_force, validators},
};
use super::Answer;

/// What to ask about a chain.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Read a chain spec: genesis hash, state root, first validators, and everything odd about it
    Check(SpecArgs),
    /// Check a header against the engine's rules, one result a rule
    Header(HeaderArgs),
    /// The step at a time
    Step(StepArgs),
    /// What the transaction permission contract says, on the genesis state
    Permission(PermissionArgs),
    /// Who seals a block, by the genesis state
    Validators(ValidatorsArgs),
}

impl ChainCommand {
    /// Answers. `chain` is the spec named before the command or in the environment; one named after it wins.
    ///
    /// # Errors
    /// When the spec cannot be used, or the question makes no sense.
    pub fn run(self, chain: Option<PathBuf>) -> anyhow::Result<Answer> {
        match self {
            Self::Check(spec) => check(&load(&spec.or(chain), true)?),
            Self::Header(args) => header(&load(&args.spec.clone().or(chain), false)?, &args),
            Self::Step(args) => step(&load(&args.spec.clone().or(chain), false)?, args.time),
            Self::Permission(args) => permission(&load(&args.spec.clone().or(chain), true)?, &args),
            Self::Validators(args) => validators(&load(&args.spec.clone().or(chain), false)?, args.block),
        }
    }
}
