//! `--pruning`: which states can still be asked for.

use std::path::Path;

use aurum_chain::{History, StorageOptions};
use poa_node::{NodeHandle, dev::ACCOUNTS};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::dev::{call, config, number};

/// As little as the database can be told to keep; the options of the program keep more.
const KEPT: History = History::Last(History::LEAST);
/// More than that.
const BLOCKS: u64 = 300;
/// Mined with one call, which has a time limit.
const AT_ONCE: u64 = 50;

async fn start(folder: &Path, history: History) -> NodeHandle {
    let mut config = config(folder, None);
    config.storage = StorageOptions { history, ..config.storage };
    poa_node::run(config, CancellationToken::new()).await.unwrap()
}

async fn mine(node: &NodeHandle, blocks: u64) {
    for _ in 0..blocks / AT_ONCE {
        call(node, "anvil_mine", json!([AT_ONCE])).await.unwrap();
    }
}

/// Whether the state of a block is there; what else is said of it must say how to get it.
async fn has_state(node: &NodeHandle, block: u64) -> bool {
    match call(node, "eth_getBalance", json!([ACCOUNTS[0].0, format!("{block:#x}")])).await {
        Ok(_) => true,
        Err(error) => {
            let text = error["message"].as_str().unwrap();
            assert_eq!(error["code"], -32_000);
            assert!(text.starts_with("historical state of block ") && text.ends_with("ask one that keeps all states"));
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_prunes_keeps_the_last_states_and_says_of_others_who_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), KEPT).await;
    mine(&node, BLOCKS).await;
    node.stop().await;

    // States go once a check-point of the trie is behind them: at the latest at a clean end.
    let node = start(folder.path(), KEPT).await;
    mine(&node, 2 * AT_ONCE).await;
    let latest = number(&node).await;
    assert!(!has_state(&node, 1).await && !has_state(&node, latest - 200).await);
    assert!(has_state(&node, latest).await && has_state(&node, latest - 100).await);
    node.stop().await;

    // From now on all are kept; what is gone does not come back.
    let node = start(folder.path(), History::Archive).await;
    mine(&node, 3 * AT_ONCE).await;
    assert!(has_state(&node, latest - 100).await && !has_state(&node, 1).await);
    node.stop().await;
}
