//! `docs/rpc.md` and a page for each namespace in `docs/rpc`: kept by a test.

mod page;
mod pretty;

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    Method, SECTIONS,
    absent::{ABSENT, Absent},
    errors::COMMON,
    table::Section,
};

/// What stands before the tables.
const HEAD: &str = "\
# JSON-RPC

Every method of a node. A method's name leads to its parameters, its errors and an example. This file and the pages are made from the
code's own table, and the examples by asking a small chain: a test fails when they are stale. Programs get the same from
`rpc.discover` (OpenRPC). `?` marks what may be left out. *like* names whose behaviour it is: geth's, by execution-apis; Parity's, or
OpenEthereum's; Anvil's and Hardhat's; what Otterscan wants; or this node's own. What others have and this node has not, and why, stands
at the [end](#not-offered).

## Kinds

Quantity: number in hex, `0x2a`. Tag: a Quantity, or `latest`, `pending`, `safe`, `finalized`, `earliest`. Block: a Tag, a
block hash, or `{\"blockHash\", \"requireCanonical\"}` or `{\"blockNumber\"}` (EIP-1898); `latest` where it is left out. Call: a transaction
without signature. Word, Hash: 32 bytes. Slot: at most 32 bytes. Filter: that of `eth_getLogs`.

## Which are served

That is said by `--jsonrpc-apis`: all namespaces but `anvil`, `debug`, `evm`, `hardhat` and `personal`, unless it says
otherwise. Development methods need a development chain besides (`poa-node dev`). Of Anvil's and Hardhat's, those that change the
rules of a block (its fees, gas limit, author, randomness) or fork another chain are not there: −32601. Tools that serve only nodes
they know by name, as Hardhat's network helpers do, are given one: `poa-node dev --client-version hardhat`.

## Errors

| code | when |
|---|---|
| −32700, −32600 | not JSON, not a request |
| −32601 | unknown method, or its namespace is not served |
| −32602 | parameters |
| −32603 | the node's own fault |
| 3 | a call reverted; `data` is the revert data |
| −32000 | everything geth answers with it, in geth's words: `nonce too low: …`, `already known`, `header not found`, … |
| −32005 | a limit of this node: size, range, time, or too much at once; `data.reason` says which |
| −32007 | a message on a WebSocket is too long |
| −32010 | the sender has no right to this transaction; `data` says the rule, what is needed, what is there and who can grant it |
| −38010 … −38026 | `eth_simulateV1`: what no block can hold, as in execution-apis |
| −40100 | the caller may not do this here |

A call, an estimate or a send that reverts is answered with `execution reverted: REASON` and the revert data, as by geth and Anvil:
Hardhat, ethers, viem and web3 decode that, and Truffle's tests find the reason in the message. Ganache's form (`VM Exception while
processing transaction: revert REASON`, with an object by transaction in `data`) is not given: those that decode `data` could not.

Of old blocks a node answers as much as it keeps: without the state of a block, −32000 says so, and a node that keeps all states
is the one to ask. Traces and simulations run apart from reads, few at once, for ten seconds each.

What a method can answer besides its result stands in its section. Every method can answer these; in a message, `…` stands for what
varies.

";

/// What to do about a stale document.
const STALE: &str = "is stale: CONTRIBUTING.md says how it is written anew";

#[test]
fn the_reference_is_what_the_table_says() {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests");
    let docs = Path::new(&package).join("../../../docs");
    let pages = docs.join("rpc");
    let mut expected = BTreeMap::from([(docs.join("rpc.md"), overview())]);
    expected
        .extend(SECTIONS.iter().map(|section| (pages.join(section.page).with_extension("md"), page::render(section))));
    if std::env::var_os("AURUM_WRITE_DOCS").is_some() {
        fs::create_dir_all(&pages).unwrap();
        expected.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
    }
    for (path, text) in &expected {
        let found = fs::read_to_string(path).unwrap_or_default();
        assert!(found == *text, "{} {STALE}", path.display());
    }
    for entry in fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        assert!(expected.contains_key(&path), "{} is nobody's page", path.display());
    }
}

/// All methods in a line each.
fn overview() -> String {
    let mut text = HEAD.to_owned();
    text.push_str(&page::error_table(COMMON));
    for section in SECTIONS {
        text.push_str(&format!(
            "\n## {}\n\n| method | parameters | result | like | |\n|---|---|---|---|---|\n",
            section.title
        ));
        text.extend(section.methods.iter().map(|method| row(section, method)));
    }
    text.push_str("\n## Not offered\n\n| methods | why, and what to use |\n|---|---|\n");
    text.extend(ABSENT.iter().map(|Absent { names, why }| format!("| `{}` | {why} |\n", names.join("`, `"))));
    text
}

fn row(section: &Section, Method { name, params, result, text, like, .. }: &Method) -> String {
    let params: Vec<_> = params.iter().map(|(name, kind)| format!("{name}: {}", cell(kind))).collect();
    let link = format!("rpc/{}.md#{}", section.page, anchor(name));
    format!("| [`{name}`]({link}) | {} | {} | {} | {text} |\n", params.join(", "), cell(result), like.name())
}

/// Of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('.', "")
}

fn cell(kind: &str) -> String {
    kind.replace('|', " or ")
}

#[test]
fn every_method_has_an_example() {
    for method in SECTIONS.iter().flat_map(|section| section.methods) {
        assert!(!page::examples(method).is_empty(), "{}", method.name);
    }
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
