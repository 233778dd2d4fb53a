//! Who signs seals: a key in memory now; a remote signer or a hardware module behind the same trait later.

use std::fmt;

use alloy::primitives::{Address, B256};
use aurum_types::crypto::address_of;
use secp256k1::{Message, SECP256K1, SecretKey};

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The signer cannot be reached or refuses.
    #[error("signer is unavailable: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
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
