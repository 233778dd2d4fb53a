//! Blocks that are announced by the hashes of their transactions.

use std::sync::{Arc, atomic::Ordering};

use crate::common::{FakeChain, Node, config, genesis, same_head, transaction, until};
use alloy::primitives::{B256, U256};
use aurum_network::{BlockSource, Verdict};
use aurum_pool::Origin;
use aurum_types::{Block, EMPTY_UNCLES_HASH, Header, Recovered, SealedBlock, Transaction, transactions_root};

/// Enough not to be announced whole.
const MANY: u64 = 60;

fn chain() -> Arc<FakeChain> {
    FakeChain::new(genesis(b"g"))
}

fn transactions(key: u8, count: u64) -> Vec<Recovered<Transaction>> {
    (0..count).map(|nonce| transaction(key, nonce)).collect()
}

/// A block on the chain's head.
fn block(chain: &FakeChain, transactions: &[Recovered<Transaction>], root: impl FnOnce(B256) -> B256) -> SealedBlock {
    let parent = chain.head();
    let transactions: Vec<_> = transactions.iter().map(|tx| tx.inner().clone()).collect();
    let header = Header {
        parent_hash: parent.hash(),
        number: parent.number() + 1,
        difficulty: U256::ONE,
        uncles_hash: EMPTY_UNCLES_HASH,
        transactions_root: root(transactions_root(&transactions)),
        ..Header::default()
    };
    SealedBlock::seal_slow(Block { header, transactions, uncles: Vec::new() })
}

/// Two nodes that know each other.
async fn pair() -> (Node, Node) {
    let author = Node::start(config(1, &[]), chain()).await;
    let other = Node::start(config(2, &[author.enode()]), chain()).await;
    until("both are connected", || author.knows(&other) && other.knows(&author)).await;
    (author, other)
}

/// Pools them at `author`, and waits until `other` has them too.
async fn share(author: &Node, other: &Node, transactions: &[Recovered<Transaction>]) {
    for tx in transactions {
        author.pool.add(tx.clone(), Origin::Local).unwrap();
    }
    until("the transactions are everywhere", || other.pool.status().pending >= transactions.len()).await;
}

fn announce(author: &Node, block: &SealedBlock) {
    assert_eq!(author.chain.import(block.clone()), Verdict::Imported);
    author.net.announce(block.clone());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_whose_transactions_are_pooled_is_rebuilt_without_a_question() {
    let (author, other) = pair().await;
    let pooled = transactions(7, MANY);
    share(&author, &other, &pooled).await;
    let block = block(&author.chain, &pooled, |root| root);
    announce(&author, &block);
    same_head(&[&author, &other]).await;
    assert_eq!(other.chain.head(), block);
    let counters = other.net.counters();
    assert_eq!((counters.blocks_rebuilt, counters.transactions_fetched, counters.blocks_not_rebuilt), (1, 0, 0));
    assert_eq!(author.net.counters().requests_served, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pool_lacks_is_asked_for_with_one_question() {
    let (author, other) = pair().await;
    let pooled = transactions(7, MANY);
    share(&author, &other, &pooled).await;
    // The first, the last and some between were never gossiped.
    let mut all = transactions(8, 2);
    for (place, tx) in pooled.into_iter().enumerate() {
        all.push(tx);
        if place % 20 == 0 {
            all.push(transaction(9, place as u64 / 20));
        }
    }
    all.push(transaction(10, 0));
    let block = block(&author.chain, &all, |root| root);
    announce(&author, &block);
    same_head(&[&author, &other]).await;
    assert_eq!(other.chain.head(), block);
    let counters = other.net.counters();
    assert_eq!((counters.blocks_rebuilt, counters.transactions_fetched, counters.blocks_not_rebuilt), (1, 6, 0));
    assert_eq!(author.net.counters().requests_served, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_lacks_too_much_is_fetched_whole() {
    let (author, other) = pair().await;
    let block = block(&author.chain, &transactions(7, 1_100), |root| root);
    announce(&author, &block);
    same_head(&[&author, &other]).await;
    assert_eq!(other.chain.head(), block);
    let counters = other.net.counters();
    assert_eq!((counters.blocks_rebuilt, counters.blocks_not_rebuilt), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_announces_hashes_that_are_not_the_headers_is_sent_away_and_nothing_is_imported() {
    let (author, other) = pair().await;
    let pooled = transactions(7, MANY);
    share(&author, &other, &pooled).await;
    for lie in 0..2 {
        let lie = block(&author.chain, &pooled, |_| B256::repeat_byte(lie + 1));
        author.net.announce(lie);
    }
    until("the liar is gone", || other.net.peers().is_empty()).await;
    assert_eq!(other.chain.imports.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_few_transactions_is_announced_whole() {
    let (author, other) = pair().await;
    let block = block(&author.chain, &transactions(7, 3), |root| root);
    announce(&author, &block);
    same_head(&[&author, &other]).await;
    assert_eq!(other.net.counters().blocks_rebuilt, 0);
    assert_eq!(author.net.counters().requests_served, 0);
}
