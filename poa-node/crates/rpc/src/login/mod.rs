//! Who asks, on a listener that demands to know.
//!
//! ```text
//! POST /auth/challenge ─▶ a message with a nonce            nothing is remembered
//! POST /auth/login     ─▶ signature ─▶ account ─▶ token     the token's hash is remembered, in memory only
//! Authorization: Bearer TOKEN, or /k/TOKEN ─▶ Caller        sessions, then API keys
//! client certificate of the connection     ─▶ Caller        instead of all this, where a listener asks for one
//! POST /auth/logout    ─▶ the token is worth nothing
//! ```
//!
//! A login proves an account (EIP-4361, "Sign-In with Ethereum"); what the account may do is asked of the permission
//! contract at each request, behind the gate. Proofs are compared and kept as SHA-256 hashes; no log line holds one.

mod nonce;
mod routes;
mod services;
mod sessions;
mod siwe;
mod timestamp;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, Signature};

pub use self::services::{Service, ServiceList, ServiceListError};
use self::{
    nonce::{NonceError, Nonces},
    sessions::Sessions,
    siwe::{Message, MessageError},
};
pub(crate) use self::{routes::routes, services::Listed, sessions::Session};
use crate::caller::Caller;

/// How long a challenge can be answered.
const CHALLENGE_TTL: Duration = Duration::from_secs(300);
/// By how much a client's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How a listener that demands a login proves accounts.
#[derive(Clone, Debug)]
pub struct LoginConfig {
    /// Authorities (`host` or `host:port`) that messages may be signed for: this listener's own name first, then those of
    /// pages that log in to it. A wallet shows the one it signs for.
    pub domains: Vec<String>,
    /// How long a token is good for.
    pub token_ttl: Duration,
    /// Services with a static key.
    pub api_keys: ServiceList,
    /// Services with a client certificate. Where this is, a caller is who the connection's certificate says, and nobody logs
    /// in; the listener's [`crate::Tls`] has to ask for certificates.
    pub certificates: Option<ServiceList>,
}

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Nonce(#[from] NonceError),
    #[error("the message is for the domain {have:?}, this listener is {}", want.join(", "))]
    Domain { have: String, want: Vec<String> },
    #[error("the message is for the resource {have:?}, which is not on {want:?}")]
    Uri { have: String, want: String },
    #[error("the message is for chain {have}, this is chain {want}")]
    Chain { have: u64, want: u64 },
    #[error("the message has expired")]
    Expired,
    #[error("the message is not valid yet")]
    NotYet,
    #[error("the signature is not that of {0} over this message")]
    Signature(Address),
}

impl LoginError {
    /// Stable word for programs.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Message(_) => "MESSAGE_MALFORMED",
            Self::Nonce(NonceError::Unknown) => "NONCE_UNKNOWN",
            Self::Nonce(NonceError::Expired) => "NONCE_EXPIRED",
            Self::Nonce(NonceError::Used) => "NONCE_USED",
            Self::Domain { .. } => "WRONG_DOMAIN",
            Self::Uri { .. } => "WRONG_URI",
            Self::Chain { .. } => "WRONG_CHAIN",
            Self::Expired => "MESSAGE_EXPIRED",
            Self::NotYet => "MESSAGE_NOT_YET_VALID",
            Self::Signature(_) => "WRONG_SIGNATURE",
        }
    }
}

/// The logins of one listener.
#[derive(Debug)]
pub(crate) struct Logins {
    config: LoginConfig,
    chain_id: u64,
    /// Whether the listener speaks TLS.
    tls: bool,
    nonces: Nonces,
    sessions: Sessions,
}

impl Logins {
    pub(crate) fn new(config: LoginConfig, chain_id: u64, tls: bool) -> Self {
        let sessions = Sessions::new(config.token_ttl);
        Self { config, chain_id, tls, nonces: Nonces::new(CHALLENGE_TTL), sessions }
    }

    /// A message for `address` to sign, for `domain` or this listener's own.
    ///
    /// # Errors
    /// [`LoginError::Domain`].
    pub(crate) fn challenge(
        &self,
        address: Address,
        domain: Option<&str>,
        now: SystemTime,
    ) -> Result<Message, LoginError> {
        let own = self.config.domains.first().map_or("", String::as_str);
        let domain = domain.unwrap_or(own);
        self.check_domain(domain)?;
        Ok(Message {
            scheme: None,
            domain: domain.to_owned(),
            address,
            statement: Some(
                "Sign in to read and use this chain. This sends no transaction and costs nothing.".to_owned(),
            ),
            uri: format!("{}://{domain}/", if self.is_plain(domain) { "http" } else { "https" }),
            chain_id: self.chain_id,
            nonce: self.nonces.issue(unix(now)),
            issued_at: unix(now),
            expiration_time: Some(unix(now) + CHALLENGE_TTL.as_secs()),
            not_before: None,
        })
    }

