//! alloy 2, the Rust client: fillers, bindings from Solidity, filters, subscriptions, revert data, proofs, traces, EIP-7702.

use std::time::Duration;

use alloy::{
    eips::{BlockNumberOrTag, eip7702::Authorization},
    network::{EthereumWallet, TransactionBuilder as _, TransactionBuilder7702 as _},
    primitives::{Address, B256, U256, hex, keccak256},
    providers::{Provider, ProviderBuilder, WsConnect},
    rpc::types::{Filter, TransactionRequest},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol,
};
use anyhow::{Context, Result, ensure};
use aurum_tests::{foreign::dev_signer, tools};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::clients::begin;

sol! {
    #[sol(rpc, all_derives)]
    contract Probe {
        event Noted(address indexed by, uint256 indexed key, string text);
        error Refused(address who, uint256 code);
        function number() external view returns (uint256);
        function note(uint256 key, string words) external payable returns (uint256);
        function refuse(uint256 code) external view;
        function guarded(address to, bytes data) external payable returns (bytes result);
    }
}

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alloy_deploys_calls_subscribes_traces_and_delegates() -> Result<()> {
    let Some(dev) = begin("clients-alloy", &["node"]).await? else { return Ok(()) };
    let chain = &dev.chain;
    let mut code = hex::decode(tools::script("compile.mjs", ["Probe.sol".to_owned()]).await?.trim())?;
    code.extend(B256::from(U256::from(40)));

    let signer = dev_signer(0)?;
    let me = signer.address();
    let wallet = EthereumWallet::from(signer);
    let provider = ProviderBuilder::new().wallet(wallet.clone()).connect_http(chain.url().parse()?);
    let created = provider.send_transaction(TransactionRequest::default().with_deploy_code(code)).await?;
    let created = created.with_timeout(Some(LIMIT)).get_receipt().await?;
    let address = created.contract_address.context("nothing was created")?;
    let probe = Probe::new(address, &provider);
    ensure!(probe.number().call().await? == U256::from(40), "the constructor's argument");

    let socket = ProviderBuilder::new().wallet(wallet).connect_ws(WsConnect::new(chain.ws())).await?;
    let mut heads = socket.subscribe_blocks().await?.into_stream();
    let mut logs = socket.subscribe_logs(&Filter::new().address(address)).await?.into_stream();
    let mut pending = socket.subscribe_full_pending_transactions().await?.into_stream();
    let noted = Probe::new(address, &socket).note(U256::from(2), "two".to_owned()).send().await?;
    let noted = noted.with_timeout(Some(LIMIT)).get_receipt().await?;
    let event = noted.decoded_log::<Probe::Noted>().context("the receipt has no event")?;
    ensure!(event.by == me && event.text == "two", "the event says {event:?}");
    let head = tokio::time::timeout(LIMIT, heads.next()).await?.context("no head was told")?;
    ensure!(Some(head.hash) == noted.block_hash, "another head was told");
    let log = tokio::time::timeout(LIMIT, logs.next()).await?.context("no log was told")?;
    ensure!(log.transaction_hash == Some(noted.transaction_hash), "another log was told");
    let waiting = tokio::time::timeout(LIMIT, pending.next()).await?.context("no transaction was told")?;
    ensure!(*waiting.inner.tx_hash() == noted.transaction_hash, "another transaction was told");
    let found = provider.get_logs(&Filter::new().address(address).from_block(0).topic1(me.into_word())).await?;
    ensure!(found.len() == 1 && found[0] == log, "a filter finds {found:?}");
    dev.story.say("deployed, written, subscribed");

    let refused = probe.refuse(U256::from(7)).call().await.err().context("not refused")?;
    let reason = refused.as_decoded_error::<Probe::Refused>().context("the revert is not decoded")?;
    ensure!(reason.code == U256::from(7), "refused with {reason:?}");

    let block = provider.get_block_by_number(BlockNumberOrTag::Latest).full().await?.context("there is no block")?;
    ensure!(block.header.hash_slow() != B256::ZERO && block.transactions.len() == 1, "the block is {block:?}");
    let proof = provider.get_proof(address, vec![B256::ZERO]).await?;
    let root = proof.account_proof.first().map(keccak256);
    ensure!(root == Some(block.header.state_root), "the proof does not start at the state's root");
    ensure!(proof.storage_proof[0].value == U256::from(42), "proven is {:?}", proof.storage_proof);
    let receipts = provider.get_block_receipts(block.header.number.into()).await?.context("there are no receipts")?;
    ensure!(receipts.len() == 1 && receipts[0].transaction_hash == noted.transaction_hash, "receipts: {receipts:?}");
    let fees = provider.get_fee_history(2, BlockNumberOrTag::Latest, &[50.0]).await?;
    ensure!(fees.base_fee_per_gas.len() == 3 && fees.reward.is_some_and(|reward| reward.len() == 2), "fee history");
    let options = json!({ "tracer": "callTracer" });
    let frame: Value = provider.raw_request("debug_traceTransaction".into(), (noted.transaction_hash, options)).await?;
    ensure!(frame["to"] == json!(address) && frame["error"].is_null(), "the frame is {frame}");

    // Nonces are counted by the client that sends.
    delegates(&socket, address).await?;
    dev.end()
}

/// A fresh account without coins takes on the probe's code (EIP-7702).
async fn delegates(provider: &impl Provider, probe: Address) -> Result<()> {
    let fresh = PrivateKeySigner::random();
    let authorization =
        Authorization { chain_id: U256::from(provider.get_chain_id().await?), address: probe, nonce: 0 };
    let signature = fresh.sign_hash_sync(&authorization.signature_hash())?;
    let delegate = Probe::new(fresh.address(), provider);
    let request = delegate
        .note(U256::from(3), "delegated".to_owned())
        .into_transaction_request()
        .with_gas_limit(300_000)
        .with_authorization_list(vec![authorization.into_signed(signature)]);
    let sent = provider.send_transaction(request).await?.with_timeout(Some(LIMIT)).get_receipt().await?;
    ensure!(sent.status() && sent.transaction_type() == alloy::consensus::TxType::Eip7702, "{sent:?}");
    let code = provider.get_code_at(fresh.address()).await?;
    ensure!(code == [&hex!("ef0100")[..], probe.as_slice()].concat(), "its code is {code}");
    let number = delegate.number().call().await?;
    ensure!(number == U256::from(3), "its storage says {number}");
    Ok(())
}
