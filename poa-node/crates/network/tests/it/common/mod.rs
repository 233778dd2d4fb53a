//! Nodes in this process over real sockets, each with a chain held in memory.
#![allow(unreachable_pub, reason = "no other crate reaches what is here")]

pub mod proxy;

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
};
use aurum_network::{
    BlockSource, ChainStatus, Enode, NetworkConfig, NetworkHandle, NodeKey, SnapshotOffer, Topic, Verdict, run,
};
use aurum_pool::{Admission, Origin, Pool, PoolConfig, Refusal};
use aurum_types::{Account, Block, Header, HeaderFormat, Recovered, Score, SealedBlock, Transaction, recover_sender};
use secp256k1::{Message, SECP256K1, SecretKey};
use tokio_util::sync::CancellationToken;

pub const FORMAT: HeaderFormat = HeaderFormat { base_fee_from: None, empty_steps_from: None, genesis_base_fee: false };
/// `extra_data` of blocks the fake chain finds invalid, or not valid yet.
pub const BAD: &[u8] = b"bad";
pub const FUTURE: &[u8] = b"future";
/// `extra_data` of blocks that contradict what is final in the fake chain.
pub const CONTRADICTS: &[u8] = b"contradicts";

#[derive(Debug)]
struct Held {
    block: SealedBlock,
    score: Score,
}

#[derive(Debug, Default)]
struct Blocks {
    all: HashMap<B256, Held>,
    canonical: Vec<B256>,
}

/// The heaviest chain of what was imported.
#[derive(Debug, Default)]
pub struct FakeChain {
    blocks: Mutex<Blocks>,
    stalled: Mutex<bool>,
    released: Condvar,
    pub imports: AtomicUsize,
    /// Blocks refused without blame.
    pub refused: AtomicUsize,
    /// Messages of the engine, in the order in which they were heard.
    pub heard: Mutex<Vec<Bytes>>,
    /// What is offered to nodes that begin, and the bytes given for it.
    pub snapshot: Mutex<Option<(SnapshotOffer, Vec<u8>)>>,
}

pub fn block(parent: &SealedBlock, difficulty: u64, extra: &[u8]) -> SealedBlock {
    let header = Header {
        parent_hash: parent.hash(),
        number: parent.number() + 1,
        difficulty: U256::from(difficulty),
        extra_data: Bytes::copy_from_slice(extra),
        ..Header::default()
    };
    SealedBlock::seal_slow(Block { header, transactions: Vec::new(), uncles: Vec::new() })
}

pub fn genesis(name: &[u8]) -> SealedBlock {
    let header = Header { extra_data: Bytes::copy_from_slice(name), ..Header::default() };
    SealedBlock::seal_slow(Block { header, transactions: Vec::new(), uncles: Vec::new() })
}

impl FakeChain {
    pub fn new(genesis: SealedBlock) -> Arc<Self> {
        let chain = Self::default();
        {
            let mut blocks = chain.blocks.lock().unwrap();
            blocks.canonical.push(genesis.hash());
            blocks.all.insert(genesis.hash(), Held { block: genesis, score: Score::default() });
        }
        Arc::new(chain)
    }

    /// Extends the head by `count` blocks of a branch's own.
    pub fn grow(&self, count: usize, difficulty: u64, branch: &[u8]) -> Vec<SealedBlock> {
        (0..count)
            .map(|_| {
                let block = block(&self.head(), difficulty, branch);
                assert_eq!(self.import(block.clone()), Verdict::Imported);
                block
            })
            .collect()
    }

    pub fn head(&self) -> SealedBlock {
        let blocks = self.blocks.lock().unwrap();
        blocks.all[blocks.canonical.last().unwrap()].block.clone()
    }

    pub fn status_number(&self) -> u64 {
        self.status().number
    }

    /// Lets reads of blocks hang until released.
    pub fn stall(&self, stalled: bool) {
        *self.stalled.lock().unwrap() = stalled;
        self.released.notify_all();
    }

    /// Puts a block in without judging it, as a dishonest node does.
    pub fn force(&self, block: SealedBlock) {
        let mut blocks = self.blocks.lock().unwrap();
        insert(&mut blocks, block);
    }
}

fn insert(blocks: &mut Blocks, block: SealedBlock) {
    let hash = block.hash();
    let score = blocks.all[&block.header().parent_hash].score.plus(block.header().difficulty);
    blocks.all.insert(hash, Held { block, score });
    let head = *blocks.canonical.last().unwrap();
    if score > blocks.all[&head].score {
        let mut at = hash;
        let mut branch = Vec::new();
        loop {
            let held = &blocks.all[&at];
            let number = usize::try_from(held.block.number()).unwrap();
            if blocks.canonical.get(number) == Some(&at) {
                blocks.canonical.truncate(number + 1);
                break;
            }
            branch.push(at);
            at = held.block.header().parent_hash;
        }
        blocks.canonical.extend(branch.into_iter().rev());
    }
}

impl BlockSource for FakeChain {
    fn status(&self) -> ChainStatus {
        let blocks = self.blocks.lock().unwrap();
        let hash = *blocks.canonical.last().unwrap();
        ChainStatus {
            genesis: blocks.canonical[0],
            number: blocks.canonical.len() as u64 - 1,
            hash,
            score: blocks.all[&hash].score,
        }
    }

