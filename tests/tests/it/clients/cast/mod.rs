//! Every command of cast that talks to a node, once: what it prints is what is true.

mod commands;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use alloy::{
    hex,
    primitives::{B256, keccak256},
};
use anyhow::{Context, Result, bail, ensure};
use aurum_tests::{
    foreign::{DEV_ACCOUNTS, DEV_KEYS},
    process::{Process, run},
    tools,
};
use serde_json::Value;

use crate::clients::begin;

/// Runs cast against one node, with one account.
struct Cast {
    url: String,
    key: String,
    /// The commands that were run.
    ran: Mutex<BTreeSet<String>>,
}

impl Cast {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).insert(arguments[0].to_owned());
        let environment = [("ETH_RPC_URL", self.url.as_str()), ("NO_COLOR", "1")];
        Ok(run(&tools::node_binary("cast")?, arguments, &environment, None)?.trim().to_owned())
    }

    /// Runs a command of which each part has to be in what it prints.
    fn says(&self, arguments: &[&str], parts: &[&str]) -> Result<()> {
        let said = self.run(arguments)?;
        for part in parts {
            ensure!(said.contains(part), "cast {}: no {part} in:\n{said}", arguments.join(" "));
        }
        Ok(())
    }

    /// Runs a command that prints exactly this.
    fn is(&self, arguments: &[&str], expected: &str) -> Result<()> {
        let said = self.run(arguments)?;
        ensure!(said == expected, "cast {}: {said}, not {expected}", arguments.join(" "));
        Ok(())
    }

    /// Sends a transaction and gives its receipt back, which is of a success.
    fn send(&self, arguments: &[&str]) -> Result<Value> {
        let all: Vec<&str> =
            ["send", "--json", "--private-key", &self.key].into_iter().chain(arguments.iter().copied()).collect();
        let receipt: Value = serde_json::from_str(&self.run(&all)?)?;
        ensure!(receipt["status"] == "0x1", "cast send: {receipt:#}");
        Ok(receipt)
    }

    /// Runs a command that has to fail with these words.
    fn fails(&self, arguments: &[&str], words: &str) -> Result<()> {
        let error = self.run(arguments).err().with_context(|| format!("cast {} works", arguments.join(" ")))?;
        ensure!(error.to_string().contains(words), "cast {}: no {words:?} in:\n{error}", arguments.join(" "));
        Ok(())
    }
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("not a string")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_cast_that_needs_a_node_works() -> Result<()> {
    let Some(dev) = begin("clients-cast", &["cast", "node"]).await? else { return Ok(()) };
    let code = tools::script("compile.mjs", ["Probe.sol".to_owned()]).await?;
    let cast = Cast { url: dev.chain.url(), key: dev.chain.key(0), ran: Mutex::default() };
    let (ws, log) = (dev.chain.ws(), dev.story.folder().join("logs/cast.log"));
    tokio::task::spawn_blocking(move || -> Result<()> {
        let start = "0000000000000000000000000000000000000000000000000000000000000028";
        let created = cast.send(&["--create", &format!("{}{start}", code.trim())])?;
        let probe = text(&created["contractAddress"])?;
        let noted = cast.send(&[probe, "note(uint256,string)", "2", "two", "--value", "7"])?;
        reads(&cast, probe, &noted)?;
        transactions(&cast, probe)?;
        tokens(&cast)?;
        development(&cast, probe)?;
        news(&cast, probe, &ws, &log)?;
        refusals(&cast, probe)?;
        commands::check_all(&cast)
    })
    .await??;
    dev.story.say("cast agrees");
    dev.end()
}

