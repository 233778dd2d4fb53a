//! The reference of all methods: as documents for people, and as OpenRPC for programs.

#[cfg(test)]
mod absent;
#[cfg(test)]
mod document;
mod errors;
mod examples;
mod openrpc;
mod table;

use jsonrpsee::core::RegisterMethodError;
use serde_json::Value;

use self::errors::Group;
pub use self::openrpc::openrpc;
pub(crate) use self::table::SECTIONS;
use crate::{context::Context, error::Answer, methods::Registrar};
use aurum_chain::{Grant, Read};

/// Whose behaviour a method has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Like {
    /// go-ethereum's, by execution-apis.
    Geth,
    /// Parity's, or OpenEthereum's.
    Parity,
    /// Anvil's or Hardhat's.
    Anvil,
    /// As Otterscan wants it.
    Otterscan,
    /// This node's own.
    Own,
}

impl Like {
    const fn name(self) -> &'static str {
        match self {
            Self::Geth => "geth",
            Self::Parity => "Parity",
            Self::Anvil => "Anvil",
            Self::Otterscan => "Otterscan",
            Self::Own => "own",
        }
    }
}

/// One method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: &'static str,
    /// Positional parameters: name, with `?` where it may be left out, and kind.
    pub(crate) params: &'static [(&'static str, &'static str)],
    /// What it gives.
    pub(crate) result: &'static str,
    /// What it is for.
    pub(crate) text: &'static str,
    /// What it can answer instead, besides [`errors::COMMON`].
    pub(crate) errors: &'static [Group],
    /// Whose behaviour it has.
    pub(crate) like: Like,
    /// Only on a development chain.
    pub(crate) dev: bool,
}

/// Whether a method is in the reference, with this number of parameters. What is not is not registered.
pub(crate) fn has(name: &str, params: usize) -> bool {
    SECTIONS
        .iter()
        .flat_map(|section| section.methods)
        .any(|method| method.name == name && method.params.len() == params)
}

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("rpc.discover", discover)
}

/// The methods that are served here.
fn discover(context: &Context, _: &Grant<Read>, (): ()) -> Answer<Value> {
    let dev = context.dev.is_some();
    Ok(openrpc::document(|method| context.apis.serves(method.name) && (dev || !method.dev)))
}
