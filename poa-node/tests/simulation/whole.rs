//! A node as it runs: a `Chain` on disk and the `Author`, with the clock in our hands. Only the network and the thread that
//! follows the clock are the simulation's.

use std::{path::Path, sync::Arc, time::Duration};

use alloy::primitives::{B256, Bytes};
use aurum_aura::{KeySigner, ManualClock, Signer as _};
use aurum_chain::{Authoring, Chain, ChainConfig, ImportError, Imported, Invalid};
use aurum_pool::{Origin, PoolConfig};
use aurum_types::{ChainSpec, Recovered, SealedBlock, Step, Transaction, recover_sender};
use poa_node::{
    author::{Author, EmptyBlocks, LastSealed},
    config::Sealing,
};
use tempfile::TempDir;

use crate::{
    kit::{GAS_LIMIT, Kit, seal},
    replica::{Replica, Standing, Verdict},
};

pub(crate) struct WholeNode {
    spec: Arc<ChainSpec>,
    key: Arc<KeySigner>,
    clock: Arc<ManualClock>,
    forbidden: Transaction,
    folder: TempDir,
    /// `None` only between stop and start.
    running: Option<Running>,
}

struct Running {
    author: Author,
    chain: Chain,
}

impl WholeNode {
    /// `careless` opens the chain with a spec by which the permission contract decides nothing.
    pub(crate) fn new(kit: &Kit, key: Arc<KeySigner>, careless: bool) -> Self {
        let spec = Arc::clone(if careless { &kit.careless } else { &kit.spec });
        let clock = Arc::new(ManualClock::default());
        let folder = temporary_folder();
        let running = Some(start(&spec, &key, &clock, folder.path()));
        Self { spec, key, clock, forbidden: kit.forbidden(), folder, running }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs between restarts")
    }

    fn chain(&self) -> &Chain {
        &self.running().chain
    }

    fn authoring(&self) -> Authoring {
        self.chain().authoring().expect("the head's state can be read")
    }
}

/// In memory where the system has such a folder: a run syncs to disk thousands of times.
fn temporary_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder")
}

fn start(spec: &Arc<ChainSpec>, key: &Arc<KeySigner>, clock: &Arc<ManualClock>, folder: &Path) -> Running {
    let chain = Chain::open(ChainConfig {
        spec: Arc::clone(spec),
        path: folder.join("db"),
        clock: clock.clone(),
        pool: PoolConfig { journal: Some(folder.join("journal")), ..PoolConfig::default() },
        min_gas_price: 0,
    })
    .expect("the chain opens");
    let sealing =
        Sealing { signer: key.clone(), empty_blocks: EmptyBlocks::Always, gas_target: None, extra_data: Bytes::new() };
    let record = LastSealed::open(&folder.join("last_sealed")).expect("the record of used steps opens");
    Running { author: Author::new(chain.clone(), sealing, clock.clone(), record, None), chain }
}

impl Replica for WholeNode {
    fn set_clock(&mut self, now: Duration) {
        self.clock.set(now);
    }

    fn import(&mut self, block: &SealedBlock) -> Verdict {
        match self.chain().import(block.clone()) {
            Ok(Imported::Head(_) | Imported::Side { .. }) => Verdict::Accepted,
            Ok(Imported::Known) => Verdict::Known,
            Err(ImportError::UnknownParent(_)) => Verdict::UnknownParent,
            Err(ImportError::TemporarilyInvalid(_)) => Verdict::Early,
            Err(ImportError::Invalid(Invalid::RevertsFinalized { .. })) => Verdict::RevertsFinal,
            Err(ImportError::Invalid(reason)) => Verdict::Invalid(reason.to_string()),
            Err(ImportError::Fault(fault)) => panic!("the node's own fault: {fault}"),
        }
    }

    fn seal(&mut self, step: Step) -> Option<SealedBlock> {
        let Running { author, .. } = self.running();
        author.note_head(&self.authoring());
        let sealed = author.try_seal(step).ok()?;
        self.block(sealed.hash)
    }

    fn forge(&mut self, step: Step, variant: u8, forbidden: bool) -> SealedBlock {
        let parent = self.authoring();
        let env = parent.env(self.key.address(), step, GAS_LIMIT).expect("a block can be begun");
        let mut builder = parent.builder(env.clone()).expect("a block can be begun");
        let mut transactions = Vec::new();
        if forbidden {
            let sender = recover_sender(&self.forbidden).expect("it is signed");
            // A second time its nonce is used up.
            if builder.push(&Recovered::new_unchecked(self.forbidden.clone(), sender)).is_ok() {
                transactions.push(self.forbidden.clone());
            }
        }
        let outcome = builder.finish().expect("a block can be ended");
        let closed = parent.close(&env, &transactions, outcome, vec![0, variant].into());
        let (header, _) = closed.expect("its root is computed");
        seal(&self.spec, &self.key, step, header, transactions)
    }

    fn submit(&mut self, transaction: &Transaction) -> Option<bool> {
        let sender = recover_sender(transaction).expect("it is signed");
        let transaction = Recovered::new_unchecked(transaction.clone(), sender);
        Some(self.chain().pool().add(transaction, Origin::Local).is_ok())
    }

    fn standing(&self) -> Standing {
        let head = self.chain().head();
        Standing { head: head.latest, finalized: head.finalized, engine: self.authoring().engine().encode() }
    }

    fn block(&self, hash: B256) -> Option<SealedBlock> {
        let bytes = self.chain().block_bytes(hash).expect("the disk is read")?;
        Some(self.chain().decode(&bytes).expect("what was stored is a block"))
    }

    fn restart(&mut self) {
        // The last handle that goes closes the database.
        self.running = None;
        self.running = Some(start(&self.spec, &self.key, &self.clock, self.folder.path()));
    }

    fn is_its_turn(&self, step: Step) -> bool {
        self.authoring().may_seal(self.key.address(), step)
    }
}
