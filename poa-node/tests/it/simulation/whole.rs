//! A node as it runs: a `Chain` on disk and the `Author`, with the clock in our hands. Only the network and the thread that
//! follows the clock are the simulation's.

use std::{path::Path, sync::Arc, time::Duration};

use alloy::{
    eips::BlockId,
    primitives::{B256, Bytes},
};
use aurum_aura::{EmptyStepMessage, KeySigner, ManualClock, Signer as _, certificate::VoteDomain};
use aurum_chain::{Authoring, Chain, ChainConfig, Fault, ImportError, Imported, Invalid, StorageOptions};
use aurum_contracts::{genesis::VALIDATOR_SET, rights};
use aurum_evm::BlockEnv;
use aurum_pool::{Origin, PoolConfig};
use aurum_types::{BlockNumber, ChainSpec, Recovered, SealedBlock, Step, Transaction, recover_sender};
use poa_node::{
    author::{Author, EmptyBlocks, LastSealed, NoBlock},
    config::Sealing,
    finality::Finality,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::simulation::{
    contracts::Change,
    kit::{GAS_LIMIT, Kit, seal},
    replica::{Certified, Replica, Standing, Used, Verdict},
};

pub(crate) struct WholeNode {
    kit: Arc<Kit>,
    spec: Arc<ChainSpec>,
    key: Arc<KeySigner>,
    clock: Arc<ManualClock>,
    folder: TempDir,
    /// `None` only between stop and start.
    running: Option<Running>,
}

struct Running {
    author: Author,
    finality: Option<Voting>,
    chain: Chain,
}

/// Its part in finality certificates.
struct Voting {
    finality: Arc<Finality>,
    wanted: mpsc::Receiver<B256>,
    faults: mpsc::Receiver<Fault>,
}

/// First byte of what travels of votes.
const VOTE: u8 = 0;
const PROOF: u8 = 1;

impl WholeNode {
    /// `careless` opens the chain with a spec by which the permission contract decides nothing.
    pub(crate) fn new(kit: &Arc<Kit>, key: Arc<KeySigner>, careless: bool) -> Self {
        let spec = Arc::clone(if careless { &kit.careless } else { &kit.spec });
        let clock = Arc::new(ManualClock::default());
        let folder = temporary_folder();
        let running = Some(start(&spec, &key, &clock, folder.path()));
        Self { kit: Arc::clone(kit), spec, key, clock, folder, running }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs between restarts")
    }

    fn chain(&self) -> &Chain {
        &self.running().chain
    }

    /// What follows from a new head.
    fn note_head(&self) {
        let Running { author, finality, .. } = self.running();
        author.note_head(&self.authoring());
        if let Some(Voting { finality, .. }) = finality {
            finality.note_head();
        }
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
        parallel: None,
        storage: StorageOptions::default(),
    })
    .expect("the chain opens");
    let sealing =
        Sealing { signer: key.clone(), empty_blocks: EmptyBlocks::Always, gas_target: None, extra_data: Bytes::new() };
    let (faulty, faults) = mpsc::channel(1);
    let finality = Finality::open(chain.clone(), clock.clone(), Some(key.clone()), folder, faulty);
    let finality = finality.expect("its record can be read");
    let finality = finality.map(|(finality, wanted)| Voting { finality, wanted, faults });
    let record = LastSealed::open(&folder.join("last_sealed")).expect("the record of used steps opens");
    Running { author: Author::new(chain.clone(), sealing, clock.clone(), record, None), finality, chain }
}

impl Replica for WholeNode {
    fn set_clock(&mut self, now: Duration) {
        self.clock.set(now);
    }

    fn import(&mut self, block: &SealedBlock) -> Verdict {
        match self.chain().import(block.clone()) {
            Ok(Imported::Head(_)) => {
                self.note_head();
                Verdict::Accepted
            }
            Ok(Imported::Side { .. }) => Verdict::Accepted,
            Ok(Imported::Known) => Verdict::Known,
            Err(ImportError::UnknownParent(_)) => Verdict::UnknownParent,
            Err(ImportError::TemporarilyInvalid(_)) => Verdict::Early,
            Err(ImportError::Invalid(Invalid::RevertsFinalized { .. })) => Verdict::RevertsFinal,
            Err(ImportError::Invalid(reason)) => Verdict::Invalid(reason.to_string()),
            Err(ImportError::Fault(fault)) => panic!("the node's own fault: {fault}"),
        }
    }

    fn hear_empty_step(&mut self, message: &[u8]) -> bool {
        self.chain().offer_empty_step(message).unwrap_or(false)
    }

