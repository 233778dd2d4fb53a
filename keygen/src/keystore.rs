//! Web3 v3 keystores by eth-keystore, with the care it leaves to others: file modes, the `address` field as other clients
//! write it, files without one, and parameters that would make it panic or take all memory.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, hex};
use aurum_types::civil_from_days;
use rand_08::rngs::OsRng;
use serde_json::{Map, Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{KeygenError, Password, Secret, files};

/// Most memory scrypt may ask for, in bytes; geth's standard takes 256 MiB.
const MAX_SCRYPT_MEMORY: u64 = 1 << 30;
/// Most rounds of PBKDF2; Parity and geth write 10,240 and 262,144.
const MAX_PBKDF2_ROUNDS: u64 = 10_000_000;

/// What a keystore says without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeystoreInfo {
    /// The file.
    pub path: PathBuf,
    /// Whose it is, if the file says so.
    pub address: Option<Address>,
    /// Key derivation: `scrypt` or `pbkdf2`.
    pub kdf: String,
}

/// Opens a keystore.
///
/// # Errors
/// [`KeygenError::WrongPassword`]; [`KeygenError::Keystore`] for a file that is none, asks for absurd work, or holds the
/// key of another account than it says.
pub fn unlock(path: &Path, password: &Password) -> Result<Secret, KeygenError> {
    let (mut keystore, info) = read(path)?;
    // eth-keystore demands the field and the id, does not look at them, and reads from a path only.
    keystore.insert("address".to_owned(), json!(hex::encode(info.address.unwrap_or_default())));
    if keystore.get("id").and_then(Value::as_str).is_none() {
        keystore.insert("id".to_owned(), json!("00000000-0000-0000-0000-000000000000"));
    }
    let mut file = tempfile::NamedTempFile::new().map_err(KeygenError::io(path))?;
    file.write_all(Value::Object(keystore).to_string().as_bytes()).map_err(KeygenError::io(path))?;
    let mut bytes = match eth_keystore::decrypt_key(file.path(), password.expose()) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(eth_keystore::KeystoreError::MacMismatch) => {
            return Err(KeygenError::WrongPassword { path: path.to_owned() });
        }
        Err(error) => return Err(malformed(path, error)),
    };
    let secret = Secret::from_bytes(&bytes).map_err(|error| malformed(path, error));
    bytes.zeroize();
    let secret = secret?;
    match info.address {
        Some(address) if address != secret.address() => {
            Err(malformed(path, format_args!("it says it is {address}'s and holds the key of {}", secret.address())))
        }
        _ => Ok(secret),
    }
}

/// What a keystore says without its password.
///
/// # Errors
/// [`KeygenError::Keystore`] when the file is no keystore.
pub fn inspect(path: &Path) -> Result<KeystoreInfo, KeygenError> {
    read(path).map(|(_, info)| info)
}

/// Every keystore in a folder, by file name. Other files are passed over.
///
/// # Errors
/// When the folder cannot be read.
pub fn keystores(folder: &Path) -> Result<Vec<KeystoreInfo>, KeygenError> {
    let entries =
        fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(KeygenError::io(folder))?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    Ok(paths.iter().filter_map(|path| inspect(path).ok()).collect())
}

/// The keystore of `address` in a folder, as its `address` field says; without such a file, the folder's only keystore
/// that does not say whose it is.
///
/// # Errors
/// [`KeygenError::NoKey`].
pub fn find_key(folder: &Path, address: Address) -> Result<PathBuf, KeygenError> {
    let all = keystores(folder)?;
    if let Some(found) = all.iter().find(|info| info.address == Some(address)) {
        return Ok(found.path.clone());
    }
    let mut nameless = all.iter().filter(|info| info.address.is_none());
    match (nameless.next(), nameless.next()) {
        (Some(only), None) => Ok(only.path.clone()),
        _ => Err(KeygenError::NoKey { address, path: folder.to_owned() }),
    }
}

/// The first line of a password file.
///
/// # Errors
/// When the file cannot be read, or is empty.
pub fn read_password(path: &Path) -> Result<Password, KeygenError> {
    let text = Zeroizing::new(files::read_text(path)?);
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Password::from(line)),
        None => Err(KeygenError::invalid(path.display().to_string(), "the password file is empty")),
    }
}

/// The node key in a file of 64 hex digits.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read_node_key(path: &Path) -> Result<Secret, KeygenError> {
    let text = Zeroizing::new(files::read_text(path)?);
    Secret::from_hex(&text).map_err(|error| malformed(path, error))
}

/// Makes an account: its keystore in `folder`, and, unless `password` is given, a random password in the folder's file
/// `password`. The folder is made if it is not there.
///
/// # Errors
/// [`KeygenError::Exists`] when the folder holds a password already.
pub fn create_account(folder: &Path, secret: &Secret, password: Option<&Password>) -> Result<PathBuf, KeygenError> {
    if !folder.exists() {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(KeygenError::io(parent))?;
        }
        files::create_private_folder(folder)?;
    }
    match password {
        Some(password) => store(folder, secret, password),
        None => {
            let password = Password::generate()?;
            write_password(&folder.join("password"), &password)?;
            store(folder, secret, &password)
        }
    }
}

pub(crate) fn write_password(path: &Path, password: &Password) -> Result<(), KeygenError> {
    files::create_private(path, Zeroizing::new(format!("{}\n", password.expose())).as_bytes())
}

