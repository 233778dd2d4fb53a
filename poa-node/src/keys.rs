//! Where secrets come from: the authority's keystore, opened with a password file, and the node's identity.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, hex};
use aurum_aura::KeySigner;
use keygen::{KeygenError, Password};
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
    /// The keystore cannot be read.
    #[error(transparent)]
    Keygen(KeygenError),
    /// The keystore holds another key.
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
    let keystore = find(address, folders)?;
    if passwords.is_empty() {
        return Err(KeyError::NoPassword { address });
    }
    for path in passwords {
        let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        let text = Zeroizing::new(text);
        // Parity takes a line without the blanks around it; a password that has some is tried as it stands first.
        let trimmed = text.lines().filter(|line| line.trim() != *line).map(str::trim);
        for line in text.lines().chain(trimmed) {
            match keygen::unlock(&keystore, &Password::from(line)) {
                Ok(secret) if secret.address() == address => return Ok(KeySigner::new(secret.to_secret_key())),
                Ok(secret) => {
                    let reason = format!("it holds the key of {}, not of {address}", secret.address());
                    return Err(KeyError::Keystore { path: keystore, reason });
                }
                Err(KeygenError::WrongPassword { .. }) => {}
                Err(error) => return Err(KeyError::Keygen(error)),
            }
        }
    }
    Err(KeyError::WrongPassword { keystore, passwords: passwords.to_vec() })
}

fn find(address: Address, folders: &[PathBuf]) -> Result<PathBuf, KeyError> {
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        match keygen::find_key(folder, address) {
            Ok(path) => return Ok(path),
            Err(KeygenError::NoKey { .. }) => {}
            Err(error) => return Err(KeyError::Keygen(error)),
        }
    }
    Err(KeyError::Missing { address, searched: folders.to_vec() })
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
