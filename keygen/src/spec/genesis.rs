//! Accounts of a new chain's genesis: precompiles, contracts, coins.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, address};
use aurum_contracts::genesis::{
    GenesisAccount, PERMISSIONS, PERMISSIONS_IMPLEMENTATION, PermissionsGenesis, VALIDATOR_SET,
    VALIDATOR_SET_IMPLEMENTATION, permissions, validator_set,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Plan, ValidatorsKind};
use crate::KeygenError;

/// Sender of system calls.
const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");
/// Precompiles of Ethereum up to Prague, without 0x0a, which checks blobs.
const LAST_PRECOMPILE: u64 = 0x11;

/// One entry of `accounts`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<BTreeMap<B256, B256>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    builtin: Option<Value>,
}

/// Every account of genesis, by address.
pub(super) fn accounts(plan: &Plan) -> Result<BTreeMap<Address, Entry>, KeygenError> {
    let mut accounts: BTreeMap<Address, Entry> = builtins().collect();
    let validators: Vec<_> = plan.authorities.iter().map(|one| one.address).collect();
    // The council of the permissions' admins also decides about authorities. Built for a static list too, so that a
    // list the contract would refuse is refused in either case.
    let set = validator_set(&validators, PERMISSIONS)?;
    if plan.request.validators == ValidatorsKind::Contract {
        accounts.extend(set.into_iter().map(contract));
    }
    let entries: Vec<_> = plan.rights.iter().map(|(account, rights)| (*account, rights.bits())).collect();
    let council = permissions(&PermissionsGenesis {
        admins: &plan.admins,
        threshold: plan.threshold,
        default_rights: plan.request.default_rights.bits(),
        entries: &entries,
    })?;
    accounts.extend(council.into_iter().map(contract));
    for (account, wei) in &plan.balances {
        accounts.entry(*account).or_default().balance = Some(*wei);
    }
    Ok(accounts)
}

/// Whether genesis writes this account by itself, or the engine does.
pub(super) fn is_reserved(account: Address) -> bool {
    let low = U256::from_be_slice(account.as_slice()) <= U256::from(LAST_PRECOMPILE);
    let contracts = [VALIDATOR_SET, VALIDATOR_SET_IMPLEMENTATION, PERMISSIONS, PERMISSIONS_IMPLEMENTATION, SYSTEM];
    low || contracts.contains(&account)
}

fn contract((account, genesis): (Address, GenesisAccount)) -> (Address, Entry) {
    let GenesisAccount { code, storage } = genesis;
    let entry = Entry { nonce: Some(U256::from(1)), code: Some(code), storage: Some(storage), ..Entry::default() };
    (account, entry)
}

/// Precompiles with Ethereum's prices since Berlin (EIP-1108, EIP-2565) and those of EIP-2537. Each has one wei: an empty
/// account would be removed by the first call that touches it.
fn builtins() -> impl Iterator<Item = (Address, Entry)> {
    let linear = |base: u64, word: u64| json!({ "linear": { "base": base, "word": word } });
    let constant = |price: u64| json!({ "alt_bn128_const_operations": { "price": price } });
    let bls = || json!({ "eip2537": {} });
    [
        (0x01, "ecrecover", linear(3000, 0)),
        (0x02, "sha256", linear(60, 12)),
        (0x03, "ripemd160", linear(600, 120)),
        (0x04, "identity", linear(15, 3)),
        (0x05, "modexp", json!({ "modexp2565": {} })),
        (0x06, "alt_bn128_add", constant(150)),
        (0x07, "alt_bn128_mul", constant(6000)),
        (0x08, "alt_bn128_pairing", json!({ "alt_bn128_pairing": { "base": 45_000, "pair": 34_000 } })),
        (0x09, "blake2_f", json!({ "blake2_f": { "gas_per_round": 1 } })),
        (0x0b, "bls12_381_g1_add", bls()),
        (0x0c, "bls12_381_g1_multiexp", bls()),
        (0x0d, "bls12_381_g2_add", bls()),
        (0x0e, "bls12_381_g2_multiexp", bls()),
        (0x0f, "bls12_381_pairing", bls()),
        (0x10, "bls12_381_fp_to_g1", bls()),
        (LAST_PRECOMPILE, "bls12_381_fp2_to_g2", bls()),
    ]
    .into_iter()
    .map(|(number, name, pricing)| {
        let account = Address::from_word(B256::from(U256::from(number)));
        let builtin = json!({ "name": name, "pricing": { "0": { "price": pricing } } });
        (account, Entry { balance: Some(U256::from(1)), builtin: Some(builtin), ..Entry::default() })
    })
}
