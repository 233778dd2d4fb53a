//! Nonces that cost no memory until they are used: each carries its time and proves that it is ours.
//!
//! A stranger can ask for any number of challenges; only who signs one is remembered, until it would have expired anyway.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alloy::{
    hex,
    primitives::{B64, B256, keccak256},
};
use subtle::ConstantTimeEq as _;

/// Why a nonce is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NonceError {
    #[error("the nonce is none of this listener's, or of before it was started: ask for a new challenge")]
    Unknown,
    #[error("the nonce is too old: ask for a new challenge")]
    Expired,
    #[error("the nonce was used already: ask for a new challenge")]
    Used,
}

/// Bytes of the keyed hash in a nonce.
const MAC: usize = 16;

/// `hex(unix seconds ‖ 8 random bytes ‖ first 16 bytes of keccak256(key ‖ both))`: 64 hex digits, which EIP-4361 takes for
/// a nonce. keccak256 with the key in front is a MAC, since it has no length extension.
pub(super) struct Nonces {
    key: B256,
    ttl: Duration,
    /// Used ones, with when they may be forgotten.
    used: Mutex<HashMap<[u8; 32], u64>>,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Nonces {
    /// Each nonce is good for `ttl`, with this key only.
    pub(super) fn new(ttl: Duration) -> Self {
        Self { key: B256::random(), ttl, used: Mutex::default() }
    }

    /// A new one, at `now` in Unix seconds.
    pub(super) fn issue(&self, now: u64) -> String {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&now.to_be_bytes());
        nonce[8..16].copy_from_slice(B64::random().as_slice());
        let mac = self.mac(&nonce[..16]);
        nonce[16..].copy_from_slice(&mac);
        hex::encode(nonce)
    }

    /// Whether it could be used now.
    ///
    /// # Errors
    /// [`NonceError`].
    pub(super) fn check(&self, nonce: &str, now: u64) -> Result<(), NonceError> {
        let nonce = self.read(nonce, now)?;
        if self.used().contains_key(&nonce) { Err(NonceError::Used) } else { Ok(()) }
    }

    /// Uses it: of any number of threads, one succeeds.
    ///
    /// # Errors
    /// [`NonceError`].
    pub(super) fn spend(&self, nonce: &str, now: u64) -> Result<(), NonceError> {
        let nonce = self.read(nonce, now)?;
        let mut used = self.used();
        used.retain(|_, end| *end >= now);
        match used.insert(nonce, now + self.ttl.as_secs()) {
            None => Ok(()),
            Some(_) => Err(NonceError::Used),
        }
    }

    /// The bytes of one that is ours and not too old.
    fn read(&self, nonce: &str, now: u64) -> Result<[u8; 32], NonceError> {
        // Only the spelling we gave: another one of the same bytes would be another nonce to a client.
        if nonce.bytes().any(|byte| byte.is_ascii_uppercase()) || nonce.len() != 64 {
            return Err(NonceError::Unknown);
        }
        let bytes: [u8; 32] = hex::decode_to_array(nonce).map_err(|_| NonceError::Unknown)?;
        let (front, mac) = bytes.split_at(16);
        if !bool::from(self.mac(front).as_slice().ct_eq(mac)) {
            return Err(NonceError::Unknown);
        }
        let mut issued = [0; 8];
        issued.copy_from_slice(&front[..8]);
        let end = u64::from_be_bytes(issued).saturating_add(self.ttl.as_secs());
        if end < now { Err(NonceError::Expired) } else { Ok(bytes) }
    }

    fn mac(&self, front: &[u8]) -> [u8; MAC] {
        let mut mac = [0; MAC];
        mac.copy_from_slice(&keccak256([self.key.as_slice(), front].concat())[..MAC]);
        mac
    }

    fn used(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NonceError, Nonces};

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_nonce_is_used_once_and_in_time() {
        let nonces = Nonces::new(Duration::from_secs(300));
        let nonce = nonces.issue(NOW);
        assert!(nonce.len() == 64 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(nonces.check(&nonce, NOW + 300), Ok(()));
        assert_eq!(nonces.check(&nonce, NOW + 301), Err(NonceError::Expired));
        assert_eq!(nonces.spend(&nonce, NOW + 300), Ok(()));
        assert_eq!(nonces.spend(&nonce, NOW + 300), Err(NonceError::Used));
        assert_eq!(nonces.check(&nonce, NOW + 300), Err(NonceError::Used));
    }

    #[test]
    fn a_used_nonce_is_remembered_until_it_is_too_old() {
        let nonces = Nonces::new(Duration::from_secs(300));
        let first = nonces.issue(NOW);
        nonces.spend(&first, NOW).unwrap();
        nonces.spend(&nonces.issue(NOW + 300), NOW + 300).unwrap();
        assert_eq!(nonces.check(&first, NOW + 300), Err(NonceError::Used));
        nonces.spend(&nonces.issue(NOW + 301), NOW + 301).unwrap();
        assert_eq!(nonces.check(&first, NOW + 301), Err(NonceError::Expired));
        assert_eq!(nonces.used().len(), 2);
    }

    #[test]
    fn a_nonce_is_ours_to_the_last_bit() {
        let nonces = Nonces::new(Duration::from_secs(300));
        let nonce = nonces.issue(NOW);
        for index in 0..nonce.len() {
            let other = if nonce.as_bytes()[index] == b'0' { "1" } else { "0" };
            let mut forged = nonce.clone();
            forged.replace_range(index..=index, other);
            assert_eq!(nonces.check(&forged, NOW), Err(NonceError::Unknown), "{index}");
        }
        let other = Nonces::new(Duration::from_secs(300));
        assert_eq!(other.check(&nonce, NOW), Err(NonceError::Unknown));
        for text in ["", "00", &nonce.to_uppercase(), &format!("0x{nonce}")] {
            assert_eq!(nonces.check(text, NOW), Err(NonceError::Unknown), "{text}");
        }
    }
}
