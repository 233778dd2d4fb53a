//! What the questions start from: the spec, and the genesis state in memory.

use std::{fs, path::PathBuf, sync::Arc};

use alloy::primitives::{Address, B256};
use anyhow::Context as _;
use aurum_evm::{BlockEnv, Evm};
use aurum_types::{
    ChainSpec, Header, MemoryState, ValidatorSet, genesis_header,
    spec::{ParseOptions, SpecError, ValidatorsSpec},
    state_root_slow,
};

use crate::config::ConfigError;

/// Which chain.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SpecArgs {
    /// Chain spec file
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// Take every warning about the spec for an error
    #[arg(long)]
    pub strict: bool,
}

impl SpecArgs {
    /// This spec, or else the one named elsewhere.
    #[must_use]
    pub fn or(self, chain: Option<PathBuf>) -> Self {
        Self { chain: self.chain.or(chain), ..self }
    }
}

/// A chain spec that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The spec.
    pub spec: Arc<ChainSpec>,
    /// What is odd about it, a line each.
    pub warnings: Vec<String>,
}

/// Reads the chain spec. With `any_engine` one of another engine than AuRa is taken too, with a warning, for what can be
/// said of its genesis.
///
/// # Errors
/// When the file cannot be read or is no chain spec that a node would take.
pub fn load(args: &SpecArgs, any_engine: bool) -> anyhow::Result<Loaded> {
    let path = args.chain.clone().ok_or(ConfigError::NoChain)?;
    let text = fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
    load_text(&text, args.strict, any_engine).with_context(|| format!("chain spec {}", path.display()))
}

/// [`load`] of text that was read already.
///
/// # Errors
/// When it is no chain spec that a node would take.
pub fn load_text(text: &str, strict: bool, any_engine: bool) -> anyhow::Result<Loaded> {
    let mut warnings = Vec::new();
    let parsed = match ChainSpec::parse_with(text, ParseOptions { strict, any_engine: false }) {
        Err(error @ SpecError::Engine { .. }) if any_engine && !strict => {
            warnings.push(format!("engine: {error}; only genesis and state mean something"));
            ChainSpec::parse_with(text, ParseOptions { strict, any_engine })
        }
        parsed => parsed,
    };
    let (spec, found) = parsed?;
    warnings.extend(found.iter().map(ToString::to_string));
    aurum_evm::check_rules(&spec)?;
    Ok(Loaded { spec: Arc::new(spec), warnings })
}

/// Block 0 and the state after it, constructors run.
#[derive(Debug)]
pub struct Genesis {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// The state.
    pub state: Arc<MemoryState>,
    /// The root the accounts give. A root that the spec states goes before it in the header, as in OpenEthereum.
    pub computed_root: B256,
    /// What asks contracts.
    pub evm: Evm,
}

impl Genesis {
    /// Makes block 0.
    ///
    /// # Errors
    /// When a constructor cannot be run because of us.
    pub fn of(spec: &Arc<ChainSpec>) -> anyhow::Result<Self> {
        let evm = Evm::new(Arc::clone(spec));
        let changes = evm.genesis().context("genesis")?;
        let computed_root = state_root_slow(&changes);
        let header = genesis_header(spec, spec.genesis.state_root.unwrap_or(computed_root));
        let hash = header.hash_slow();
        Ok(Self { header, hash, state: Arc::new(MemoryState::from_changes(&changes)), computed_root, evm })
    }

    /// The validators that an entry of the spec gives at genesis; `None` when its contract does not answer with a list.
    ///
    /// # Errors
    /// Only faults.
    pub fn validators(&self, entry: &ValidatorsSpec) -> anyhow::Result<Option<ValidatorSet>> {
        match entry {
            ValidatorsSpec::List(list) => Ok(Some(ValidatorSet::new(list.clone()))),
            ValidatorsSpec::SafeContract(contract) | ValidatorsSpec::Contract(contract) => self.ask(*contract),
            ValidatorsSpec::Multi(sets) => sets.values().next().map_or(Ok(None), |first| self.validators(first)),
        }
    }

    fn ask(&self, contract: Address) -> anyhow::Result<Option<ValidatorSet>> {
        let state = Arc::<MemoryState>::clone(&self.state);
        match self.evm.validators(state, &BlockEnv::of(&self.header), contract) {
            Ok(set) => Ok(Some(set)),
            Err(aurum_evm::EvmError::Invalid(_)) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }
}