    /// The account that signed this message for us, here and now. Its nonce is used up. Costs a signature recovery
    /// (about 100 µs): call it off the async threads.
    ///
    /// # Errors
    /// [`LoginError`] says what about it is wrong.
    pub(crate) fn verify(&self, text: &str, signature: &Signature, now: SystemTime) -> Result<Address, LoginError> {
        let message = Message::parse(text)?;
        let now = unix(now);
        self.check_domain(&message.domain)?;
        if message.uri_authority().is_none_or(|authority| !authority.eq_ignore_ascii_case(&message.domain)) {
            return Err(LoginError::Uri { have: message.uri, want: message.domain });
        }
        if message.chain_id != self.chain_id {
            return Err(LoginError::Chain { have: message.chain_id, want: self.chain_id });
        }
        if message.expiration_time.is_some_and(|end| end <= now) {
            return Err(LoginError::Expired);
        }
        let latest = now + CLOCK_SKEW.as_secs();
        if message.issued_at > latest || message.not_before.is_some_and(|start| start > latest) {
            return Err(LoginError::NotYet);
        }
        // Before the signature, which costs more; spent only after it, so that nobody can spend another's.
        self.nonces.check(&message.nonce, now)?;
        match signature.recover_address_from_msg(text) {
            Ok(signer) if signer == message.address => {}
            _ => return Err(LoginError::Signature(message.address)),
        }
        self.nonces.spend(&message.nonce, now)?;
        Ok(message.address)
    }

    /// A new token for `address`: the only time its text is known, and when it ends.
    pub(crate) fn open(&self, address: Address) -> (String, Arc<Session>) {
        self.sessions.open(address)
    }

    /// Ends the session of `token`; whether there was one.
    pub(crate) fn close(&self, token: &str) -> bool {
        self.sessions.close(token)
    }

    /// Who holds this proof: a session's token, or an API key.
    pub(crate) fn recognise(&self, proof: &str) -> Option<Caller> {
        if let Some(session) = self.sessions.find(proof) {
            return Some(Caller::session(session));
        }
        self.config.api_keys.find_key(proof).map(Caller::service)
    }

    /// Whether callers are known by their certificates.
    pub(crate) const fn by_certificate(&self) -> bool {
        self.config.certificates.is_some()
    }

    /// Who holds the certificate with this fingerprint (SHA-256 of its DER form).
    pub(crate) fn recognise_certificate(&self, fingerprint: &[u8; 32]) -> Option<Caller> {
        self.config.certificates.as_ref()?.find(fingerprint).map(Caller::service)
    }

    /// Reads changed files again: call it off the async threads.
    pub(crate) fn refresh(&self) {
        self.config.api_keys.refresh();
        self.config.certificates.iter().for_each(ServiceList::refresh);
    }

    /// Whether a domain is reached without TLS: a page on this machine, or this listener there. Elsewhere something before
    /// them speaks it.
    fn is_plain(&self, domain: &str) -> bool {
        let own = self.config.domains.first().is_some_and(|own| own.eq_ignore_ascii_case(domain));
        is_loopback(domain) && !(own && self.tls)
    }

    fn check_domain(&self, domain: &str) -> Result<(), LoginError> {
        if self.config.domains.iter().any(|known| known.eq_ignore_ascii_case(domain)) {
            return Ok(());
        }
        Err(LoginError::Domain { have: domain.to_owned(), want: self.config.domains.clone() })
    }
}