/// Accounts, storage, blocks, logs, proofs, traces.
fn reads(cast: &Cast, probe: &str, noted: &Value) -> Result<()> {
    let me = DEV_ACCOUNTS[0].to_string();
    let (hash, block) = (text(&noted["transactionHash"])?, text(&noted["blockHash"])?);
    cast.is(&["chain-id"], "1337")?;
    cast.says(&["client"], &["Aurum/"])?;
    cast.run(&["chain"])?;
    cast.is(&["block-number"], "2")?;
    cast.is(&["nonce", &me], "2")?;
    cast.is(&["balance", probe], "7")?;
    cast.is(&["balance", "--block", "1", probe], "0")?;
    cast.is(&["balance", "--ether", &DEV_ACCOUNTS[3].to_string()], "10000.000000000000000000")?;
    cast.is(&["call", probe, "number()(uint256)"], "42")?;
    cast.is(&["call", "--block", "1", probe, "number()(uint256)"], "40")?;
    cast.is(&["call", probe, "text()(string)"], "\"two\"")?;
    let overridden = format!("{probe}:0x0:0x63");
    cast.is(&["call", "--override-state-diff", &overridden, probe, "number()(uint256)"], "99")?;
    cast.is(&["storage", probe, "0"], "0x000000000000000000000000000000000000000000000000000000000000002a")?;
    let code = cast.run(&["code", probe])?;
    ensure!(code.len() > 2_000, "cast code: {code}");
    cast.is(&["codesize", probe], &((code.len() - 2) / 2).to_string())?;
    cast.is(&["codehash", probe], &keccak256(hex::decode(&code)?).to_string())?;
    let proof: Value = serde_json::from_str(&cast.run(&["proof", probe, "0x0"])?)?;
    ensure!(proof["storageProof"][0]["value"] == "0x2a", "cast proof: {proof:#}");
    cast.is(&["storage-root", probe], text(&proof["storageHash"])?)?;
    cast.is(&["implementation", probe], "0x0000000000000000000000000000000000000000")?;
    cast.is(&["admin", probe], "0x0000000000000000000000000000000000000000")?;

    cast.is(&["block", "2", "-f", "hash"], block)?;
    cast.says(&["block", block, "--full"], &[hash])?;
    cast.says(&["block", "latest", "--json"], &[block, "logsBloom", "mixHash"])?;
    for tag in ["earliest", "safe", "finalized", "pending"] {
        cast.says(&["block", tag], &["stateRoot"])?;
    }
    cast.run(&["age", "2"])?;
    let time = cast.run(&["block", "2", "-f", "timestamp"])?;
    cast.is(&["find-block", time.split_whitespace().next().unwrap_or_default()], "2")?;
    ensure!(cast.run(&["base-fee"])?.parse::<u64>()? > 0, "there is no base fee");
    ensure!(cast.run(&["gas-price"])?.parse::<u64>()? > 0, "there is no gas price");
    cast.says(&["tx", hash], &[hash, &me, "0x2"])?;
    cast.says(&["tx", "--raw", hash], &["0x02"])?;
    cast.says(&["receipt", hash], &["1 (success)", block])?;
    cast.says(&["receipt", hash, "--json"], &["effectiveGasPrice", hash])?;
    let event = "Noted(address indexed by, uint256 indexed key, string text)";
    cast.says(&["logs", "--from-block", "0", "--address", probe, event, &me], &[hash])?;
    cast.is(&["logs", "--from-block", "0", "--json", event, &DEV_ACCOUNTS[1].to_string()], "[]")?;
    cast.says(&["access-list", probe, "number()"], &["gas used", &B256::ZERO.to_string()])?;
    let gas: u64 = cast.run(&["estimate", probe, "note(uint256,string)", "2", "two", "--from", &me])?.parse()?;
    ensure!((21_000..200_000).contains(&gas), "cast estimate: {gas}");
    cast.says(&["compute-address", &me], &["Computed Address: 0x"])?;
    // Runs the transaction again here, on state fetched from the node.
    cast.says(&["run", "--quick", hash], &["emit topic 0", "Transaction successfully executed"])?;
    cast.says(&["call", "--trace", probe, "number()(uint256)"], &["[Return]", "Gas used"])?;
    cast.says(&["trace", hash], &["callType", "traceAddress"])?;
    for (pool, part) in [("status", "pending"), ("content", "queued"), ("inspect", "queued")] {
        cast.says(&["tx-pool", pool], &[part])?;
    }
    cast.says(&["da-estimate", "2"], &["block 2 with 1 transactions: "])?;
    cast.is(&["rpc", "eth_getTransactionCount", &me, "latest"], "\"0x2\"")?;
    cast.says(&["rpc", "debug_traceTransaction", hash, r#"{"tracer":"callTracer"}"#], &["\"CALL\"", "gasUsed"])
}

/// Other ways to send: ready-made ones, without waiting, of each type, by the node's account, with another's code.
fn transactions(cast: &Cast, probe: &str) -> Result<()> {
    let raw = cast.run(&["mktx", "--private-key", &cast.key, probe, "note(uint256,string)", "1", "made"])?;
    let published: Value = serde_json::from_str(&cast.run(&["publish", &raw])?)?;
    ensure!(published["status"] == "0x1", "cast publish: {published:#}");
    let hash = cast.run(&["send", "--async", "--private-key", &cast.key, probe, "--value", "1"])?;
    cast.says(&["receipt", &hash], &["1 (success)"])?;
    let legacy = cast.send(&["--legacy", probe, "clear()"])?;
    ensure!(legacy["type"] == "0x0", "cast send --legacy: {legacy:#}");
    let listed = cast.send(&["--access-list", "--", probe, "clear()"])?;
    ensure!(listed["type"] != "0x0", "cast send --access-list: {listed:#}");
    let me = DEV_ACCOUNTS[1].to_string();
    let unlocked: Value = serde_json::from_str(&cast.run(&[
        "send",
        "--json",
        "--unlocked",
        "--from",
        &me,
        probe,
        "note(uint256,string)",
        "1",
        "u",
    ])?)?;
    ensure!(unlocked["from"] == me.to_lowercase().as_str(), "cast send --unlocked: {unlocked:#}");
    let delegated =
        cast.send(&["--auth", probe, &DEV_ACCOUNTS[0].to_string(), "note(uint256,string)", "9", "delegated"])?;
    ensure!(delegated["type"] == "0x4", "cast send --auth: {delegated:#}");
    let delegation = format!("0xef0100{}", &probe.to_lowercase()[2..]);
    cast.is(&["code", &DEV_ACCOUNTS[0].to_string()], &delegation)?;
    cast.is(&["call", &DEV_ACCOUNTS[0].to_string(), "number()(uint256)"], "9")?;
    // Signed by one account, sent by another.
    let [signed, other] =
        [cast.run(&["wallet", "sign-auth", probe, "--private-key", DEV_KEYS[2]])?, DEV_ACCOUNTS[2].to_string()];
    cast.send(&["--auth", &signed, &other, "note(uint256,string)", "3", "authorized"])?;
    cast.is(&["code", &other], &delegation)?;
    cast.is(&["call", &other, "number()(uint256)"], "3")
}

/// An ERC-20 token through cast's own commands for one.
fn tokens(cast: &Cast) -> Result<()> {
    let artifact = fs::read_to_string(tools::repository().join("contracts/artifacts/RlcLikeToken.json"))?;
    let artifact: Value = serde_json::from_str(&artifact)?;
    let code = artifact["bytecode"].as_str().or_else(|| artifact["bytecode"]["object"].as_str());
    let [me, friend] = [0, 1].map(|index| DEV_ACCOUNTS[index].to_string());
    let created =
        cast.send(&["--create", code.context("no bytecode")?, "constructor(address,uint256)", &me, "1000"])?;
    let token = text(&created["contractAddress"])?;
    cast.is(&["erc20-token", "symbol", token], "RLC")?;
    cast.says(&["erc20-token", "name", token], &["RLC"])?;
    cast.is(&["erc20-token", "decimals", token], "9")?;
    cast.is(&["erc20-token", "total-supply", token], "1000")?;
    for command in ["transfer", "approve"] {
        let arguments = ["erc20-token", command, token, &friend, "400", "--private-key", &cast.key];
        cast.says(&arguments, &["1 (success)"])?;
    }
    cast.is(&["erc20-token", "balance", token, &me], "600")?;
    cast.is(&["balance", "--erc20", token, &friend], "400")?;
    cast.is(&["erc20-token", "allowance", token, &me, &friend], "400")?;
    let event = "Transfer(address indexed from, address indexed to, uint256 value)";
    let found: Value =
        serde_json::from_str(&cast.run(&["logs", "--from-block", "0", "--json", event, &me, &friend])?)?;
    ensure!(found.as_array().is_some_and(|logs| logs.len() == 1), "cast logs: {found:#}");
    Ok(())
}

/// A development chain's own methods, as they are typed: edits, impersonation, time, going back.
fn development(cast: &Cast, probe: &str) -> Result<()> {
    let friend = DEV_ACCOUNTS[1].to_string();
    let snapshot = cast.run(&["rpc", "evm_snapshot"])?;
    let height = cast.run(&["block-number"])?;
    cast.is(&["rpc", "anvil_setBalance", probe, "0xde0b6b3a7640000"], "true")?;
    cast.is(&["balance", "--ether", probe], "1.000000000000000000")?;
    let unlocked = ["send", "--json", "--unlocked", "--from", probe, &friend, "--value", "1"];
    cast.fails(&unlocked, "unknown account")?;
    cast.is(&["rpc", "anvil_impersonateAccount", probe], "true")?;
    let sent: Value = serde_json::from_str(&cast.run(&unlocked)?)?;
    ensure!(sent["from"] == probe && sent["status"] == "0x1", "cast send --unlocked: {sent:#}");
    cast.is(&["rpc", "anvil_mine", "0x5"], "true")?;
    cast.is(&["rpc", "evm_revert", snapshot.trim_matches('"')], "true")?;
    cast.is(&["block-number"], &height)?;
    cast.is(&["rpc", "evm_setAutomine", "false"], "true")?;
    let waits = cast.run(&["send", "--async", "--private-key", &cast.key, probe, "--value", "1"])?;
    cast.says(&["tx-pool", "content-from", "--from", &DEV_ACCOUNTS[0].to_string()], &[&waits, "pending"])?;
    cast.is(&["rpc", "evm_setAutomine", "true"], "true")?;
    cast.says(&["receipt", &waits], &["1 (success)"])?;
    cast.fails(&["rpc", "anvil_setCoinbase", probe], "anvil_setCoinbase does not exist")
}

/// Logs as they come, over WebSocket.
fn news(cast: &Cast, probe: &str, ws: &str, log: &Path) -> Result<()> {
    let arguments = ["logs", "--subscribe", "--address", probe, "--rpc-url", ws];
    let mut listening = Process::start("logs", &tools::node_binary("cast")?, arguments, &[("NO_COLOR", "1")], log)?;
    // A subscription tells what comes after it was made.
    for _ in 0..200 {
        let noted = cast.send(&[probe, "note(uint256,string)", "0", "told"])?;
        let heard = fs::read_to_string(log)?;
        if heard.contains(text(&noted["transactionHash"])?) {
            return Ok(());
        }
        ensure!(listening.ended()?.is_none(), "cast logs --subscribe has ended: {heard}");
    }
    bail!("cast logs --subscribe hears nothing: {}", fs::read_to_string(log)?)
}

/// Refusals in the words people search for.
fn refusals(cast: &Cast, probe: &str) -> Result<()> {
    let key = cast.key.as_str();
    cast.fails(&["call", probe, "fail(string)", "for a reason"], "for a reason")?;
    cast.fails(&["call", probe, "refuse(uint256)", "7"], "execution reverted")?;
    cast.fails(&["estimate", probe, "panic(uint256)", "0"], "division or modulo by zero")?;
    cast.fails(
        &["send", "--private-key", key, "--nonce", "0", probe, "clear()", "--gas-limit", "90000"],
        "nonce too low",
    )?;
    let poor = "0x0000000000000000000000000000000000000000000000000000000000000b0b";
    cast.fails(&["send", "--private-key", poor, probe, "--value", "1"], "insufficient funds")?;
    cast.fails(&["send", "--private-key", key, "--gas-limit", "20000", probe], "intrinsic gas too low")?;
    cast.fails(&["rpc", "eth_nonsense"], "-32601")?;
    cast.fails(&["rpc", "eth_getBalance", "nowhere"], "-32602")
}
