//! Who may send for nothing where a chain certifies such senders (aura.md §3.3, §3.4).

use alloy::primitives::{Address, keccak256};
use aurum_types::StateError;

use crate::{
    abi::{ICertifier, IRegistrar},
    read_only::Reader,
};

/// Name of the certifier in the registrar.
const CHECKER: &str = "service_transaction_checker";

/// Whether `sender` is certified by the contract the registrar names. No registrar, no contract, no answer: not certified.
pub(crate) fn is_certified(
    reader: &mut Reader,
    registrar: Option<Address>,
    sender: Address,
) -> Result<bool, StateError> {
    let Some(registrar) = registrar else { return Ok(false) };
    let lookup = IRegistrar::getAddressCall { name: keccak256(CHECKER), key: "A".to_owned() };
    let Some(checker) = reader.call::<IRegistrar::getAddressCall>(registrar, &lookup)? else { return Ok(false) };
    if checker.is_zero() {
        return Ok(false);
    }
    let question = ICertifier::certifiedCall { who: sender };
    Ok(reader.call::<ICertifier::certifiedCall>(checker, &question)?.unwrap_or(false))
}
