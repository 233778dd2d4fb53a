//! Accounts that sign fast: libsecp256k1 instead of a signer object.

use std::{fs, path::Path};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use anyhow::{Context, Result};
use secp256k1::{Message, SECP256K1, SecretKey};

use super::options::Envelope;
use crate::foreign::DEV_KEYS;

/// A key and its account.
#[derive(Clone)]
pub(super) struct Account {
    secret: SecretKey,
    pub(super) address: Address,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What all transactions of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) chain_id: u64,
    pub(super) gas_price: u128,
    pub(super) envelope: Envelope,
}

/// What one transaction does.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) to: TxKind,
    pub(super) value: U256,
    pub(super) input: Bytes,
    pub(super) gas: u64,
}

impl Account {
    fn new(secret: SecretKey) -> Self {
        let public = secret.public_key(SECP256K1).serialize_uncompressed();
        Self { secret, address: Address::from_raw_public_key(&public[1..]) }
    }

    /// Sender `index` of every load: a key anybody can compute, the same on each run.
    pub(super) fn sender(index: usize) -> Result<Self> {
        let seed = keccak256([b"load sender".as_slice(), &index.to_be_bytes()].concat());
        Ok(Self::new(SecretKey::from_byte_array(seed.0).context("a hash that is no key")?))
    }

    /// Who pays: the key in `file`, else the first development key.
    pub(super) fn payer(file: Option<&Path>) -> Result<Self> {
        let text = match file {
            Some(file) => fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
            None => DEV_KEYS[0].to_owned(),
        };
        // Not the parser's own error: it could quote the key.
        let key: B256 = text.trim().parse().ok().context("the payer's key is not 64 hex digits")?;
        Ok(Self::new(SecretKey::from_byte_array(key.0).context("the payer's key is not one of the curve")?))
    }

    /// The encoded transaction and its hash.
    pub(super) fn transaction(&self, terms: &Terms, nonce: u64, action: Action) -> (B256, Bytes) {
        let Action { to, value, input, gas: gas_limit } = action;
        let Terms { chain_id, gas_price, envelope } = *terms;
        let signed: TxEnvelope = match envelope {
            Envelope::Legacy => {
                let tx = TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input };
                let signature = self.sign(tx.signature_hash());
                tx.into_signed(signature).into()
            }
            Envelope::Eip1559 => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: gas_price,
                    max_priority_fee_per_gas: gas_price / 2,
                    to,
                    value,
                    access_list: Default::default(),
                    input,
                };
                let signature = self.sign(tx.signature_hash());
                tx.into_signed(signature).into()
            }
        };
        (*signed.tx_hash(), signed.encoded_2718().into())
    }

    fn sign(&self, hash: B256) -> Signature {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &self.secret);
        let (id, bytes) = signed.serialize_compact();
        Signature::from_bytes_and_parity(&bytes, i32::from(id) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use alloy::{consensus::transaction::SignerRecoverable, eips::eip2718::Decodable2718};

    use super::*;

    #[test]
    fn what_is_signed_decodes_to_its_sender_and_hash() {
        let account = Account::sender(7).unwrap();
        for envelope in [Envelope::Legacy, Envelope::Eip1559] {
            let terms = Terms { chain_id: 2026, gas_price: 5, envelope };
            let action = Action {
                to: TxKind::Call(Address::repeat_byte(1)),
                value: U256::from(1),
                input: Bytes::new(),
                gas: 21_000,
            };
            let (hash, raw) = account.transaction(&terms, 3, action);
            let decoded = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
            assert_eq!(decoded.recover_signer().unwrap(), account.address);
            assert_eq!((*decoded.tx_hash(), keccak256(&raw)), (hash, hash));
        }
    }

    #[test]
    fn the_default_payer_is_the_first_development_account() {
        assert_eq!(Account::payer(None).unwrap().address, crate::foreign::DEV_ACCOUNTS[0]);
    }
}
