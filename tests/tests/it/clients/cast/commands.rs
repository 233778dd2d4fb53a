//! That nothing is left out: each command of cast is run, needs no node, or needs more than a node.

use std::sync::PoisonError;

use anyhow::{Result, ensure};

use super::Cast;

/// Commands that ask no node.
const OFFLINE: &[&str] = &[
    "abi-encode",
    "abi-encode-event",
    "address-zero",
    "b2e-payload",
    "bind",
    "calldata",
    "completions",
    "concat-hex",
    "create2",
    "decode-abi",
    "decode-calldata",
    "decode-error",
    "decode-event",
    "decode-string",
    "decode-transaction",
    "disassemble",
    "format-bytes32-string",
    "format-units",
    "from-bin",
    "from-fixed-point",
    "from-rlp",
    "from-utf8",
    "from-wei",
    "hash-message",
    "hash-zero",
    "help",
    "index",
    "index-erc7201",
    "keccak",
    "max-int",
    "max-uint",
    "min-int",
    "namehash",
    "pad",
    "parse-bytes32-address",
    "parse-bytes32-string",
    "parse-units",
    "pretty-calldata",
    "recover-authority",
    "selectors",
    "shl",
    "shr",
    "sig",
    "sig-event",
    "to-ascii",
    "to-base",
    "to-bytes32",
    "to-check-sum-address",
    "to-dec",
    "to-fixed-point",
    "to-hex",
    "to-hexdata",
    "to-int256",
    "to-rlp",
    "to-uint256",
    "to-unit",
    "to-utf8",
    "to-wei",
];

/// Commands that no node answers alone, and what they ask besides.
const ELSEWHERE: &[(&str, &str)] = &[
    ("4byte", "openchain.xyz, for signatures"),
    ("4byte-calldata", "openchain.xyz, for signatures"),
    ("4byte-event", "openchain.xyz, for signatures"),
    ("artifact", "Etherscan, for the transaction that created a contract"),
    ("batch-mktx", "Tempo's transactions"),
    ("batch-send", "Tempo's transactions"),
    ("constructor-args", "Etherscan, for the transaction that created a contract"),
    ("creation-code", "Etherscan, for the transaction that created a contract"),
    ("interface", "Etherscan, for the ABI of an address"),
    ("keychain", "Tempo's key contract"),
    ("lookup-address", "ENS, a contract of Ethereum's main chain"),
    ("resolve-name", "ENS, a contract of Ethereum's main chain"),
    ("source", "Etherscan, for sources"),
    ("tip20-token", "Tempo's tokens"),
    ("upload-signature", "openchain.xyz, for signatures"),
];

/// Compares with what cast says it can do.
pub(super) fn check_all(cast: &Cast) -> Result<()> {
    let help = cast.run(&["--help"])?;
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What a command is for goes on further to the right.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    ensure!(listed.len() > 100, "cast --help says:\n{help}");
    let ran = cast.ran.lock().unwrap_or_else(PoisonError::into_inner);
    for command in &listed {
        let ways = [
            ran.contains(*command),
            OFFLINE.contains(command),
            ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == command),
        ];
        ensure!(ways.iter().filter(|way| **way).count() == 1, "cast {command} is run, offline, elsewhere: {ways:?}");
    }
    let named = OFFLINE.iter().chain(ELSEWHERE.iter().map(|(command, _)| command));
    for command in named {
        ensure!(listed.contains(command), "there is no cast {command}");
    }
    Ok(())
}
