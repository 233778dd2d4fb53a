//! Where secrets come from: the authority's keystore, opened with a password file, and the node's identity.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, hex};
use aurum_aura::{KeySigner, Signer as _};
use secp256k1::SecretKey;
use serde_json::Value;
use zeroize::Zeroizing;

/// Why there is no key. No message ever holds one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No keystore file has this address.
    #[error("no key of the engine signer {address} in {}", list(searched))]
    Missing {
        /// The authority.
        address: Address,
        /// Folders that were searched.
        searched: Vec<PathBuf>,
    },
    /// No password file was given.
    #[error("no password for the engine signer {address}: give a file with it by --password FILE")]
    NoPassword {
        /// The authority.
        address: Address,
    },
    /// None of the passwords opens the keystore.
    #[error("none of the passwords in {} opens {}", list(passwords), keystore.display())]
    WrongPassword {
        /// The keystore.
        keystore: PathBuf,
        /// Password files.
        passwords: Vec<PathBuf>,
    },
    /// A file cannot be read or made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keystore is damaged, or holds another key than its name says.
    #[error("{}: {reason}", path.display())]
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// What about it.
        reason: String,
    },
    /// A node key file holds something else.
    #[error("{} does not hold a node key: 64 hex digits are expected", path.display())]
    NodeKey {
        /// The file.
        path: PathBuf,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Opens the keystore of `address` in one of `folders` with one of the passwords, one a line of each file.
///
/// # Errors
/// [`KeyError`] says which folder was searched, or which password failed.
pub fn unlock(address: Address, folders: &[PathBuf], passwords: &[PathBuf]) -> Result<KeySigner, KeyError> {
    let mut lines = Vec::new();
    for path in passwords {
        let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        lines.extend(text.lines().map(|line| Zeroizing::new(line.to_owned())));
    }
    let keystores = candidates(address, folders);
    if keystores.is_empty() {
        return Err(KeyError::Missing { address, searched: folders.to_vec() });
    }
    if lines.is_empty() {
        return Err(KeyError::NoPassword { address });
    }
    let mut failed = None;
    for keystore in keystores {
        for password in &lines {
            match open(&keystore, password) {
                Ok(signer) if signer.address() == address => return Ok(signer),
                Ok(other) => {
                    let reason = format!("it holds the key of {}, not of {address}", other.address());
                    failed = Some(KeyError::Keystore { path: keystore.clone(), reason });
                }
                Err(Some(reason)) => failed = Some(KeyError::Keystore { path: keystore.clone(), reason }),
                Err(None) => {}
            }
        }
        failed.get_or_insert(KeyError::WrongPassword { keystore, passwords: passwords.to_vec() });
    }
    Err(failed.expect("at least one keystore was tried"))
}

/// Keystore files that say they are this address's, then those that do not say whose they are.
fn candidates(address: Address, folders: &[PathBuf]) -> Vec<PathBuf> {
    let wanted = hex::encode(address);
    let (mut named, mut nameless) = (Vec::new(), Vec::new());
    for path in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().map(|e| e.path()) {
        let Some(keystore) = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok())
        else {
            continue;
        };
        match keystore["address"].as_str() {
            Some(text) if text.trim_start_matches("0x").eq_ignore_ascii_case(&wanted) => named.push(path),
            None if keystore["crypto"].is_object() || keystore["Crypto"].is_object() => nameless.push(path),
            _ => {}
        }
    }
    named.extend(nameless);
    named
}

/// `Err(None)` for a wrong password, else what is wrong with the file.
fn open(keystore: &Path, password: &str) -> Result<KeySigner, Option<String>> {
    let secret = match eth_keystore::decrypt_key(keystore, password) {
        Ok(secret) => Zeroizing::new(secret),
        Err(eth_keystore::KeystoreError::MacMismatch) => return Err(None),
        Err(error) => return Err(Some(error.to_string())),
    };
    let bytes = <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| Some("the key is not 32 bytes".to_owned()))?;
    SecretKey::from_byte_array(bytes).map(KeySigner::new).map_err(|error| Some(error.to_string()))
}

/// The node key in these 64 hex digits.
pub fn node_key_from_hex(digits: &str) -> [u8; 32] {
    hex::decode_to_array(digits).expect("the caller has looked at the digits")
}

/// The node key in a file of 64 hex digits.
///
/// # Errors
/// [`KeyError`].
pub fn read_node_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    hex::decode_to_array(text.trim()).map_err(|_| KeyError::NodeKey { path: path.to_owned() })
}

/// The node key in `path`, which is made with a random one if it is not there.
///
/// # Errors
/// [`KeyError`].
pub fn read_or_make_node_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let make = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let key = alloy::primitives::B256::random();
        writeln!(file, "{}", hex::encode(key))?;
        file.sync_all()?;
        Ok(key.0)
    };
    if path.exists() {
        return read_node_key(path);
    }
    make().map_err(|source| KeyError::File { path: path.to_owned(), source })
}
