//! The process that is killed: this very binary, started again with its orders in the environment.

use std::{env, fmt, path::PathBuf, sync::Arc};

use aurum_chain::{Chain, ChainConfig, Head, Observation, Observer, StorageOptions};
use aurum_storage::History;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use super::{
    script::{Script, stand},
    trigger::{Side, Trigger},
};
use crate::kit::Kit;

/// The folder that holds the node's folder, and the script.
pub const FOLDER: &str = "AURUM_CHAIN_KILLED_FOLDER";
/// How the blocks come in: "Alone", as peers announce them; in "Batches", as in sync; or the node is their "Author".
pub const WAY: &str = "AURUM_CHAIN_KILLED_WAY";
/// Where to die; nowhere if it is not set.
pub const POINT: &str = "AURUM_CHAIN_KILLED_POINT";
/// For what is left to chance.
pub const SEED: &str = "AURUM_CHAIN_KILLED_SEED";

/// Little memory, small check-points, and sometimes little history.
pub fn small(seed: u64) -> StorageOptions {
    let mut dice = StdRng::seed_from_u64(seed);
    StorageOptions {
        history: if dice.random() { History::Archive } else { History::Last(History::LEAST) },
        trie_memory: dice.random_range(0..4) * 1_000,
        checkpoint_bytes: dice.random_range(0..3) * 8_000 + 1,
        checkpoint_blocks: dice.random_range(1..8),
    }
}

/// Whether a node with [`small`] of this seed deletes history.
pub fn prunes(seed: u64) -> bool {
    small(seed).history != History::Archive
}

/// Says what is announced to the world, at once: what is written stays written.
struct Herald {
    head: watch::Receiver<Head>,
    trigger: Option<Arc<Trigger>>,
}

impl fmt::Debug for Herald {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Herald")
    }
}

impl Observer for Herald {
    fn observed(&self, _observation: &Observation<'_>) {
        let Head { latest, finalized, .. } = *self.head.borrow();
        println!("\nannounced {} {} {} {}", latest.number, latest.hash, finalized.number, finalized.hash);
        if let Some(trigger) = &self.trigger {
            trigger.pass("announce", Side::Before);
        }
    }
}

/// What a child was told by its environment; `None` in an ordinary run of the tests.
pub struct Orders {
    pub folder: PathBuf,
    pub way: String,
    pub seed: u64,
    pub trigger: Option<Arc<Trigger>>,
}

impl Orders {
    pub fn read() -> Option<Self> {
        let folder = env::var_os(FOLDER)?.into();
        let trigger = env::var(POINT).ok().map(|point| Trigger::install(point.parse().unwrap()));
        Some(Self { folder, way: env::var(WAY).unwrap(), seed: env::var(SEED).unwrap().parse().unwrap(), trigger })
    }

    /// Opens the chain as it was left, and says what is announced from now on.
    pub fn open(&self, kit: &Kit) -> Chain {
        let config = ChainConfig { storage: small(self.seed), ..kit.config(&self.folder.join("node")) };
        let chain = Chain::open(config).unwrap();
        if let Some(trigger) = &self.trigger {
            trigger.opened();
        }
        chain.observe_with(Arc::new(Herald { head: chain.watch_head(), trigger: self.trigger.clone() }));
        chain
    }
}

/// Not a test of its own: opens what the last one left, compares it with what is to be there, and goes on.
#[test]
fn child_imports_until_it_is_killed() {
    let Some(orders) = Orders::read() else { return };
    let kit = Kit::new(4);
    let script = Script::read(&kit, &orders.folder.join("script"));
    let chain = orders.open(&kit);
    let here = script.stored(&chain);
    assert_eq!(stand(&chain), script.clean[here], "{here} blocks are here: what a clean replay of them gives");
    println!("\nopened {here}");
    go_on(&kit, &chain, &script, here, &orders);
    assert_eq!(Some(&stand(&chain)), script.clean.last(), "all blocks are here");
    println!("\nended");
}

fn go_on(kit: &Kit, chain: &Chain, script: &Script, here: usize, orders: &Orders) {
    let mut dice = StdRng::seed_from_u64(orders.seed);
    let mut left = &script.blocks[here..];
    if orders.way != "Author" {
        script.wait(kit);
    }
    while let Some(next) = left.first() {
        let mut done = 1;
        match orders.way.as_str() {
            "Alone" => drop(chain.import(next.clone()).unwrap()),
            "Batches" => {
                done = dice.random_range(1..16).min(left.len());
                let (imported, error) = chain.import_batch(&left[..done]);
                assert!(error.is_none() && imported.len() == done, "{error:?}");
            }
            "Author" => {
                let block = kit.mine(chain, &next.block().transactions);
                assert_eq!(block.hash(), next.hash(), "the same block as ever is built");
            }
            other => panic!("no way {other}"),
        }
        left = &left[done..];
    }
}
