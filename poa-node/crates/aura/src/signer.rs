//! Who signs seals: a key in memory now; a remote signer or a hardware module behind the same trait later.

use std::fmt;

use alloy::primitives::{Address, B256};
use aurum_types::crypto::address_of;
use secp256k1::{Message, SECP256K1, SecretKey};

use crate::ecies;

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The signer cannot be reached or refuses.
    #[error("signer is unavailable: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// What was to be decrypted is not for this key.
    #[error(transparent)]
    Undecipherable(#[from] ecies::Undecipherable),
}

/// Signs the hashes of headers and of empty steps for one authority.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The authority's address.
    fn address(&self) -> Address;

    /// A recoverable secp256k1 signature over `hash` as it is: r ‖ s ‖ v with v 0 or 1 and a low s.
    ///
    /// # Errors
    /// [`SignerError`] when the signer is away.
    fn sign(&self, hash: B256) -> Result<[u8; 65], SignerError>;

    /// Encrypts `plain` so that only this authority reads it ([`ecies`]); `authenticated` is bound to it and not in it.
    ///
    /// # Errors
    /// [`SignerError`] when the signer is away or only signs.
    fn encrypt(&self, _authenticated: &[u8], _plain: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::Unavailable { reason: "this signer does not encrypt".to_owned() })
    }

    /// Reads what [`Self::encrypt`] wrote with the same `authenticated` data.
    ///
    /// # Errors
    /// [`SignerError`] when the signer is away or only signs, or the ciphertext is not for it.
    fn decrypt(&self, _authenticated: &[u8], _encrypted: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::Unavailable { reason: "this signer does not decrypt".to_owned() })
    }
}

/// A key held in this process. Prints as `***` and is erased when dropped.
pub struct KeySigner {
    secret: SecretKey,
    address: Address,
}

impl KeySigner {
    /// A signer with this key.
    pub fn new(secret: SecretKey) -> Self {
        let address = address_of(&secret.public_key(SECP256K1));
        Self { secret, address }
    }
}

impl Signer for KeySigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, hash: B256) -> Result<[u8; 65], SignerError> {
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &self.secret);
        let (id, compact) = signature.serialize_compact();
        let mut out = [0; 65];
        out[..64].copy_from_slice(&compact);
        out[64] = u8::try_from(i32::from(id)).expect("a recovery id is 0 ..= 3");
        Ok(out)
    }

    fn encrypt(&self, authenticated: &[u8], plain: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(ecies::encrypt(&self.secret.public_key(SECP256K1), authenticated, plain))
    }

    fn decrypt(&self, authenticated: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(ecies::decrypt(&self.secret, authenticated, encrypted)?)
    }
}

impl Drop for KeySigner {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySigner").field("address", &self.address).field("secret", &"***").finish()
    }
}
