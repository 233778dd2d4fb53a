//! `chain check`: what a chain spec is.

use alloy::rlp;
use serde_json::json;

use super::{Genesis, Loaded, entry_in_force};
use crate::commands::{
    Answer,
    json::{bytes, uint64},
};

/// Name, genesis block, first validators and warnings.
///
/// # Errors
/// When genesis cannot be made.
pub fn check(loaded: &Loaded) -> anyhow::Result<Answer> {
    let Loaded { spec, warnings } = loaded;
    let mut warnings = warnings.clone();
    let genesis = Genesis::of(spec)?;
    if let Some(stated) = spec.genesis.state_root.filter(|stated| *stated != genesis.computed_root) {
        let computed = genesis.computed_root;
        warnings.push(format!("genesis.stateRoot: {stated} is taken as it stands; the accounts give {computed}, and no node starts from this"));
    }
    let (_, entry) = entry_in_force(spec, 1);
    let validators = genesis.validators(entry)?;
    if validators.is_none() {
        warnings.push("engine.validators: the contract answers no getValidators() at genesis".to_owned());
    }
    let validators = validators.unwrap_or_default();
    Ok(Answer::yes(json!({
        "name": spec.name,
        "dataDir": spec.data_dir,
        "chainId": uint64(spec.params.chain_id),
        "networkId": uint64(spec.params.network_id),
        "genesisHash": bytes(genesis.hash),
        "stateRoot": bytes(genesis.header.state_root),
        "genesisHeaderRlp": bytes(rlp::encode(&genesis.header)),
        "validators": validators.as_slice().iter().map(bytes).collect::<Vec<_>>(),
        "warnings": warnings,
    })))
}
