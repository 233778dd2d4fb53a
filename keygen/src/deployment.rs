//! The files all nodes of a chain share, and one node's configuration each.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    Authority, Endpoint, KeygenError, create_authority,
    files::{create_private_folder, create_public, create_public_folder, create_whole},
    spec::{self, GasPrice, SpecRequest},
};

/// The shared files, by path below their folder: `spec.json`, `reserved_peers`, `.env` and `<name>/authority.toml`.
/// The same inputs in any order give the same bytes.
///
/// # Errors
/// As [`spec::build`].
pub fn shared_files(request: &SpecRequest, authorities: &[Authority]) -> Result<Vec<(PathBuf, String)>, KeygenError> {
    let spec = spec::build(request, authorities)?;
    let authorities = spec::plan(request, authorities)?.authorities;
    let peers = authorities.iter().fold(String::new(), |lines, one| lines + &one.enode() + "\n");
    let mut files = vec![
        (PathBuf::from("spec.json"), spec),
        (PathBuf::from("reserved_peers"), peers),
        (PathBuf::from(".env"), environment(request, &authorities)),
    ];
    files
        .extend(authorities.iter().map(|one| (Path::new(&one.name).join("authority.toml"), node_config(request, one))));
    Ok(files)
}

/// Writes the shared files into a new folder, all of them or none.
///
/// # Errors
/// [`KeygenError::Exists`] when the folder is not empty; else as [`shared_files`].
pub fn write_shared(
    folder: &Path,
    request: &SpecRequest,
    authorities: &[Authority],
) -> Result<Vec<PathBuf>, KeygenError> {
    let files = shared_files(request, authorities)?;
    create_whole(folder, create_public_folder, |draft| write_all(draft, &files))?;
    Ok(files.into_iter().map(|(path, _)| folder.join(path)).collect())
}

fn write_all(folder: &Path, files: &[(PathBuf, String)]) -> Result<(), KeygenError> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            create_public_folder(parent)?;
        }
        create_public(&path, text.as_bytes())?;
    }
    Ok(())
}

/// Variables for a compose file beside it.
fn environment(request: &SpecRequest, authorities: &[Authority]) -> String {
    let names: Vec<_> = authorities.iter().map(|one| one.name.as_str()).collect();
    format!("NETWORK_NAME={}\nCHAIN_ID={}\nAUTHORITIES={}\n", request.name, request.chain_id, names.join(","))
}

/// One node's `authority.toml`. Every value is a number or made of letters that need no quoting in TOML.
fn node_config(request: &SpecRequest, authority: &Authority) -> String {
    let Authority { name, address, endpoint, .. } = authority;
    let interface = if endpoint.is_loopback() { "local" } else { "all" };
    let min_gas_price = match request.gas_price {
        GasPrice::Free => 0,
        GasPrice::Fixed(wei) => wei,
    };
    let mut toml = String::new();
    let mut section = |title: &str, lines: &[(&str, String)]| {
        let lines = lines.iter().fold(String::new(), |all, (key, value)| all + key + " = " + value + "\n");
        // Writing to a string does not fail.
        let _ = writeln!(toml, "[{title}]\n{lines}");
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let local = || quoted("local");
    section(
        "parity",
        &[
            ("identity", quoted(name)),
            ("chain", quoted("../spec.json")),
            ("base_path", quoted("data")),
            ("keys_path", quoted("keys")),
        ],
    );
    section("account", &[("unlock", format!("[\"{address}\"]")), ("password", format!("[{}]", quoted("password")))]);
    section(
        "network",
        &[
            ("port", endpoint.port().to_string()),
            ("interface", quoted(interface)),
            ("reserved_peers", quoted("../reserved_peers")),
            ("reserved_only", "false".to_owned()),
            ("node_key", quoted("node.key")),
        ],
    );
    section("rpc", &[("port", "8545".to_owned()), ("interface", local())]);
    section("websockets", &[("port", "8546".to_owned()), ("interface", local())]);
    section("metrics", &[("enable", "true".to_owned()), ("port", "9545".to_owned()), ("interface", local())]);
    section(
        "mining",
        &[
            ("engine_signer", quoted(&address.to_string())),
            ("force_sealing", "true".to_owned()),
            ("reseal_on_txs", quoted("none")),
            ("gas_floor_target", request.gas_limit.to_string()),
            ("min_gas_price", min_gas_price.to_string()),
        ],
    );
    format!("# Node of {name} on chain {}. Relative paths are taken from this file's folder.\n{toml}", request.name)
        .trim_end()
        .to_owned()
        + "\n"
}

/// A whole demonstration at once.
#[derive(Clone, Debug)]
pub struct InitRequest {
    /// How many companies.
    pub authorities: u16,
    /// Port of the first node; the others follow.
    pub port: u16,
    /// Endpoints are `<name>:port` with the same port for all, as containers see each other, instead of loopback.
    pub by_name: bool,
    /// The chain.
    pub spec: SpecRequest,
}

/// Names of a demonstration's companies.
const NAMES: [&str; 8] = ["acme", "borealis", "cygnus", "dorado", "eridanus", "fornax", "gemini", "hydra"];

/// Does what several companies would do one by one: each one's keys in `<folder>/<name>`, the shared files in
/// `<folder>/shared`; all of it or nothing.
///
/// # Errors
/// As [`create_authority`] and [`write_shared`].
pub fn init(folder: &Path, request: &InitRequest) -> Result<Vec<Authority>, KeygenError> {
    if request.authorities == 0 || request.authorities > 255 {
        return Err(KeygenError::invalid("--authorities", "choose from 1 to 255"));
    }
    create_whole(folder, create_private_folder, |draft| {
        let mut authorities = Vec::new();
        for index in 0..request.authorities {
            let name = NAMES
                .get(usize::from(index))
                .map_or_else(|| format!("company-{}", index + 1), |name| (*name).to_owned());
            let endpoint = if request.by_name {
                Endpoint::new(&name, request.port)
            } else {
                let port = request.port.checked_add(index);
                Endpoint::new("127.0.0.1", port.ok_or_else(|| KeygenError::invalid("--port", "ports end at 65535"))?)
            };
            authorities.push(create_authority(&draft.join(&name), &name, endpoint, None, request.spec.dev)?);
        }
        write_shared(&draft.join("shared"), &request.spec, &authorities)?;
        Ok(authorities)
    })
}
