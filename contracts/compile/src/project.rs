//! Compiles the contracts with the solc of `node_modules` and reduces the output to what is committed.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use foundry_compilers::{
    ProjectBuilder, ProjectPathsConfig,
    artifacts::{
        BytecodeHash, EvmVersion, Optimizer, Settings, SettingsMetadata, output_selection::OutputSelection,
        remappings::Remapping,
    },
    solc::{Solc, SolcCompiler, SolcSettings},
};
use serde_json::{Value, json};

/// What is deployed, and therefore committed.
pub(crate) const CONTRACTS: [&str; 11] = [
    "BridgeValidators",
    "BridgedToken",
    "CertificateVerifier",
    "ERC1967Proxy",
    "ForeignBridge",
    "HomeBridge",
    "LoadToken",
    "Permissions",
    "RlcLikeToken",
    "TimelockController",
    "ValidatorSet",
];

/// The `contracts` folder: of the checkout that runs this, since checkouts share what was built.
pub(crate) fn root() -> &'static Path {
    static CRATE: LazyLock<PathBuf> =
        LazyLock::new(|| env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into());
    CRATE.parent().expect("this crate lies in the folder of the contracts")
}

/// Where the artifact of `contract` is committed.
pub(crate) fn artifact_path(contract: &str) -> PathBuf {
    root().join("artifacts").join(format!("{contract}.json"))
}

/// Checks that the compiler is there: it comes from npm, and building the workspace does not need it.
pub(crate) fn check_tools() -> Result<(), String> {
    if !root().join("node_modules/solc").is_dir() || !root().join("node_modules/@openzeppelin/contracts").is_dir() {
        return Err("npm packages are not installed in contracts: run `make setup-test`".to_owned());
    }
    match std::process::Command::new("node").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("node is not installed".to_owned()),
    }
}

/// Compiles everything and returns the text of each artifact: `abi`, `bytecode`, `deployedBytecode`, and in
/// `immutables` the byte offsets of 32-byte holes that the constructor fills. No paths, no metadata.
pub(crate) fn compile() -> Result<BTreeMap<&'static str, String>, Box<dyn std::error::Error>> {
    // The values of foundry.toml, which the drift of tests against artifacts would reveal.
    let settings = Settings {
        optimizer: Optimizer { enabled: Some(true), runs: Some(1000), details: None },
        metadata: Some(SettingsMetadata::new(BytecodeHash::None, false)),
        evm_version: Some(EvmVersion::Cancun),
        output_selection: OutputSelection::common_output_selection([
            "abi".to_owned(),
            "evm.bytecode.object".to_owned(),
            "evm.deployedBytecode.object".to_owned(),
            "evm.deployedBytecode.immutableReferences".to_owned(),
        ]),
        ..Settings::default()
    };
    let paths = ProjectPathsConfig::builder()
        .sources(root().join("src"))
        .lib(root().join("node_modules"))
        .remapping(Remapping {
            context: None,
            name: "@openzeppelin/".to_owned(),
            path: root().join("node_modules/@openzeppelin").display().to_string() + "/",
        })
        .build_with_root(root());
    let project = ProjectBuilder::<SolcCompiler>::default()
        .paths(paths)
        .settings(SolcSettings { settings, ..SolcSettings::default() })
        .ephemeral()
        .no_artifacts()
        .build(SolcCompiler::Specific(Solc::new(root().join("tools/solc"))?))?;
    let compiled = project.compile()?;
    if compiled.has_compiler_errors() {
        return Err(compiled.to_string().into());
    }
    let output = compiled.into_output();

    let mut artifacts = BTreeMap::new();
    for name in CONTRACTS {
        let (_, contract) = output
            .contracts_iter()
            .find(|(found, _)| found.as_str() == name)
            .ok_or_else(|| format!("{name} was not compiled"))?;
        let text = serde_json::to_string_pretty(&artifact(&serde_json::to_value(contract)?)?)?;
        artifacts.insert(name, text + "\n");
    }
    Ok(artifacts)
}

/// Whether two artifacts say the same; the order of keys and the layout of the text do not count.
pub(crate) fn same(a: &str, b: &str) -> bool {
    match (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The committed part of one contract in solc's output.
fn artifact(contract: &Value) -> Result<Value, String> {
    let code = |kind: &str| -> Result<String, String> {
        let object = contract["evm"][kind]["object"].as_str().ok_or_else(|| format!("no {kind}"))?;
        Ok(format!("0x{}", object.trim_start_matches("0x")))
    };
    let mut immutables: Vec<u64> = contract["evm"]["deployedBytecode"]["immutableReferences"]
        .as_object()
        .into_iter()
        .flat_map(|references| references.values())
        .flat_map(|places| places.as_array().into_iter().flatten())
        .filter_map(|place| place["start"].as_u64())
        .collect();
    immutables.sort_unstable();
    Ok(json!({
        "abi": contract["abi"],
        "bytecode": code("bytecode")?,
        "deployedBytecode": code("deployedBytecode")?,
        "immutables": immutables,
    }))
}