    fn seal(&mut self, step: Step) -> Option<Used> {
        let Running { author, .. } = self.running();
        let head = self.authoring();
        let sealed = match author.try_seal(step) {
            Ok(sealed) => sealed,
            Err(NoBlock::EmptyStep { .. }) => {
                // Signatures are deterministic: this is what it would have told its network.
                let message = EmptyStepMessage::sign(step, head.parent_hash(), &*self.key).ok()?;
                return Some(Used::EmptyStep(message.encode().into()));
            }
            Err(_) => return None,
        };
        self.note_head();
        Some(Used::Block(Box::new(self.block(sealed.hash)?)))
    }

    fn forge(&mut self, step: Step, variant: u8, forbidden: bool) -> SealedBlock {
        let parent = self.authoring();
        let env = parent.env(self.key.address(), step, GAS_LIMIT).expect("a block can be begun");
        let mut builder = parent.builder(env.clone()).expect("a block can be begun");
        let mut transactions = Vec::new();
        if forbidden {
            let client = parent.state().account(self.kit.restricted()).expect("the state can be read");
            let creation = self.kit.creation(client.map_or(0, |client| client.nonce));
            let sender = recover_sender(&creation).expect("it is signed");
            builder.push(&Recovered::new_unchecked(creation.clone(), sender)).expect("nobody asks for permission here");
            transactions.push(creation);
        }
        let outcome = builder.finish().expect("a block can be ended");
        let closed = parent.close(&env, &transactions, outcome, vec![0, variant].into());
        let (header, _) = closed.expect("its root is computed");
        seal(&self.spec, &self.key, step, header, transactions, &[])
    }

    fn submit(&mut self, transaction: &Transaction) -> Option<bool> {
        let sender = recover_sender(transaction).expect("it is signed");
        let transaction = Recovered::new_unchecked(transaction.clone(), sender);
        Some(self.chain().pool().add(transaction, Origin::Local).is_ok())
    }

    fn wish(&mut self, _: u64, _: Change) {}

    fn standing(&self) -> Standing {
        let (head, at) = (self.chain().head(), self.authoring());
        let (state, env) = (Arc::clone(at.state()), BlockEnv::of(at.parent()));
        let validators = at.evm().validators(state, &env, VALIDATOR_SET).expect("the contract answers");
        let rights = self.chain().view().rights(BlockId::latest(), self.kit.restricted()).expect("it answers");
        let is_asked = Arc::ptr_eq(&self.spec, &self.kit.spec);
        Standing {
            head: head.latest,
            finalized: head.finalized,
            engine: at.engine().encode(),
            contracts: is_asked.then(|| (validators.as_slice().to_vec(), rights & rights::CREATE != 0)),
        }
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

    fn ballots(&self) -> Vec<Bytes> {
        let Some(Voting { finality, .. }) = &self.running().finality else { return Vec::new() };
        let tagged = |tag: u8, bytes: Option<Bytes>| bytes.map(|bytes| [&[tag], &bytes[..]].concat().into());
        tagged(VOTE, finality.last_vote()).into_iter().chain(tagged(PROOF, finality.justification())).collect()
    }

    fn hear_ballot(&mut self, ballot: &[u8]) -> bool {
        let Some(Voting { finality, faults, .. }) = self.running.as_mut().and_then(|one| one.finality.as_mut()) else {
            return false;
        };
        let verdict = match ballot {
            [VOTE, vote @ ..] => finality.hear_vote(vote),
            [PROOF, proof @ ..] => finality.hear_proof(proof),
            _ => return false,
        };
        assert!(faults.try_recv().is_err(), "the node's own fault");
        matches!(verdict, aurum_network::Verdict::Imported)
    }

    fn proofs_above(&self, number: BlockNumber) -> Vec<Bytes> {
        let Some(Voting { finality, .. }) = &self.running().finality else { return Vec::new() };
        finality.proofs_above(number).iter().map(|proof| [&[PROOF], &proof[..]].concat().into()).collect()
    }

    fn wanted(&mut self) -> Option<B256> {
        self.running.as_mut()?.finality.as_mut()?.wanted.try_recv().ok()
    }

    fn certificate(&self, number: BlockNumber) -> Option<Certified> {
        let certified = self.chain().view().certified(number).expect("the disk is read")?;
        let (chain, certificate) = (self.chain(), &certified.steps.last()?.certificate);
        let domain = VoteDomain::new(chain.spec().params.chain_id, chain.genesis_hash());
        let votes = certificate.votes(&domain).expect("its signatures are good");
        Some(Certified { block: certificate.link.source.into(), signers: votes.into_keys().collect() })
    }

    fn is_its_turn(&self, step: Step) -> bool {
        self.authoring().may_seal(self.key.address(), step)
    }
}
