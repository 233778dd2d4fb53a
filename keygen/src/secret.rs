//! Values that are overwritten when dropped and never printed.

use std::fmt;

use alloy::primitives::{Address, B256, hex};
use aurum_types::crypto;
use rand_08::{RngCore as _, rngs::OsRng};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use zeroize::Zeroizing;

use crate::KeygenError;

/// A secp256k1 secret key. Prints as `***`; its bytes are overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// [`KeygenError::Random`].
    pub fn generate() -> Result<Self, KeygenError> {
        let mut bytes = Zeroizing::new([0; 32]);
        // One draw in 2^128 is no key; three in a row are a broken generator.
        for _ in 0..3 {
            OsRng.try_fill_bytes(&mut *bytes).map_err(|error| KeygenError::Random(error.to_string()))?;
            if let Ok(secret) = Self::from_bytes(&*bytes) {
                return Ok(secret);
            }
        }
        Err(KeygenError::Random("the generator gives no valid key".to_owned()))
    }

    /// The key in these bytes.
    ///
    /// # Errors
    /// [`KeygenError::Invalid`] unless there are 32 and they are a key (not zero, below the curve order).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeygenError> {
        let bytes = <[u8; 32]>::try_from(bytes)
            .map(Zeroizing::new)
            .map_err(|_| KeygenError::invalid("secret key", format!("it has {} bytes instead of 32", bytes.len())))?;
        let mut key = SecretKey::from_byte_array(*bytes)
            .map_err(|_| KeygenError::invalid("secret key", "it is zero or beyond the order of the curve"))?;
        key.non_secure_erase();
        Ok(Self(bytes))
    }

    /// The key in 64 hex digits, with or without 0x.
    ///
    /// # Errors
    /// [`KeygenError::Invalid`], without the digits.
    pub fn from_hex(text: &str) -> Result<Self, KeygenError> {
        let bytes = hex::decode(text.trim())
            .map(Zeroizing::new)
            .map_err(|_| KeygenError::invalid("secret key", "it is not 64 hex digits"))?;
        Self::from_bytes(&bytes)
    }

    /// The 64 hex digits of the key; only for writing a file of the owner's.
    pub(crate) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// The 32 bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in libsecp256k1's form, for one who signs with it. That type is `Copy` and does not overwrite itself.
    pub fn to_secret_key(&self) -> SecretKey {
        SecretKey::from_byte_array(*self.0).expect("checked when this was made")
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        self.to_secret_key().public_key(SECP256K1)
    }

    /// The account this key signs for.
    pub fn address(&self) -> Address {
        crypto::address_of(&self.public_key())
    }

    /// The node id of an enode URL: 128 hex digits of the uncompressed public key, without its first byte.
    pub fn node_id(&self) -> String {
        hex::encode(&self.public_key().serialize_uncompressed()[1..])
    }

    /// Signs a hash: r ‖ s ‖ v with low s and v 0 or 1, by RFC 6979.
    pub fn sign(&self, hash: B256) -> [u8; 65] {
        let message = Message::from_digest(hash.0);
        let signature = SECP256K1.sign_ecdsa_recoverable(message, &self.to_secret_key());
        let (id, compact) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&compact);
        // The id is 0 or 1: 2 and 3 stand for an r that no signature of ours can have with any chance worth a name.
        bytes[64] = u8::from(i32::from(id) & 1 == 1);
        bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The password of a keystore. Prints as `***` and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A new password: 192 random bits as 48 hex digits.
    ///
    /// # Errors
    /// [`KeygenError::Random`].
    pub fn generate() -> Result<Self, KeygenError> {
        let mut bytes = Zeroizing::new([0; 24]);
        OsRng.try_fill_bytes(&mut *bytes).map_err(|error| KeygenError::Random(error.to_string()))?;
        Ok(Self(Zeroizing::new(hex::encode(*bytes))))
    }

    /// A password somebody chose.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_as_stars() {
        let secret = Secret::generate().unwrap();
        assert_eq!(format!("{secret} {secret:?} {:?}", Password::generate().unwrap()), "*** *** ***");
        let error = Secret::from_hex("0xdeadbeef00").unwrap_err().to_string();
        assert!(!error.contains("deadbeef"), "{error}");
    }

    #[test]
    fn signature_is_recovered_to_the_address() {
        let secret = Secret::from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        assert_eq!(secret.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        let hash = B256::repeat_byte(7);
        assert_eq!(crypto::recover(hash, &secret.sign(hash)), Ok(secret.address()));
        assert_eq!(secret.node_id().len(), 128);
    }

    #[test]
    fn zero_and_the_curve_order_are_no_keys() {
        assert!(Secret::from_bytes(&[0; 32]).is_err());
        assert!(Secret::from_bytes(&secp256k1::constants::CURVE_ORDER).is_err());
        assert!(Secret::from_bytes(&[1; 31]).is_err());
    }
}