/// Writes the keystore of `secret` into a folder, under the name geth and Parity give.
pub(crate) fn store(folder: &Path, secret: &Secret, password: &Password) -> Result<PathBuf, KeygenError> {
    // eth-keystore writes by `File::create`: in a folder nobody else may enter, then copied with mode and O_EXCL.
    let draft = tempfile::Builder::new().prefix(".key-").tempdir_in(folder).map_err(KeygenError::io(folder))?;
    eth_keystore::encrypt_key(draft.path(), &mut OsRng, secret.expose(), password.expose(), Some("key"))
        .map_err(|error| malformed(folder, error))?;
    let text = files::read_text(&draft.path().join("key"))?;
    let address = hex::encode(secret.address());
    let mut keystore: Map<String, Value> = serde_json::from_str(&text).map_err(|error| malformed(folder, error))?;
    keystore.insert("address".to_owned(), json!(address));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let path = folder.join(format!("UTC--{}--{address}", file_time(now)));
    files::create_private(&path, format!("{}\n", Value::Object(keystore)).as_bytes())?;
    Ok(path)
}

/// `2026-11-21T06-24-31.000000000Z`, as geth names its files.
fn file_time(since_epoch: Duration) -> String {
    let (days, second) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = civil_from_days(i64::try_from(days).unwrap_or(i64::MAX / 2));
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let nanosecond = since_epoch.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{nanosecond:09}Z")
}

/// Reads a keystore and refuses what eth-keystore would stumble over.
fn read(path: &Path) -> Result<(Map<String, Value>, KeystoreInfo), KeygenError> {
    let text = files::read_text(path)?;
    let value: Value = serde_json::from_str(&text).map_err(|_| malformed(path, "it is not JSON"))?;
    let Value::Object(mut keystore) = value else { return Err(malformed(path, "it is not a keystore")) };
    // Some wallets write `Crypto`.
    if let Some(crypto) = keystore.remove("Crypto") {
        keystore.entry("crypto").or_insert(crypto);
    }
    if keystore.get("version").and_then(Value::as_u64) != Some(3) {
        return Err(malformed(path, "it is not a Web3 keystore of version 3"));
    }
    let kdf = check_crypto(keystore.get("crypto").unwrap_or(&Value::Null)).map_err(|reason| malformed(path, reason))?;
    let address = match keystore.get("address").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => Some(text.parse().map_err(|_| malformed(path, "its `address` is no address"))?),
        None => None,
    };
    let info = KeystoreInfo { path: path.to_owned(), address, kdf };
    Ok((keystore, info))
}

fn check_crypto(crypto: &Value) -> Result<String, &'static str> {
    let bytes = |value: &Value| value.as_str().and_then(|text| hex::decode(text).ok()).map(|bytes| bytes.len());
    if crypto["cipher"] != "aes-128-ctr" {
        return Err("its cipher is not aes-128-ctr");
    }
    if bytes(&crypto["cipherparams"]["iv"]) != Some(16) {
        return Err("its iv is not 16 bytes");
    }
    if bytes(&crypto["ciphertext"]) != Some(32) {
        return Err("its ciphertext is not 32 bytes");
    }
    if bytes(&crypto["mac"]) != Some(32) {
        return Err("its mac is not 32 bytes");
    }
    let params = &crypto["kdfparams"];
    if params["dklen"].as_u64() != Some(32) {
        return Err("its derived key is not 32 bytes");
    }
    let number = |key: &str| params[key].as_u64().unwrap_or(0);
    match crypto["kdf"].as_str() {
        Some("scrypt") => {
            let (n, r, p) = (number("n"), number("r"), number("p"));
            let memory = n.checked_mul(r).and_then(|product| product.checked_mul(128));
            if !n.is_power_of_two() || n < 2 || r == 0 || !(1..=16).contains(&p) {
                return Err("its scrypt parameters are no valid ones");
            }
            if u64::from(n.ilog2()) >= r.saturating_mul(16) {
                return Err("its scrypt parameters break RFC 7914: n must be below 2^(16 r)");
            }
            if memory.is_none_or(|memory| memory > MAX_SCRYPT_MEMORY) {
                return Err("its scrypt parameters ask for more than a GiB of memory");
            }
            Ok("scrypt".to_owned())
        }
        Some("pbkdf2") => {
            if params["prf"] != "hmac-sha256" {
                return Err("its pbkdf2 is not over hmac-sha256");
            }
            if !(1..=MAX_PBKDF2_ROUNDS).contains(&number("c")) {
                return Err("its number of pbkdf2 rounds is out of range");
            }
            Ok("pbkdf2".to_owned())
        }
        _ => Err("its key derivation is neither scrypt nor pbkdf2"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a message, made at the call")]
fn malformed(path: &Path, reason: impl ToString) -> KeygenError {
    KeygenError::Keystore { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_the_time() {
        assert_eq!(file_time(Duration::new(0, 7)), "1970-01-01T00-00-00.000000007Z");
        assert_eq!(file_time(Duration::from_secs(951_782_399)), "2000-02-28T23-59-59.000000000Z");
        assert_eq!(file_time(Duration::from_secs(951_868_799)), "2000-02-29T23-59-59.000000000Z");
        assert_eq!(file_time(Duration::from_secs(4_107_542_400)), "2100-03-01T00-00-00.000000000Z");
    }
}
