//! `--pruning`: which states can still be asked for.

use poa_node::dev::ACCOUNTS;
use serde_json::json;

use crate::{call, number, start_with};

/// Blocks more than pruning keeps at least.
const BLOCKS: u64 = 300;
/// Mined with one call, which has a time limit.
const AT_ONCE: u64 = 50;

async fn mine(node: &poa_node::NodeHandle, blocks: u64) {
    for _ in 0..blocks / AT_ONCE {
        call(node, "anvil_mine", json!([AT_ONCE])).await.unwrap();
    }
}

/// Whether the state of a block is there; what else is said of it must say how to get it.
async fn has_state(node: &poa_node::NodeHandle, block: u64) -> bool {
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
    let fast = ["--pruning", "fast", "--pruning-history", "128"];
    let node = start_with(folder.path(), None, &fast).await;
    mine(&node, BLOCKS).await;
    node.stop().await;

    // States go once a check-point of the trie is behind them: at the latest at a clean end.
    let node = start_with(folder.path(), None, &fast).await;
    mine(&node, AT_ONCE).await;
    let latest = number(&node).await;
    assert!(!has_state(&node, 1).await && !has_state(&node, latest - 200).await);
    assert!(has_state(&node, latest).await && has_state(&node, latest - 100).await);
    node.stop().await;

    // From now on all are kept; what is gone does not come back.
    let node = start_with(folder.path(), None, &["--pruning", "archive"]).await;
    mine(&node, 3 * AT_ONCE).await;
    assert!(has_state(&node, latest - 100).await && !has_state(&node, 1).await);
    node.stop().await;
}