    fn contains(&self, hash: B256) -> bool {
        self.blocks.lock().unwrap().all.contains_key(&hash)
    }

    fn hash_at(&self, number: u64) -> Option<B256> {
        self.blocks.lock().unwrap().canonical.get(usize::try_from(number).ok()?).copied()
    }

    fn block(&self, hash: B256) -> Option<Bytes> {
        let mut stalled = self.stalled.lock().unwrap();
        while *stalled {
            stalled = self.released.wait(stalled).unwrap();
        }
        self.blocks.lock().unwrap().all.get(&hash).map(|held| held.block.block().encode())
    }

    fn snapshot(&self) -> Option<SnapshotOffer> {
        self.snapshot.lock().unwrap().as_ref().map(|(offer, _)| *offer)
    }

    fn snapshot_part(&self, digest: B256, offset: u64, most: u64) -> Bytes {
        let held = self.snapshot.lock().unwrap();
        let Some((_, bytes)) = held.as_ref().filter(|(offer, _)| offer.digest == digest) else { return Bytes::new() };
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        rest.iter().take(usize::try_from(most).unwrap()).copied().collect::<Vec<_>>().into()
    }

    fn hear(&self, _: Topic, body: &[u8]) -> Verdict {
        if body.starts_with(BAD) {
            return Verdict::Invalid("marked bad".to_owned());
        }
        self.heard.lock().unwrap().push(Bytes::copy_from_slice(body));
        Verdict::Imported
    }

    fn import(&self, block: SealedBlock) -> Verdict {
        let mut blocks = self.blocks.lock().unwrap();
        if blocks.all.contains_key(&block.hash()) {
            return Verdict::Known;
        }
        if !blocks.all.contains_key(&block.header().parent_hash) {
            return Verdict::UnknownParent;
        }
        match &block.header().extra_data[..] {
            BAD => return Verdict::Invalid("marked bad".to_owned()),
            CONTRADICTS => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Verdict::Refused("marked as contradicting".to_owned());
            }
            FUTURE => return Verdict::TemporarilyInvalid("marked future".to_owned()),
            _ => {}
        }
        self.imports.fetch_add(1, Ordering::Relaxed);
        insert(&mut blocks, block);
        Verdict::Imported
    }
}

#[derive(Debug)]
struct AdmitAll;

impl Admission for AdmitAll {
    fn account(&self, _: Address) -> Result<Account, Refusal> {
        Ok(Account::default())
    }

    fn admits(&self, _: &Recovered<Transaction>, _: Origin) -> Result<(), Refusal> {
        Ok(())
    }
}

pub fn transaction(key: u8, nonce: u64) -> Recovered<Transaction> {
    let tx = TxLegacy {
        chain_id: Some(1),
        nonce,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        ..TxLegacy::default()
    };
    let secret = SecretKey::from_byte_array([key; 32]).unwrap();
    let message = Message::from_digest(tx.signature_hash().0);
    let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(message, &secret).serialize_compact();
    let tx: Transaction = tx.into_signed(Signature::from_bytes_and_parity(&bytes, i32::from(id) == 1)).into();
    let from = recover_sender(&tx).unwrap();
    Recovered::new_unchecked(tx, from)
}

pub fn node_key(id: u8) -> NodeKey {
    NodeKey::from_bytes([id; 32]).unwrap()
}

pub fn config(id: u8, reserved: &[Enode]) -> NetworkConfig {
    NetworkConfig {
        reserved: reserved.to_vec(),
        request_timeout: Duration::from_secs(2),
        ..NetworkConfig::new(node_key(id), "127.0.0.1:0".parse().unwrap(), 17, FORMAT)
    }
}

/// One running node; stops when dropped.
pub struct Node {
    pub chain: Arc<FakeChain>,
    pub pool: Pool,
    pub net: NetworkHandle,
    stop: CancellationToken,
}

impl Node {
    pub async fn start(config: NetworkConfig, chain: Arc<FakeChain>) -> Self {
        let pool = Pool::open(PoolConfig { gas_free: true, ..PoolConfig::default() }, Arc::new(AdmitAll)).unwrap();
        let stop = CancellationToken::new();
        let net = run(config, chain.clone(), pool.clone(), stop.clone()).await.unwrap();
        Self { chain, pool, net, stop }
    }

    pub fn enode(&self) -> Enode {
        self.net.local_enode().clone()
    }

    /// Makes a block on the head and announces it.
    pub fn author(&self, branch: &[u8]) -> SealedBlock {
        let block = self.chain.grow(1, 1, branch).pop().unwrap();
        self.net.announce(block.clone());
        block
    }

    pub async fn stop(&self) {
        self.stop.cancel();
        self.net.stopped().await;
    }

    pub fn knows(&self, other: &Self) -> bool {
        self.net.peers().iter().any(|peer| peer.id == other.net.local_enode().id)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.chain.stall(false);
        self.stop.cancel();
    }
}

/// Waits for a condition; says which one did not come true.
pub async fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(Duration::from_secs(20), what, condition).await;
}

pub async fn until_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn same_head(nodes: &[&Node]) {
    until("all nodes have the same head", || {
        nodes.windows(2).all(|pair| pair[0].chain.status() == pair[1].chain.status())
    })
    .await;
}
