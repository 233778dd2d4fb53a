//! ECIES as Parity has it (`parity-crypto` `publickey::ecies`, the scheme of devp2p's handshake): what an authority
//! commits to the randomness contract, to be read again by nobody else (aura.md §3.6).
//!
//! ```text
//! 0x04 ‖ ephemeral public key (64) ‖ iv (16) ‖ AES-128-CTR ciphertext ‖ HMAC-SHA-256 (32)
//! key  = concat-KDF-SHA-256(x coordinate of ECDH): 16 bytes to encrypt, SHA-256 of the other 16 to authenticate
//! HMAC = over iv ‖ ciphertext ‖ authenticated data
//! ```

use aes::Aes128;
use alloy::primitives::{B128, B256};
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, Mac as _};
use secp256k1::{PublicKey, SECP256K1, SecretKey, ecdh::shared_secret_point};
use sha2::{Digest as _, Sha256};

/// Marks an uncompressed public key.
const UNCOMPRESSED: u8 = 4;
const PUBLIC: usize = 65;
const IV: usize = 16;
const TAG: usize = 32;

/// Why a ciphertext is not read. It does not say which part is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not encrypted to this key, or altered")]
pub struct Undecipherable;

/// Encrypts `plain` to `recipient`; `authenticated` is bound to it and not in it.
pub fn encrypt(recipient: &PublicKey, authenticated: &[u8], plain: &[u8]) -> Vec<u8> {
    let ephemeral = random_key();
    let keys = Keys::agree(&ephemeral, recipient);
    let iv = B128::random();
    let mut out = Vec::with_capacity(PUBLIC + IV + plain.len() + TAG);
    out.extend_from_slice(&ephemeral.public_key(SECP256K1).serialize_uncompressed());
    out.extend_from_slice(iv.as_slice());
    out.extend_from_slice(plain);
    keys.apply(iv, &mut out[PUBLIC + IV..]);
    let tag = keys.mac(&out[PUBLIC..], authenticated).finalize().into_bytes();
    out.extend_from_slice(&tag);
    out
}

/// Reads what [`encrypt`] wrote for the key `secret` with the same `authenticated` data.
///
/// # Errors
/// [`Undecipherable`].
pub fn decrypt(secret: &SecretKey, authenticated: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, Undecipherable> {
    if encrypted.len() < PUBLIC + IV + TAG || encrypted[0] != UNCOMPRESSED {
        return Err(Undecipherable);
    }
    let (message, tag) = encrypted.split_at(encrypted.len() - TAG);
    let (public, sealed) = message.split_at(PUBLIC);
    let public = PublicKey::from_slice(public).map_err(|_| Undecipherable)?;
    let keys = Keys::agree(secret, &public);
    keys.mac(sealed, authenticated).verify_slice(tag).map_err(|_| Undecipherable)?;
    let (iv, cipher) = sealed.split_at(IV);
    let mut plain = cipher.to_vec();
    keys.apply(B128::from_slice(iv), &mut plain);
    Ok(plain)
}

struct Keys {
    encryption: [u8; 16],
    authentication: [u8; 32],
}

impl Keys {
    fn agree(secret: &SecretKey, public: &PublicKey) -> Self {
        let point = shared_secret_point(public, secret);
        // NIST SP 800-56's one-step derivation; one hash gives all that is needed.
        let derived: [u8; 32] =
            Sha256::new().chain_update(1u32.to_be_bytes()).chain_update(&point[..32]).finalize().into();
        let mut encryption = [0; 16];
        encryption.copy_from_slice(&derived[..16]);
        Self { encryption, authentication: Sha256::digest(&derived[16..]).into() }
    }

    /// Counter mode is its own inverse.
    fn apply(&self, iv: B128, data: &mut [u8]) {
        ctr::Ctr128BE::<Aes128>::new(&self.encryption.into(), &iv.0.into()).apply_keystream(data);
    }

    fn mac(&self, sealed: &[u8], authenticated: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.authentication).expect("HMAC takes keys of any length");
        mac.update(sealed);
        mac.update(authenticated);
        mac
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.encryption);
        zeroize::Zeroize::zeroize(&mut self.authentication);
    }
}

