//! `keygen account …`.

use std::path::PathBuf;

use clap::Subcommand;
use keygen::{
    KeygenError, Secret, create_account, development_key, inspect, keystores, read_node_key, read_password, unlock,
};
use serde_json::json;

use super::report::Report;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account: a keystore, and a password file unless one is given
    New {
        /// Folder for the keystore; made if it is not there
        #[arg(long, env = "AURUM_OUT", value_name = "DIR")]
        out: PathBuf,
        /// File with the password to use [default: a random one, in DIR/password]
        #[arg(long, env = "AURUM_PASSWORD_FILE", value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Take the key from this file of 64 hex digits instead of a new one
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Let in keys that the whole world knows
        #[arg(long, env = "AURUM_DEV")]
        dev: bool,
    },
    /// List the keystores in a folder
    List {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Say whose a keystore is; with a password file, whether it opens
    Inspect {
        /// The keystore
        #[arg(value_name = "FILE")]
        keystore: PathBuf,
        /// File with its password
        #[arg(long, env = "AURUM_PASSWORD_FILE", value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

pub(crate) fn run(command: &AccountCommand) -> Result<Report, KeygenError> {
    match command {
        AccountCommand::New { out, password_file, key_file, dev } => {
            let secret = match key_file {
                Some(path) => read_node_key(path)?,
                None => Secret::generate()?,
            };
            let address = secret.address();
            if let Some(origin) = development_key(address).filter(|_| !dev) {
                return Err(KeygenError::DevelopmentKey { address, origin });
            }
            let password = password_file.as_deref().map(read_password).transpose()?;
            let keystore = create_account(out, &secret, password.as_ref())?;
            let mut report = Report::new(address.to_string());
            report.line(format!("keystore  {}", keystore.display()));
            let password = password_file.clone().unwrap_or_else(|| out.join("password"));
            report.line(format!("password  {}", password.display()));
            Ok(report.with(json!({ "address": address, "keystore": keystore, "passwordFile": password })))
        }
        AccountCommand::List { folder } => {
            let all = keystores(folder)?;
            let mut report = Report::new(format!("{} keystores in {}", all.len(), folder.display()));
            for info in &all {
                let address = info.address.map_or_else(|| "(address not stated)".to_owned(), |one| one.to_string());
                report.line(format!("{address:42}  {}", info.path.display()));
            }
            let json: Vec<_> =
                all.iter().map(|info| json!({ "address": info.address, "path": info.path, "kdf": info.kdf })).collect();
            Ok(report.with(json!(json)))
        }
        AccountCommand::Inspect { keystore, password_file } => {
            let info = inspect(keystore)?;
            let opened = match password_file {
                Some(path) => Some(unlock(keystore, &read_password(path)?)?.address()),
                None => None,
            };
            let address = opened.or(info.address);
            let mut report = Report::new(match address {
                Some(address) => address.to_string(),
                None => "The file does not say whose it is; give --password-file to find out.".to_owned(),
            });
            report.line(format!("kdf       {}", info.kdf));
            report.line(format!("password  {}", if opened.is_some() { "opens it" } else { "not tried" }));
            if let Some(origin) = address.and_then(development_key) {
                report.line(format!("warning   a well-known development key ({origin}): anybody can sign for it"));
            }
            Ok(report.with(json!({ "address": address, "kdf": info.kdf, "opened": opened.is_some() })))
        }
    }
}
