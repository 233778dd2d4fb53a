//! The key ceremony as companies do it: each makes its own keys, the public parts are gathered, the shared files written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    ports::Ports,
    process::{binary, run},
};

/// What the chain of a test differs in.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// How many authorities.
    pub authorities: u16,
    /// Chain id.
    pub chain_id: u64,
    /// Seconds a step.
    pub step_duration: u64,
    /// Accounts with rights of their own, as `ADDRESS=right,right`.
    pub grants: Vec<String>,
    /// Further arguments for `keygen spec`.
    pub extra: Vec<String>,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { authorities: 4, chain_id: 2026, step_duration: 2, grants: Vec::new(), extra: Vec::new() }
    }
}

/// One company's folder.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The company's name.
    pub name: String,
    /// Its account: seals blocks, and signs for the bridge.
    pub address: Address,
    /// Folder of its secret files.
    pub folder: PathBuf,
    /// Its node's URL for peers.
    pub enode: String,
}

/// Where a company keeps its files, and where the others reach its node.
#[derive(Clone, Debug)]
pub struct Company {
    /// Folder of its secret files.
    pub folder: PathBuf,
    /// `HOST:PORT` of its node for peers.
    pub endpoint: String,
}

/// Names of the companies of a demonstration.
const NAMES: [&str; 8] = ["acme", "borealis", "cygnus", "dorado", "eridanus", "fornax", "gemini", "hydra"];

/// Name of the company with this index.
pub fn name(index: u16) -> String {
    NAMES.get(usize::from(index)).map_or_else(|| format!("company-{}", index + 1), |name| (*name).to_owned())
}

impl Authority {
    /// Makes a company's keys with `keygen authority`, or reads those made before.
    ///
    /// # Errors
    /// What keygen says.
    pub fn create(name: &str, company: &Company) -> Result<Self> {
        if !company.folder.join("authority.json").exists() {
            let out = company.folder.display().to_string();
            run(
                &binary("keygen")?,
                ["authority", "--name", name, "--endpoint", &company.endpoint, "--out", &out],
                &[],
                None,
            )?;
        }
        Self::read(&company.folder)
    }

    /// Reads a company's public file.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("authority.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let public: Value = serde_json::from_str(&text)?;
        let field = |name: &str| {
            public[name].as_str().map(str::to_owned).with_context(|| format!("{} has no {name}", path.display()))
        };
        let node_id = field("nodeId")?;
        Ok(Self {
            name: field("name")?,
            address: field("address")?.parse()?,
            enode: format!("enode://{}@{}", node_id.trim_start_matches("0x"), field("endpoint")?),
            folder: folder.to_path_buf(),
        })
    }

    /// The keystore file of its account.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn keystore(&self) -> Result<PathBuf> {
        let keys = self.folder.join("keys");
        let mut files = fs::read_dir(&keys)
            .with_context(|| format!("cannot read {}", keys.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_file());
        let file = files.next().with_context(|| format!("no keystore in {}", keys.display()))?;
        anyhow::ensure!(files.next().is_none(), "more than one keystore in {}", keys.display());
        Ok(file)
    }

    /// The file with its keystore's password.
    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }
}

/// A chain that is agreed on and not yet started.
#[derive(Clone, Debug)]
pub struct Consortium {
    /// Its authorities in the order of their folders.
    pub authorities: Vec<Authority>,
    /// Folder of the files all share: `spec.json`, `reserved_peers`, one folder a company with its `authority.toml`.
    pub shared: PathBuf,
}

impl Consortium {
    /// Runs the whole ceremony below `folder`, for nodes on this machine; what is there already stays.
    ///
    /// # Errors
    /// What keygen says.
    pub fn create(folder: &Path, options: &ChainOptions, ports: Ports) -> Result<Self> {
        let company =
            |index| Company { folder: folder.join(name(index)), endpoint: format!("127.0.0.1:{}", ports.p2p(index)) };
        let companies: Vec<_> = (0..options.authorities).map(company).collect();
        Self::agree(&companies, folder.join("shared"), options)
    }

    /// Runs the whole ceremony for `companies`, wherever they keep their files; what is there already stays.
    ///
    /// # Errors
    /// What keygen says.
    pub fn agree(companies: &[Company], shared: PathBuf, options: &ChainOptions) -> Result<Self> {
        let authorities = (0..)
            .zip(companies)
            .map(|(index, company)| Authority::create(&name(index), company))
            .collect::<Result<Vec<_>>>()?;
        if !shared.join("spec.json").exists() {
            let mut args = vec!["spec".to_owned()];
            args.extend(authorities.iter().map(|one| one.folder.join("authority.json").display().to_string()));
            for (name, value) in [
                ("--name", "home".to_owned()),
                ("--chain-id", options.chain_id.to_string()),
                ("--step-duration", options.step_duration.to_string()),
                ("--out", shared.display().to_string()),
            ] {
                args.extend([name.to_owned(), value]);
            }
            if !options.extra.iter().any(|argument| argument == "--gas-price") {
                args.extend(["--gas-price".to_owned(), "free".to_owned()]);
            }
            for grant in &options.grants {
                args.extend(["--grant".to_owned(), grant.clone()]);
            }
            args.extend(options.extra.iter().cloned());
            run(&binary("keygen")?, args, &[], None)?;
        }
        Ok(Self { authorities, shared })
    }

    /// The chain spec file.
    pub fn spec(&self) -> PathBuf {
        self.shared.join("spec.json")
    }

    /// The file naming every authority's node.
    pub fn reserved_peers(&self) -> PathBuf {
        self.shared.join("reserved_peers")
    }
}
