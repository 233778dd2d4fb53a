//! The clients people have, without any fee option; and what the chain does with those who may not.

use std::{fs, path::Path, time::Duration};

use alloy::{
    eips::{BlockNumberOrTag, eip2718::Encodable2718 as _},
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    primitives::{Address, B256, Bytes, hex},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::rights;
use aurum_tests::{
    consortium::ChainOptions,
    council::{self, PERMISSIONS},
    home::{Home, ObserverPorts},
    node::Node,
    ports::{Ports, check_free, shift},
    process::run,
    story::Story,
    tools, wait,
};
use serde_json::{Value, json};

/// Most for anything a block or two brings.
const LIMIT: Duration = Duration::from_secs(60);
/// Code of a contract that does nothing: init code returning one zero byte.
const CREATION: &[u8] = &hex!("60015ff3");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn penniless_clients_are_served_and_forbidden_creations_refused() -> Result<()> {
    if !tools::have(&["cast", "contracts/forge", "node", "web3"]) {
        return Ok(());
    }
    let story = Story::begin("clients", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::CLIENTS);
    check_free(&ports.all(6))?;
    let permitted = PrivateKeySigner::random();
    let chain = ChainOptions {
        step_duration: 1,
        grants: vec![format!("{}=read,basic,call,create", permitted.address())],
        ..ChainOptions::default()
    };
    let mut home = Home::prepare(story.folder(), &chain, ports)?;
    home.start().await?;
    home.healthy(LIMIT).await?;

    let url = home.observer.url();
    let key = hex::encode_prefixed(permitted.to_bytes());
    cast_sends(&url, &key)?;
    story.say("cast sends");
    let created = forge_creates(&url, &key)?;
    let code = home.observer.provider()?.get_code_at(created).await?;
    ensure!(!code.is_empty(), "no code at {created}");
    story.say("forge creates");
    let ws = format!("ws://127.0.0.1:{}", ports.observer_http() + 1);
    let artifact = tools::repository().join("contracts/artifacts/RlcLikeToken.json");
    let script = tools::repository().join("tests/clients/ethers.mjs");
    let node = tools::on_path("node").context("node was there a moment ago")?;
    let arguments = [script.as_path(), Path::new(&url), Path::new(&ws), Path::new(&key), &artifact];
    story.say(run(&node, arguments, &[], None)?.trim());

    let stranger = PrivateKeySigner::random();
    web3_works(&url, &key, &stranger, &artifact, &story)?;
    let creation = signed_creation(&home, &stranger).await?;
    refused_with_reason(&home, &creation, stranger.address()).await?;
    story.say("a creation without the right is refused: −32010, with data");

    only_permission_is_wrong(&mut home, ports, &story, &stranger, &creation).await?;
    home.stop()?;
    story.end()
}

/// A penniless account sends nothing to somebody, with `cast` and no fee option.
fn cast_sends(url: &str, key: &str) -> Result<()> {
    let to = Address::repeat_byte(0xde).to_string();
    let arguments = ["send", "--json", "--rpc-url", url, "--private-key", key, &to, "--value", "0"];
    let receipt: Value = serde_json::from_str(&run(&tools::node_binary("cast")?, arguments, &[], None)?)?;
    ensure!(receipt["status"] == "0x1", "cast send: {receipt}");
    let balance = run(&tools::node_binary("cast")?, ["balance", "--rpc-url", url, &to], &[], None)?;
    ensure!(balance.trim() == "0", "cast balance: {balance}");
    Ok(())
}

/// The same account creates a token with `forge create` and no fee option.
fn forge_creates(url: &str, key: &str) -> Result<Address> {
    let holder = Address::repeat_byte(0xde).to_string();
    let contract = "src/dev/RlcLikeToken.sol:RlcLikeToken";
    let arguments = [
        "create",
        "--json",
        "--broadcast",
        "--rpc-url",
        url,
        "--private-key",
        key,
        contract,
        "--constructor-args",
        &holder,
        "1000",
    ];
    let folder = tools::repository().join("contracts");
    let output = run(&tools::contracts_forge()?, arguments, &[], Some(&folder))?;
    let json = output.find('{').and_then(|start| output.get(start..)).context("forge create prints no JSON")?;
    let report: Value = serde_json::from_str(json)?;
    Ok(report["deployedTo"].as_str().context("forge create names no address")?.parse()?)
}

/// The same account with web3.py 8 and 7, and a stranger that is told why it may not create.
fn web3_works(url: &str, key: &str, stranger: &PrivateKeySigner, artifact: &Path, story: &Story) -> Result<()> {
    let python = tools::on_path("python3").context("Python was there a moment ago")?;
    let script = tools::repository().join("tests/clients/with_web3.py");
    let stranger = hex::encode_prefixed(stranger.to_bytes());
    let arguments = [script.as_path(), Path::new(url), Path::new(key), Path::new(&stranger), artifact];
    for packages in tools::python_packages() {
        let packages = packages.display().to_string();
        story.say(run(&python, arguments, &[("PYTHONPATH", &packages)], None)?.trim());
    }
    Ok(())
}

/// A creation by `signer`, ready to be sent.
async fn signed_creation(home: &Home, signer: &PrivateKeySigner) -> Result<Bytes> {
    let chain_id = home.observer.provider()?.get_chain_id().await?;
    let request = TransactionRequest::default()
        .with_chain_id(chain_id)
        .with_nonce(0)
        .with_gas_limit(200_000)
        .with_max_fee_per_gas(0)
        .with_max_priority_fee_per_gas(0)
        .create()
        .input(Bytes::from_static(CREATION).into());
    Ok(request.build(&EthereumWallet::from(signer.clone())).await?.encoded_2718().into())
}

async fn refused_with_reason(home: &Home, creation: &Bytes, sender: Address) -> Result<()> {
    for node in home.nodes() {
        let answer = node.provider()?.send_raw_transaction(creation).await;
        let error = answer.err().with_context(|| format!("{} took a creation by {sender}", node.name()))?;
        let error = error.as_error_resp().with_context(|| format!("{} did not answer: {error}", node.name()))?;
        ensure!(error.code == -32010, "{} answers {error:?}", node.name());
        ensure!(error.message.starts_with("Transaction is not permitted."), "{} answers {error:?}", node.name());
        let data: Value = serde_json::from_str(error.data.as_ref().context("the refusal has no data")?.get())?;
        let known = ["reason", "needed", "have", "contract", "block"].iter().all(|field| !data[field].is_null());
        ensure!(known, "{} explains {data}", node.name());
        ensure!(
            data["needed"] == "create" && data["contract"] == json!(PERMISSIONS),
            "{} explains {data}",
            node.name()
        );
    }
    Ok(())
}

/// The fourth authority, and a node that believes it, run with a spec that differs in one thing: nobody asks the
/// permission contract. Everything else about the block in which it puts the forbidden creation is right: its believer
/// imports it. All others refuse it for permission alone. Once the right is granted, the same transaction is in a block
/// that everybody imports.
async fn only_permission_is_wrong(
    home: &mut Home,
    ports: Ports,
    story: &Story,
    stranger: &PrivateKeySigner,
    creation: &Bytes,
) -> Result<()> {
    let careless_spec = story.folder().join("careless.json");
    let mut spec: Value = serde_json::from_str(&fs::read_to_string(home.consortium.spec())?)?;
    let params = spec["params"].as_object_mut().context("the spec has params")?;
    let before = params.len();
    params.retain(|name, _| !name.starts_with("transactionPermissionContract"));
    ensure!(params.len() < before, "the spec names no permission contract");
    fs::write(&careless_spec, spec.to_string())?;

    let honest_spec = home.consortium.spec();
    let mut believer = home.joiner(
        "believer",
        ObserverPorts { p2p: ports.p2p(5), http: ports.authority_http(5), metrics: ports.metrics(6) },
    )?;
    use_spec(&mut believer, &honest_spec, &careless_spec)?;
    // It hears of the forbidden block from its maker alone; the others would only tell it of theirs.
    believer.start()?;
    believer.ready().await?;
    home.authorities[3].stop()?;
    use_spec(&mut home.authorities[3], &honest_spec, &careless_spec)?;
    home.authorities[3].start()?;
    home.authorities[3].ready().await?;
    let careless = home.authorities[3].provider()?;
    wait::until("the careless authority has its peers", LIMIT, || async {
        let reached = home.authorities[3].peer_count().await? >= 5;
        Ok(reached.then_some(()))
    })
    .await?;

    let hash = *careless.send_raw_transaction(creation).await?.tx_hash();
    let forbidden = careless_block(&careless, hash).await?;
    let its_maker = home.consortium.authorities[3].address;
    story.say(&format!("the careless authority sealed the forbidden creation in block {forbidden}"));
    let believed = believer.provider()?;
    wait::until("its believer imports the block", LIMIT, || async {
        let block = believed.get_block_by_hash(forbidden).await?;
        Ok(block.filter(|block| block.header.beneficiary == its_maker).map(|_| ()))
    })
    .await?;
    for node in home.authorities[..3].iter_mut().chain([&mut home.observer]) {
        let name = node.name().to_owned();
        let log = node.process_mut()?.log_path().to_path_buf();
        wait::until(&format!("{name} refuses it for permission"), LIMIT, || async {
            let text = fs::read_to_string(&log)?;
            let said = text
                .lines()
                .any(|line| line.contains("Transaction is not permitted.") && line.contains(&forbidden.to_string()));
            Ok(said.then_some(()))
        })
        .await?;
        let block = node.provider()?.get_block_by_hash(forbidden).await?;
        ensure!(block.is_none(), "{name} has the forbidden block");
    }
    story.say("its believer imported the block; the others refused it for permission alone");

    let granted = council::grant(home, stranger.address(), rights::ALL).await?;
    home.observer.finalizes(granted, LIMIT).await?;
    // Its maker gives its branch up for the longer chain, and the transaction is still the same.
    let honest = home.observer.provider()?;
    let receipt = wait::until("the same creation is in everybody's chain", Duration::from_secs(120), || async {
        if careless.get_transaction_receipt(hash).await?.is_none() {
            // Known already, as a rule: a branch that is given up returns its transactions to the pool.
            drop(careless.send_raw_transaction(creation).await);
        }
        honest.get_transaction_receipt(hash).await.map_err(Into::into)
    })
    .await?;
    ensure!(receipt.status() && receipt.block_number > Some(granted), "created in {:?}", receipt.block_number);
    let number = receipt.block_number.context("a receipt names its block")?;
    for node in home.nodes().chain([&believer]) {
        node.reaches(number, LIMIT).await?;
    }
    home.agree_at(number).await?;
    let block = believed.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
    ensure!(block.map(|block| block.header.hash) == receipt.block_hash, "the believer has another block {number}");
    story.say("with the right granted, the same creation was imported by everybody");
    believer.stop()
}

fn use_spec(node: &mut Node, from: &Path, to: &Path) -> Result<()> {
    let from = from.display().to_string();
    let argument = node.args_mut().iter_mut().find(|argument| **argument == from);
    *argument.context("the node is not started with this spec")? = to.display().to_string();
    Ok(())
}

/// The block in which `chain` has the transaction.
async fn careless_block(chain: &DynProvider, hash: B256) -> Result<B256> {
    wait::until("the careless authority seals the creation", LIMIT, || async {
        Ok(chain.get_transaction_receipt(hash).await?.and_then(|receipt| receipt.block_hash))
    })
    .await
}
