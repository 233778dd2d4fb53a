//! Signatures by libsecp256k1, one copy of it: secp256k1 0.31.1, which revm uses as well. alloy would bring its own.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Signature};
use alloy_consensus::crypto::{
    RecoveryError,
    backend::{CryptoProvider, install_default_provider},
};
use secp256k1::{
    Message, PublicKey, SECP256K1,
    ecdsa::{self, RecoverableSignature, RecoveryId},
};

/// The signature has no signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key can have made this signature")]
pub struct NoSigner;

/// The address whose key made the signature `r ‖ s ‖ v` (v = 0 or 1) of `hash`. A high s is taken: who forbids it
/// checks it.
///
/// # Errors
/// [`NoSigner`] for r or s out of range, another v, or a point that is on no curve.
pub fn recover(hash: B256, signature: &[u8; 65]) -> Result<Address, NoSigner> {
    let id = match signature[64] {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return Err(NoSigner),
    };
    let signature = RecoverableSignature::from_compact(&signature[..64], id).map_err(|_| NoSigner)?;
    let key = SECP256K1.recover_ecdsa(Message::from_digest(hash.0), &signature).map_err(|_| NoSigner)?;
    Ok(address_of(&key))
}

/// The address of a public key: the last 20 bytes of keccak256 of its two coordinates.
pub fn address_of(key: &PublicKey) -> Address {
    Address::from_raw_public_key(&key.serialize_uncompressed()[1..])
}

/// `r ‖ s ‖ v` (v = 0 or 1) of alloy's signature.
pub(crate) fn to_bytes(signature: &Signature) -> [u8; 65] {
    let mut bytes = [0; 65];
    bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    bytes[64] = u8::from(signature.v());
    bytes
}

/// Makes alloy use this library too (EIP-7702 authorities, signatures in RPC types). Call once, first thing in `main`;
/// further calls change nothing. [`crate::recover_sender`] uses it in any case.
pub fn install() {
    // The only error is that a provider is there already: this one, unless a program chose another on purpose.
    let _already = install_default_provider(Arc::new(Provider)).is_err();
}

struct Provider;

impl CryptoProvider for Provider {
    fn recover_signer_unchecked(&self, signature: &[u8; 65], hash: &[u8; 32]) -> Result<Address, RecoveryError> {
        recover(B256::from(*hash), signature).map_err(|_| RecoveryError::new())
    }

    fn verify_and_compute_signer_unchecked(
        &self,
        key: &[u8; 65],
        signature: &[u8; 64],
        hash: &[u8; 32],
    ) -> Result<Address, RecoveryError> {
        let verify = || {
            let key = PublicKey::from_slice(key)?;
            let mut signature = ecdsa::Signature::from_compact(signature)?;
            // libsecp256k1 verifies low s only; whether a high one is allowed was decided by the caller.
            signature.normalize_s();
            SECP256K1.verify_ecdsa(Message::from_digest(*hash), &signature, &key)?;
            Ok::<_, secp256k1::Error>(address_of(&key))
        };
        verify().map_err(|_| RecoveryError::new())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use secp256k1::SecretKey;

    use super::*;

    #[test]
    fn recovers_whoever_signed() {
        let key = SecretKey::from_byte_array(keccak256(b"1").0).unwrap();
        let expected = address_of(&key.public_key(SECP256K1));
        let hash = keccak256(b"message");
        let (id, compact) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key).serialize_compact();
        let mut signature = [0; 65];
        signature[..64].copy_from_slice(&compact);
        signature[64] = i32::from(id) as u8;
        assert_eq!(recover(hash, &signature), Ok(expected));
        signature[64] = 27;
        assert_eq!(recover(hash, &signature), Err(NoSigner));
        assert_eq!(recover(hash, &[0; 65]), Err(NoSigner));
    }

    #[test]
    fn alloy_recovers_through_this_library_after_install() {
        install();
        install();
        let key = SecretKey::from_byte_array(keccak256(b"1").0).unwrap();
        let hash = keccak256(b"message");
        let (id, compact) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key).serialize_compact();
        let signature = Signature::from_bytes_and_parity(&compact, i32::from(id) != 0);
        let recovered = alloy_consensus::crypto::secp256k1::recover_signer(&signature, hash).unwrap();
        assert_eq!(recovered, address_of(&key.public_key(SECP256K1)));
    }
}
