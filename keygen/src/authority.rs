//! One company: its keys, which stay with it, and what it tells the others.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use alloy::primitives::Address;
use secp256k1::PublicKey;
use serde::{Deserialize, Serialize};

use crate::{
    KeygenError, Password, Secret, development_key,
    files::{check_name, create_private, create_private_folder, create_public, create_whole, read_text},
    keystore,
};

/// What a company publishes: its `authority.json`. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authority {
    /// The company, in lower-case letters, digits and hyphens; also the name of its folder and of its host in containers.
    pub name: String,
    /// The account that seals blocks.
    pub address: Address,
    /// The node's id: 128 hex digits.
    pub node_id: String,
    /// Where the other nodes reach this one.
    pub endpoint: Endpoint,
}

impl Authority {
    /// The node's URL for peers.
    pub fn enode(&self) -> String {
        format!("enode://{}@{}", self.node_id, self.endpoint)
    }

    /// Reads and checks an `authority.json`.
    ///
    /// # Errors
    /// When the file is not one, or anything in it is not what it should be.
    pub fn read(path: &Path) -> Result<Self, KeygenError> {
        let what = path.display().to_string();
        let authority: Self =
            serde_json::from_str(&read_text(path)?).map_err(|error| KeygenError::invalid(what.clone(), error))?;
        check_name(&what, &authority.name)?;
        if authority.address.is_zero() {
            return Err(KeygenError::invalid(what, "the address is zero"));
        }
        node_address(&authority.node_id).map_err(|reason| KeygenError::invalid(what, reason))?;
        Ok(authority)
    }
}

/// The account that the node's key would be, if it were an account's.
fn node_address(node_id: &str) -> Result<Address, String> {
    let lower = node_id.len() == 128 && node_id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !lower {
        return Err("the node id is not 128 lower-case hex digits".to_owned());
    }
    let key = PublicKey::from_str(&format!("04{node_id}")).map_err(|_| "the node id is no public key".to_owned())?;
    Ok(aurum_types::crypto::address_of(&key))
}

/// `host:port`: a DNS name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// A host of our own making.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "[::1]" || self.host.starts_with("127.")
    }
}

impl FromStr for Endpoint {
    type Err = KeygenError;

    fn from_str(text: &str) -> Result<Self, KeygenError> {
        let refuse = |reason: &str| KeygenError::invalid("endpoint", format!("`{text}` {reason}"));
        let (host, port) = text.rsplit_once(':').ok_or_else(|| refuse("is not HOST:PORT"))?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| refuse("has no port from 1 to 65535"))?;
        let good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let label = |label: &str| {
                    !label.is_empty()
                        && label.len() <= 63
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                };
                host.len() <= 253 && host.split('.').all(label)
            }
        };
        if !good {
            return Err(refuse("has neither a DNS name nor an address before its port (IPv6 goes in brackets)"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = KeygenError;

    fn try_from(text: String) -> Result<Self, KeygenError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

/// Where a company's files are.
#[derive(Clone, Debug)]
pub struct AuthorityFolder(pub PathBuf);

impl AuthorityFolder {
    /// What may be shown to everybody.
    pub fn public(&self) -> PathBuf {
        self.0.join("authority.json")
    }

    /// The folder of the account's keystore.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The keystore's password.
    pub fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    /// The node's key.
    pub fn node_key(&self) -> PathBuf {
        self.0.join("node.key")
    }
}

/// Makes a company's folder: keystore, password and node key, each for its owner only, and `authority.json`. `key` is an
/// account that exists already.
///
/// # Errors
/// [`KeygenError::Exists`] when the folder is not empty; [`KeygenError::DevelopmentKey`] for such a `key` unless `dev`.
pub fn create_authority(
    folder: &Path,
    name: &str,
    endpoint: Endpoint,
    key: Option<Secret>,
    dev: bool,
) -> Result<Authority, KeygenError> {
    check_name("--name", name)?;
    let secret = key.map_or_else(Secret::generate, Ok)?;
    refuse_development_key(secret.address(), dev)?;
    create_whole(folder, create_private_folder, |draft| {
        let files = AuthorityFolder(draft.to_owned());
        let (password, node_key) = (Password::generate()?, Secret::generate()?);
        create_private_folder(&files.keys())?;
        keystore::store(&files.keys(), &secret, &password)?;
        keystore::write_password(&files.password(), &password)?;
        let mut line = node_key.to_hex();
        line.push('\n');
        create_private(&files.node_key(), line.as_bytes())?;
        let authority =
            Authority { name: name.to_owned(), address: secret.address(), node_id: node_key.node_id(), endpoint };
        let text =
            serde_json::to_string_pretty(&authority).map_err(|error| KeygenError::invalid("authority", error))?;
        create_public(&files.public(), format!("{text}\n").as_bytes())?;
        Ok(authority)
    })
}

pub(crate) fn refuse_development_key(account: Address, dev: bool) -> Result<(), KeygenError> {
    match development_key(account) {
        Some(origin) if !dev => Err(KeygenError::DevelopmentKey { address: account, origin }),
        _ => Ok(()),
    }
}

/// Reads several `authority.json`, in any order. The result is in order of names.
///
/// # Errors
/// As [`Authority::read`], and when two of them share a name, address, node id or endpoint.
pub fn read_authorities(paths: &[PathBuf]) -> Result<Vec<Authority>, KeygenError> {
    let read = paths.iter().map(|path| Authority::read(path)).collect::<Result<Vec<_>, _>>()?;
    in_order(read)
}

/// Sorts by name and refuses what two share.
pub(crate) fn in_order(mut authorities: Vec<Authority>) -> Result<Vec<Authority>, KeygenError> {
    type Fact = fn(&Authority) -> String;
    // By everything, so that a duplicate is reported alike in whatever order the files came.
    authorities.sort();
    let facts: [(&'static str, Fact); 4] = [
        ("name", |one| one.name.clone()),
        ("address", |one| one.address.to_string()),
        ("node id", |one| one.node_id.clone()),
        ("endpoint", |one| one.endpoint.to_string()),
    ];
    for (what, fact) in facts {
        let mut seen = BTreeMap::new();
        for one in &authorities {
            if let Some(first) = seen.insert(fact(one), one.name.clone()) {
                return Err(KeygenError::Duplicate { what, value: fact(one), first, second: one.name.clone() });
            }
        }
    }
    Ok(authorities)
}

/// Refuses authorities whose account or node key is a published one.
pub(crate) fn refuse_development_authorities(authorities: &[Authority], dev: bool) -> Result<(), KeygenError> {
    for one in authorities {
        refuse_development_key(one.address, dev)?;
        let node = node_address(&one.node_id).map_err(|reason| KeygenError::invalid(one.name.clone(), reason))?;
        refuse_development_key(node, dev)?;
    }
    Ok(())
}
