//! Tokens of those who logged in: 256 random bits each, kept as hashes and in memory only.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    hex,
    primitives::{Address, B256},
};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

/// Open sessions of one account; the oldest ends when one more opens.
const PER_ACCOUNT: usize = 16;

/// SHA-256 of a secret, which is all that is kept of it.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// One login. It ends by time, by logout, or for another of the same account.
#[derive(Debug)]
pub(crate) struct Session {
    address: Address,
    opened: Instant,
    expires: Instant,
    closed: CancellationToken,
}

impl Session {
    pub(crate) const fn address(&self) -> Address {
        self.address
    }

    /// Whether it still proves the account.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.is_cancelled() && Instant::now() < self.expires
    }

    /// From the login to the end by itself.
    pub(crate) fn lifetime(&self) -> Duration {
        self.expires.saturating_duration_since(self.opened)
    }

    /// Waits until it does not.
    pub(crate) async fn ended(&self) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = tokio::time::sleep_until(self.expires.into()) => {}
        }
    }
}

/// All sessions of one listener.
pub(super) struct Sessions {
    ttl: Duration,
    by_digest: Mutex<HashMap<[u8; 32], Arc<Session>>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("ttl", &self.ttl).field("open", &self.lock().len()).finish()
    }
}

impl Sessions {
    /// Each session ends after `ttl`.
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, by_digest: Mutex::default() }
    }

    /// A new session and its token: 64 hex digits that are told once.
    pub(super) fn open(&self, address: Address) -> (String, Arc<Session>) {
        let token = hex::encode(B256::random());
        let opened = Instant::now();
        let session =
            Arc::new(Session { address, opened, expires: opened + self.ttl, closed: CancellationToken::new() });
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.is_open());
        let of_account = || sessions.iter().filter(|(_, session)| session.address == address);
        if of_account().count() >= PER_ACCOUNT
            && let Some((oldest, _)) = of_account().min_by_key(|(_, session)| session.opened)
        {
            let oldest = *oldest;
            if let Some(session) = sessions.remove(&oldest) {
                session.closed.cancel();
            }
        }
        sessions.insert(digest(&token), Arc::clone(&session));
        (token, session)
    }

    /// The open session of a token. It is looked up by its hash, of which timing could tell at most.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Session>> {
        self.lock().get(&digest(token)).filter(|session| session.is_open()).map(Arc::clone)
    }

    /// Ends the session of a token; whether there was one.
    pub(super) fn close(&self, token: &str) -> bool {
        let closed = self.lock().remove(&digest(token));
        closed.is_some_and(|session| {
            let open = session.is_open();
            session.closed.cancel();
            open
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Session>>> {
        self.by_digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::primitives::Address;

    use super::{PER_ACCOUNT, Sessions};

    #[test]
    fn a_token_is_random_and_never_shown() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let (one, session) = sessions.open(Address::ZERO);
        let (two, _) = sessions.open(Address::ZERO);
        assert_ne!(one, two);
        assert_eq!(one.len(), 64);
        assert!(!format!("{sessions:?} {session:?}").contains(&one[..16]));
    }

    #[test]
    fn a_session_ends_by_itself() {
        let sessions = Sessions::new(Duration::ZERO);
        let (token, session) = sessions.open(Address::ZERO);
        assert!(!session.is_open() && sessions.find(&token).is_none());
    }

    #[test]
    fn one_account_holds_so_many_sessions_and_the_oldest_ends() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let (other, _) = sessions.open(Address::repeat_byte(1));
        let tokens: Vec<_> = (0..=PER_ACCOUNT).map(|_| sessions.open(Address::ZERO).0).collect();
        assert!(sessions.find(&tokens[0]).is_none() && sessions.find(&tokens[1]).is_some());
        assert!(sessions.find(&other).is_some());
    }
}