/// Whether a domain is this machine.
fn is_loopback(domain: &str) -> bool {
    let host = crate::config::host_name(domain);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use alloy::{
        primitives::{Address, Signature, eip191_hash_message, keccak256},
        signers::{SignerSync, local::PrivateKeySigner},
    };

    use super::{LoginConfig, Logins, Message, ServiceList};

    fn start() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn logins() -> Logins {
        let domains = vec!["rpc.acme.example".to_owned(), "app.acme.example".to_owned()];
        let (token_ttl, api_keys) = (Duration::from_secs(3600), ServiceList::default());
        let config = LoginConfig { domains, token_ttl, api_keys, certificates: None };
        Logins::new(config, 2026, false)
    }

    fn signer() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&keccak256("a member")).unwrap()
    }

    fn sign(text: &str) -> Signature {
        signer().sign_message_sync(text.as_bytes()).unwrap()
    }

    /// What becomes of a challenge that is changed before it is signed.
    fn changed(change: impl FnOnce(&mut Message), after: Duration) -> Result<Address, &'static str> {
        let logins = logins();
        let mut message = logins.challenge(signer().address(), None, start()).unwrap();
        change(&mut message);
        let text = message.to_string();
        logins.verify(&text, &sign(&text), start() + after).map_err(|error| error.reason())
    }

    #[test]
    fn a_signed_challenge_proves_the_account_once() {
        let logins = logins();
        let text = logins.challenge(signer().address(), None, start()).unwrap().to_string();
        assert_eq!(logins.verify(&text, &sign(&text), start()), Ok(signer().address()));
        let again = logins.verify(&text, &sign(&text), start()).unwrap_err();
        assert_eq!(again.reason(), "NONCE_USED");
    }

    #[test]
    fn everything_that_binds_the_message_is_checked() {
        let soon = Duration::from_secs(1);
        assert_eq!(changed(|_| {}, soon), Ok(signer().address()));
        assert_eq!(changed(|m| m.domain = "evil.example".to_owned(), soon), Err("WRONG_DOMAIN"));
        assert_eq!(changed(|m| m.uri = "http://evil.example/".to_owned(), soon), Err("WRONG_URI"));
        assert_eq!(changed(|m| m.chain_id = 1, soon), Err("WRONG_CHAIN"));
        assert_eq!(changed(|_| {}, Duration::from_secs(301)), Err("MESSAGE_EXPIRED"));
        assert_eq!(changed(|m| m.expiration_time = None, Duration::from_secs(301)), Err("NONCE_EXPIRED"));
        assert_eq!(changed(|m| m.not_before = Some(1_700_009_999), soon), Err("MESSAGE_NOT_YET_VALID"));
        assert_eq!(changed(|m| m.issued_at = 1_700_009_999, soon), Err("MESSAGE_NOT_YET_VALID"));
        assert_eq!(changed(|m| m.nonce = "0".repeat(64), soon), Err("NONCE_UNKNOWN"));
        assert_eq!(changed(|m| m.address = Address::ZERO, soon), Err("WRONG_SIGNATURE"));
        assert_eq!(changed(|m| m.domain = "app.acme.example".to_owned(), soon), Err("WRONG_URI"));
    }

    #[test]
    fn a_page_of_another_listed_domain_logs_in() {
        let logins = logins();
        let text = logins.challenge(signer().address(), Some("app.acme.example"), start()).unwrap().to_string();
        assert!(text.starts_with("app.acme.example wants you to sign in with your Ethereum account:\n"));
        assert_eq!(logins.verify(&text, &sign(&text), start()), Ok(signer().address()));
        assert_eq!(
            logins.challenge(Address::ZERO, Some("evil.example"), start()).unwrap_err().reason(),
            "WRONG_DOMAIN"
        );
    }

    #[test]
    fn the_uri_says_https_unless_the_domain_is_here_and_without_tls() {
        let uri = |tls, domain: &str| {
            let domains = ["localhost:8546", "rpc.acme.example", "127.0.0.1:3000"].map(str::to_owned).to_vec();
            let (token_ttl, api_keys) = (Duration::from_secs(3600), ServiceList::default());
            let config = LoginConfig { domains, token_ttl, api_keys, certificates: None };
            Logins::new(config, 2026, tls).challenge(Address::ZERO, Some(domain), start()).unwrap().uri
        };
        assert_eq!(uri(false, "localhost:8546"), "http://localhost:8546/");
        assert_eq!(uri(true, "LOCALHOST:8546"), "https://LOCALHOST:8546/");
        for tls in [false, true] {
            assert_eq!(uri(tls, "rpc.acme.example"), "https://rpc.acme.example/");
            // A page on this machine, not this listener.
            assert_eq!(uri(tls, "127.0.0.1:3000"), "http://127.0.0.1:3000/");
        }
    }

    #[test]
    fn a_signature_of_other_words_proves_nothing_and_spends_nothing() {
        let logins = logins();
        let text = logins.challenge(signer().address(), None, start()).unwrap().to_string();
        let error = logins.verify(&text, &sign("other words"), start()).unwrap_err();
        assert_eq!(error.reason(), "WRONG_SIGNATURE");
        // A signature over the bare hash of the message, without the prefix of EIP-191, is none either.
        let bare = signer().sign_hash_sync(&keccak256(&text)).unwrap();
        assert_ne!(eip191_hash_message(&text), keccak256(&text));
        assert_eq!(logins.verify(&text, &bare, start()).unwrap_err().reason(), "WRONG_SIGNATURE");
        assert_eq!(logins.verify(&text, &sign(&text), start()), Ok(signer().address()));
    }

    #[test]
    fn a_nonce_of_another_listener_is_unknown() {
        let text = logins().challenge(signer().address(), None, start()).unwrap().to_string();
        assert_eq!(logins().verify(&text, &sign(&text), start()).unwrap_err().reason(), "NONCE_UNKNOWN");
    }

    #[test]
    fn a_token_is_recognised_until_it_is_given_back() {
        let logins = logins();
        let (token, session) = logins.open(signer().address());
        assert!(logins.recognise(&token).is_some());
        assert!(logins.recognise(&token[1..]).is_none());
        assert!(logins.close(&token) && !logins.close(&token));
        assert!(logins.recognise(&token).is_none() && !session.is_open());
    }
}
