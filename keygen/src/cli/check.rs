//! `keygen spec check`.

use std::path::PathBuf;

use aurum_types::{
    ChainSpec, genesis_accounts, genesis_header,
    spec::{ParseOptions, ValidatorsSpec},
    state_root_slow,
};
use keygen::{KeygenError, development_key};
use serde_json::json;

use super::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The chain spec
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Refuse whatever is odd
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Report, KeygenError> {
    let text =
        std::fs::read_to_string(&args.file).map_err(|source| KeygenError::Io { path: args.file.clone(), source })?;
    let (spec, warnings) = ChainSpec::parse_with(&text, ParseOptions { strict: args.strict, any_engine: false })?;
    let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    for account in listed(&spec.engine.validators) {
        if let Some(origin) = development_key(account) {
            warnings.push(format!("authority {account} is a well-known development key ({origin})"));
        }
    }
    let validators = describe(&spec.engine.validators);
    let constructors = spec.accounts.values().filter(|account| account.constructor.is_some()).count();
    // Constructors need an EVM; the node runs them and says the hash at its start.
    let genesis = (constructors == 0).then(|| {
        let root = state_root_slow(&genesis_accounts(&spec));
        (genesis_header(&spec, spec.genesis.state_root.unwrap_or(root)).hash_slow(), root)
    });
    let gas = match (spec.params.gas_free, spec.params.fixed_base_fee) {
        (true, _) => "free".to_owned(),
        (false, Some(wei)) => format!("fixed at {wei} wei"),
        (false, None) if spec.params.eip1559_transition.is_some() => "EIP-1559".to_owned(),
        (false, None) => "by the sender's gas price".to_owned(),
    };

    let mut report = Report::new(format!("{}: chain id {}", spec.name, spec.params.chain_id));
    report.line(format!("validators   {validators}"));
    report.line(format!("gas          {gas}; {} a block", spec.genesis.gas_limit));
    match genesis {
        Some((hash, root)) => {
            report.line(format!("genesis      {hash}"));
            report.line(format!("state root   {root}"));
        }
        None => report.line(format!("genesis      known to a node only: {constructors} constructors run in it")),
    }
    if let Some((stated, (_, root))) = spec.genesis.state_root.zip(genesis).filter(|(stated, (_, root))| stated != root)
    {
        let why = format!("the file states state root {stated}, its accounts give {root}");
        if args.strict {
            return Err(KeygenError::Invalid { what: "genesis.stateRoot".to_owned(), reason: why });
        }
        warnings.push(why);
    }
    for warning in &warnings {
        report.line(format!("warning      {warning}"));
    }
    Ok(report.with(json!({
        "name": spec.name,
        "chainId": spec.params.chain_id,
        "validators": validators,
        "gas": gas,
        "genesisHash": genesis.map(|(hash, _)| hash),
        "stateRoot": genesis.map(|(_, root)| root),
        "constructors": constructors,
        "warnings": warnings,
    })))
}

fn listed(validators: &ValidatorsSpec) -> Vec<alloy::primitives::Address> {
    match validators {
        ValidatorsSpec::List(list) => list.clone(),
        ValidatorsSpec::Multi(sets) => sets.values().flat_map(listed).collect(),
        ValidatorsSpec::SafeContract(_) | ValidatorsSpec::Contract(_) => Vec::new(),
    }
}

fn describe(validators: &ValidatorsSpec) -> String {
    match validators {
        ValidatorsSpec::List(list) => format!("a list of {}", list.len()),
        ValidatorsSpec::SafeContract(contract) => format!("by contract {contract}"),
        ValidatorsSpec::Contract(contract) => format!("by contract {contract}, which takes reports"),
        ValidatorsSpec::Multi(sets) => {
            let parts: Vec<_> = sets.iter().map(|(from, set)| format!("from {from} {}", describe(set))).collect();
            parts.join("; ")
        }
    }
}
