//! Merkle proofs (EIP-1186).

use alloy::{
    rpc::types::{EIP1186AccountProofResponse, EIP1186StorageProof},
    serde::JsonStorageKey,
};
use aurum_chain::AccountProof;

/// The proof, with slots named the way they were asked for.
pub(crate) fn proof_json(proof: AccountProof, keys: Vec<JsonStorageKey>) -> EIP1186AccountProofResponse {
    let account = proof.account.unwrap_or_default();
    EIP1186AccountProofResponse {
        address: proof.address,
        balance: account.balance,
        code_hash: account.code_hash,
        nonce: account.nonce,
        storage_hash: proof.storage_root,
        account_proof: proof.proof,
        storage_proof: proof
            .storage
            .into_iter()
            .zip(keys)
            .map(|(slot, key)| EIP1186StorageProof { key, value: slot.value, proof: slot.proof })
            .collect(),
    }
}