/// A uniformly random key.
fn random_key() -> SecretKey {
    loop {
        // Fails for 0 and for what exceeds the group's order: about once in 2^128.
        if let Ok(key) = SecretKey::from_byte_array(B256::random().0) {
            return key;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloy::primitives::hex;

    use super::*;

    /// EIP-8's "Auth₂": two bytes of length, authenticated; then the packet to the recipient's static key.
    const EIP_8: &str = "01b304ab7578555167be8154d5cc456f567d5ba302662433674222360f08d5f1534499d3678b513b\
        0fca474f3a514b18e75683032eb63fccb16c156dc6eb2c0b1593f0d84ac74f6e475f1b8d56116b84\
        9634a8c458705bf83a626ea0384d4d7341aae591fae42ce6bd5c850bfe0b999a694a49bbbaf3ef6c\
        da61110601d3b4c02ab6c30437257a6e0117792631a4b47c1d52fc0f8f89caadeb7d02770bf999cc\
        147d2df3b62e1ffb2c9d8c125a3984865356266bca11ce7d3a688663a51d82defaa8aad69da39ab6\
        d5470e81ec5f2a7a47fb865ff7cca21516f9299a07b1bc63ba56c7a1a892112841ca44b6e0034dee\
        70c9adabc15d76a54f443593fafdc3b27af8059703f88928e199cb122362a4b35f62386da7caad09\
        c001edaeb5f8a06d2b26fb6cb93c52a9fca51853b68193916982358fe1e5369e249875bb8d0d0ec3\
        6f917bc5e1eafd5896d46bd61ff23f1a863a8a8dcd54c7b109b771c8e61ec9c8908c733c0263440e\
        2aa067241aaa433f0bb053c7b31a838504b148f570c0ad62837129e547678c5190341e4f1693956c\
        3bf7678318e2d5b5340c9e488eefea198576344afbdf66db5f51204a6961a63ce072c8926c";

    fn key(hex: &str) -> SecretKey {
        SecretKey::from_byte_array(hex::decode_to_array(hex).unwrap()).unwrap()
    }

    #[test]
    fn reads_the_packet_of_eip_8() {
        let packet = hex::decode(EIP_8).unwrap();
        let (length, body) = packet.split_at(2);
        let secret = key("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
        let plain = decrypt(&secret, length, body).unwrap();
        // RLP([signature, initiator's public key, nonce, 4]) and padding; the nonce is EIP-8's "nonce A".
        let nonce = hex::decode("7e968bba13b6c50e2c4cd7f241cc0d64d1ac25c7f5952df231ac6a2bda8ee5d6").unwrap();
        assert!(plain.windows(32).any(|window| window == nonce));
        assert_eq!(decrypt(&secret, &[1, 0xb4], body), Err(Undecipherable), "the authenticated data is part of it");
    }

    #[test]
    fn only_the_recipient_reads_and_any_change_is_noticed() {
        let secret = key("49a7b37aa6f6645917e7b807e9d1c00d4fa71f18343b0d4122a4d2df64dd6fee");
        let encrypted = encrypt(&secret.public_key(SECP256K1), b"bound", &[7; 32]);
        assert_eq!(encrypted.len(), 1 + 64 + 16 + 32 + 32);
        assert_eq!(decrypt(&secret, b"bound", &encrypted).unwrap(), [7; 32]);
        let other = key("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
        assert_eq!(decrypt(&other, b"bound", &encrypted), Err(Undecipherable));
        for place in 0..encrypted.len() {
            let mut altered = encrypted.clone();
            altered[place] ^= 1;
            assert_eq!(decrypt(&secret, b"bound", &altered), Err(Undecipherable), "byte {place}");
        }
        for length in 0..encrypted.len() {
            assert_eq!(decrypt(&secret, b"bound", &encrypted[..length]), Err(Undecipherable), "{length} bytes");
        }
    }
}
