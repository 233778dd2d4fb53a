//! `docs/rpc.md`: kept by a test.

use super::{
    Method, SECTIONS,
    absent::{ABSENT, Absent},
};

/// What stands before the tables.
const HEAD: &str = "\
# JSON-RPC

Every method of a node. This file is made from the code's own table: a test fails when it is stale. Programs get the same from
`rpc.discover` (OpenRPC). `?` marks what may be left out. *like* names whose behaviour it is: geth's, by execution-apis; Parity's, or
OpenEthereum's; Anvil's and Hardhat's; what Otterscan wants; or this node's own. What others have and this node has not, and why, stands
at the [end](#not-offered).

**Kinds.** Quantity: number in hex, `0x2a`. Tag: a Quantity, or `latest`, `pending`, `safe`, `finalized`, `earliest`. Block: a Tag, a
block hash, or `{\"blockHash\", \"requireCanonical\"}` or `{\"blockNumber\"}` (EIP-1898); `latest` where it is left out. Call: a transaction
without signature. Word, Hash: 32 bytes. Slot: at most 32 bytes. Filter: that of `eth_getLogs`.

**Which are served** is said by `--jsonrpc-apis`: all namespaces but `anvil`, `debug`, `evm`, `hardhat` and `personal`, unless it says
otherwise. Development methods need a development chain besides (`poa-node dev`). Of Anvil's and Hardhat's, those that change the
rules of a block (its fees, gas limit, author, randomness) or fork another chain are not there: −32601. Tools that serve only nodes
they know by name, as Hardhat's network helpers do, are given one: `poa-node dev --client-version hardhat`.

**Errors**

| code | when |
|---|---|
| −32700, −32600 | not JSON, not a request |
| −32601 | unknown method, or its namespace is not served |
| −32602 | parameters |
| −32603 | the node's own fault |
| 3 | a call reverted; `data` is the revert data |
| −32000 | everything geth answers with it, in geth's words: `nonce too low: …`, `already known`, `header not found`, … |
| −32005 | a limit of this node: size, range, time, or too much at once |
| −32010 | the sender has no right to this transaction; `data` says the rule, what is needed and what is there |
| −38010 … −38026 | `eth_simulateV1`: what no block can hold, as in execution-apis |
| −40100 | the caller may not do this here |

Of old blocks a node answers as much as it keeps: without the state of a block, −32000 says so, and a node that keeps all states
is the one to ask. Traces and simulations run apart from reads, few at once, for ten seconds each.
";

#[test]
fn the_document_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/rpc.md");
    if std::env::var_os("AURUM_WRITE_DOCS").is_some() {
        std::fs::write(path, render()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == render(), "docs/rpc.md is stale: run this test with AURUM_WRITE_DOCS=1");
}

/// The whole document.
fn render() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push_str(&format!(
            "\n## {}\n\n| method | parameters | result | like | |\n|---|---|---|---|---|\n",
            section.title
        ));
        text.extend(section.methods.iter().map(row));
    }
    text.push_str("\n## Not offered\n\n| methods | why, and what to use |\n|---|---|\n");
    text.extend(ABSENT.iter().map(|Absent { names, why }| format!("| `{}` | {why} |\n", names.join("`, `"))));
    text
}

#[test]
fn what_is_not_offered_is_not_there() {
    let is = |absent: &str, name: &str| {
        absent.strip_suffix('*').map_or(absent == name, |beginning| name.starts_with(beginning))
    };
    for method in SECTIONS.iter().flat_map(|section| section.methods) {
        let absent = ABSENT.iter().flat_map(|absent| absent.names).find(|absent| is(absent, method.name));
        assert_eq!(absent, None, "{}", method.name);
    }
}

fn row(method: &Method) -> String {
    let params: Vec<_> = method.params.iter().map(|(name, kind)| format!("{name}: {}", cell(kind))).collect();
    let like = method.like.name();
    format!("| `{}` | {} | {} | {like} | {} |\n", method.name, params.join(", "), cell(method.result), method.text)
}

fn cell(kind: &str) -> String {
    kind.replace('|', " or ")
}
