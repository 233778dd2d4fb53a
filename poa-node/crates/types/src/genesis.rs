//! Block 0 out of a chain spec, as far as no code has to run for it (aura.md §4.3, §4.4). Constructors are run by crate
//! `aurum-evm`, on top of [`genesis_accounts`].

use alloy::primitives::{B256, Bloom, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};

use crate::{Account, AccountChange, ChainSpec, EMPTY_CODE_HASH, EMPTY_UNCLES_HASH, Header, StateChanges};

/// The accounts a chain spec states outright, as changes on the empty state.
///
/// An entry makes an account if it states at least one of balance, nonce, code and storage, even as zero; one that is
/// only a precompile or a constructor makes none (OpenEthereum `pod_account`). Slots of value zero are left out.
pub fn genesis_accounts(spec: &ChainSpec) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, entry) in &spec.accounts {
        if entry.balance.is_none() && entry.nonce.is_none() && entry.code.is_none() && entry.storage.is_none() {
            continue;
        }
        let code = entry.code.clone().unwrap_or_default();
        let code_hash = if code.is_empty() { EMPTY_CODE_HASH } else { keccak256(&code) };
        if !code.is_empty() {
            changes.code.insert(code_hash, code);
        }
        let account =
            Account { nonce: entry.nonce.unwrap_or(0), balance: entry.balance.unwrap_or_default(), code_hash };
        let storage = entry.storage.iter().flatten().filter(|(_, value)| !value.is_zero());
        let storage = storage.map(|(slot, value)| (*slot, *value)).collect();
        changes.accounts.insert(*address, AccountChange { account: Some(account), storage_wiped: false, storage });
    }
    changes
}

/// The header of block 0 with this state root. Its seal is the spec's and means nothing; nobody verifies it.
///
/// A spec may state a root of its own ([`crate::spec::GenesisSpec::state_root`]). It is for the caller to refuse one
/// that differs from `state_root`.
pub fn genesis_header(spec: &ChainSpec, state_root: B256) -> Header {
    let genesis = &spec.genesis;
    Header {
        parent_hash: genesis.parent_hash,
        uncles_hash: EMPTY_UNCLES_HASH,
        author: genesis.author,
        state_root,
        transactions_root: genesis.transactions_root,
        receipts_root: genesis.receipts_root,
        logs_bloom: Bloom::ZERO,
        difficulty: genesis.difficulty,
        number: 0,
        gas_limit: genesis.gas_limit,
        gas_used: genesis.gas_used,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        seal: genesis.seal.clone(),
        base_fee_per_gas: genesis.base_fee_per_gas,
    }
}

/// Root of the state that `changes` make of the empty one. Builds the whole trie: for a genesis and for tests, not for
/// blocks.
pub fn state_root_slow(changes: &StateChanges) -> B256 {
    state_root_unhashed(changes.accounts.iter().filter_map(|(address, change)| {
        let account = change.account?;
        let slots = change.storage.iter().filter(|(_, value)| !value.is_zero());
        let storage_root = storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value)));
        let Account { nonce, balance, code_hash } = account;
        Some((*address, TrieAccount { nonce, balance, storage_root, code_hash }))
    }))
}
