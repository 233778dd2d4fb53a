//! The relayer's key: what it attests, and the transactions it sends.
//!
//! The same account signs attestations (EIP-712) and pays for transactions. Signing is deterministic (RFC 6979), so
//! a transfer signed again gives the same bytes.

use std::{fmt, path::Path};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy},
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use aurum_contracts::Transfer;
use serde::{Deserialize, Serialize};

use crate::fees::Fees;

/// An unlocked account. Prints its address only.
#[derive(Clone)]
pub(crate) struct Key {
    signer: PrivateKeySigner,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.signer.address()).finish()
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The keystore or its password file does not open.
    #[error("{path}: {reason}")]
    Keystore {
        /// Which file.
        path: String,
        /// Why, without secrets.
        reason: String,
    },
    /// The signing library refused.
    #[error("signing failed: {0}")]
    Signing(#[from] alloy::signers::Error),
}

/// What the sender of a transaction decides, apart from its fees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Account nonce.
    pub nonce: u64,
    /// Most gas it may use.
    pub gas: u64,
    /// Contract called; `None` creates one.
    pub to: Option<Address>,
    /// Wei sent along.
    #[serde(default)]
    pub value: U256,
    /// Call data or creation code.
    pub input: Bytes,
}

/// A transaction ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTx {
    /// Its hash.
    pub hash: B256,
    /// EIP-2718 bytes.
    pub raw: Bytes,
    /// What it offers.
    pub fees: Fees,
}

impl Key {
    /// Unlocks a Web3 v3 keystore with the password in a file (a trailing line break is not part of it).
    ///
    /// # Errors
    /// When a file cannot be read or the password is wrong.
    pub(crate) fn unlock(keystore: &Path, password_file: &Path) -> Result<Self, KeyError> {
        let refused = |path: &Path, reason: String| KeyError::Keystore { path: path.display().to_string(), reason };
        let password =
            keygen::read_password(password_file).map_err(|error| refused(password_file, error.to_string()))?;
        let secret = keygen::unlock(keystore, &password).map_err(|error| refused(keystore, error.to_string()))?;
        // The signer keeps a copy of its own, which it overwrites when dropped.
        let signer =
            PrivateKeySigner::from_slice(secret.expose()).map_err(|error| refused(keystore, error.to_string()))?;
        Ok(Self { signer })
    }

    /// The account.
    pub(crate) const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs a transfer for the bridge `destination` on chain `chain_id`. Returns the digest and r ‖ s ‖ v (v 27 or 28).
    ///
    /// # Errors
    /// When the signing library refuses.
    pub(crate) fn attest(
        &self,
        transfer: &Transfer,
        chain_id: u64,
        destination: Address,
    ) -> Result<(B256, Bytes), KeyError> {
        let digest = transfer.digest(chain_id, destination);
        let signature = self.signer.sign_hash_sync(&digest)?;
        Ok((digest, Bytes::from(signature.as_bytes().to_vec())))
    }

    /// Signs a transaction offering `fees`.
    ///
    /// # Errors
    /// When the signing library refuses.
    pub(crate) fn sign(&self, draft: &Draft, fees: Fees) -> Result<SignedTx, KeyError> {
        let Draft { chain_id, nonce, gas, to, value, ref input } = *draft;
        let to = to.map_or(TxKind::Create, TxKind::Call);
        let envelope: TxEnvelope = match fees {
            Fees::Legacy { gas_price } => {
                let tx = TxLegacy {
                    chain_id: Some(chain_id),
                    nonce,
                    gas_price,
                    gas_limit: gas,
                    to,
                    value,
                    input: input.clone(),
                };
                let signature = self.signer.sign_hash_sync(&tx.signature_hash())?;
                tx.into_signed(signature).into()
            }
            Fees::Dynamic { max_fee, tip } => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit: gas,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list: Default::default(),
                    input: input.clone(),
                };
                let signature = self.signer.sign_hash_sync(&tx.signature_hash())?;
                tx.into_signed(signature).into()
            }
        };
        Ok(SignedTx { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into(), fees })
    }
}
