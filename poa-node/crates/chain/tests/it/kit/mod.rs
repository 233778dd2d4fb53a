//! A chain whose authorities' keys and clock are in our hands.
//!
//! Nodes are whole [`Chain`]s in temporary folders; a branch is made by letting a node that nobody else hears seal on.

#![allow(unreachable_pub, reason = "a module of the tests")]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use aurum_aura::{AuraSeal, KeySigner, ManualClock, Signer, StepSchedule};
use aurum_chain::{Built, Chain, ChainConfig, Imported, StorageOptions};
use aurum_pool::PoolConfig;
use aurum_types::{Block, ChainSpec, Header, Recovered, SealedBlock, Step, Transaction};
use secp256k1::SecretKey;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const CHAIN_ID: u64 = 2026;
pub const GAS_LIMIT: u64 = 30_000_000;
/// When every test begins: an ordinary moment.
pub const START: u64 = 1_700_000_000;

/// Keys, spec and clock of one chain.
pub struct Kit {
    pub spec: Arc<ChainSpec>,
    pub clock: Arc<ManualClock>,
    pub signers: BTreeMap<Address, KeySigner>,
    pub validators: Vec<Address>,
    /// Of every node, but for the journal's place.
    pub pool: PoolConfig,
}

/// One node: a chain and its folder.
pub struct Node {
    chain: Option<Chain>,
    pub dir: TempDir,
}

impl std::ops::Deref for Node {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        self.chain.as_ref().expect("open")
    }
}

impl Node {
    /// Closes the chain; the folder stays.
    pub fn close(&mut self) {
        self.chain = None;
    }

    /// Closes the chain and opens the folder again.
    pub fn reopen(&mut self, kit: &Kit) {
        self.chain = None;
        self.chain = Some(kit.open(self.dir.path()));
    }
}

/// The key number `index`: keccak256 of its decimal digits.
pub fn key(index: usize) -> KeySigner {
    let secret = keccak256(format!("chain test key {index}"));
    KeySigner::new(SecretKey::from_byte_array(secret.0).expect("a hash is a key, almost surely"))
}

impl Kit {
    /// `count` authorities in a list; gas-free; two thirds make final.
    pub fn new(count: usize) -> Self {
        Self::with(count, |_| {})
    }

    /// As [`Self::new`], with a spec changed by `change`.
    pub fn with(count: usize, change: impl FnOnce(&mut Value)) -> Self {
        let signers: BTreeMap<_, _> = (0..count.max(8)).map(|index| (key(index).address(), key(index))).collect();
        let validators: Vec<_> = (0..count).map(|index| key(index).address()).collect();
        let mut spec = spec_json(&validators);
        change(&mut spec);
        let (spec, _) = ChainSpec::parse(&spec.to_string()).expect("the kit's spec is one");
        Self {
            spec: Arc::new(spec),
            clock: Arc::new(ManualClock::new(Duration::from_secs(START))),
            signers,
            validators,
            pool: PoolConfig::default(),
        }
    }

    /// A node in a new folder.
    pub fn node(&self) -> Node {
        let dir = TempDir::new().expect("a temporary folder");
        Node { chain: Some(self.open(dir.path())), dir }
    }

    /// Opens the chain in a folder.
    pub fn open(&self, path: &Path) -> Chain {
        Chain::open(self.config(path)).expect("opens")
    }

    pub fn config(&self, path: &Path) -> ChainConfig {
        ChainConfig {
            spec: Arc::clone(&self.spec),
            path: path.join("db"),
            clock: self.clock.clone(),
            pool: PoolConfig { journal: Some(path.join("journal")), ..self.pool.clone() },
            min_gas_price: 0,
            parallel: None,
            storage: StorageOptions::default(),
        }
    }

    pub fn schedule(&self) -> StepSchedule {
        StepSchedule::new(&self.spec.engine)
    }

    /// The first step after the head's, and not before the kit began, that is one of `who`'s.
    pub fn next_step(&self, chain: &Chain, who: &[Address]) -> Step {
        let authoring = chain.authoring().expect("authoring");
        let first = self.schedule().step_at(Duration::from_secs(START));
        let mut step = authoring.parent().step().expect("a step").next().max(first);
        for _ in 0..10_000 {
            let proposer = authoring.engine().child_validators().proposer(step).expect("a proposer");
            if who.contains(&proposer) {
                return step;
            }
            step = step.next();
        }
        panic!("none of {who:?} ever seals");
    }

    /// Builds and seals a block on the head at `step`, by whoever's turn it is. The clock moves up to the step.
    pub fn build(&self, chain: &Chain, step: Step, transactions: &[Transaction]) -> (SealedBlock, Built) {
        self.build_with(chain, step, transactions, |_| {})
    }

    /// As [`Self::build`]; `forge` spoils the header before it is sealed.
    pub fn build_with(
        &self,
        chain: &Chain,
        step: Step,
        transactions: &[Transaction],
        forge: impl FnOnce(&mut Header),
    ) -> (SealedBlock, Built) {
        use aurum_aura::Clock;
        let start = self.schedule().start_of(step);
        if self.clock.now() < start {
            self.clock.set(start);
        }
        let authoring = chain.authoring().expect("authoring");
        let author = authoring.engine().child_validators().proposer(step).expect("a proposer");
        let mut env = authoring.env(author, step, GAS_LIMIT).expect("env");
        // As if sealed in time, even where another branch has moved the clock far ahead.
        env.timestamp = start.as_secs().max(authoring.parent().timestamp + 1);
        let mut builder = authoring.builder(env.clone()).expect("builder");
        for tx in transactions {
            builder.push(&recovered(tx)).expect("the kit's transactions fit");
        }
        let outcome = builder.finish().expect("finish");
        let (mut header, built) = authoring.close(&env, transactions, outcome, Bytes::new()).expect("close");
        forge(&mut header);
        (self.seal(header, step, author, transactions), built)
    }

    /// Seals a header as `author` at `step`.
    pub fn seal(&self, mut header: Header, step: Step, author: Address, transactions: &[Transaction]) -> SealedBlock {
        let format = self.spec.header_format();
        let signature = self.signers[&author].sign(header.seal_hash(&format)).expect("signs");
        header.seal = AuraSeal { step, signature, empty_steps: None }.to_fields();
        SealedBlock::seal_slow(Block { header, transactions: transactions.to_vec(), uncles: Vec::new() })
    }

    /// The next block of one of `who`, imported.
    pub fn mine_by(&self, chain: &Chain, who: &[Address], transactions: &[Transaction]) -> SealedBlock {
        let (block, built) = self.build(chain, self.next_step(chain, who), transactions);
        let imported = chain.import_built(block.clone(), built).expect("imports");
        assert!(matches!(imported, Imported::Head(_)), "{imported:?}");
        block
    }

    /// The next block of whoever's turn it is, imported.
    pub fn mine(&self, chain: &Chain, transactions: &[Transaction]) -> SealedBlock {
        let everybody: Vec<_> = self.signers.keys().copied().collect();
        self.mine_by(chain, &everybody, transactions)
    }

    /// `count` empty blocks of `who` in turn.
    pub fn mine_many(&self, chain: &Chain, who: &[Address], count: usize) -> Vec<SealedBlock> {
        (0..count).map(|_| self.mine_by(chain, who, &[])).collect()
    }
}

/// Imports all into a node; each must be good.
pub fn import_all(chain: &Chain, blocks: &[SealedBlock]) {
    let (imported, error) = chain.import_batch(blocks);
    assert!(error.is_none(), "block {:?}: {error:?}", blocks.get(imported.len()).map(SealedBlock::number));
}

/// A transaction of `from` without fees.
pub fn transaction(from: &KeySigner, nonce: u64, to: TxKind, value: u64, input: Bytes) -> Transaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        to,
        value: U256::from(value),
        access_list: Default::default(),
        input,
    };
    let signature = from.sign(tx.signature_hash()).expect("signs");
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    tx.into_signed(Signature::from_scalars_and_parity(r, s, signature[64] == 1)).into()
}

/// A transfer of `value` wei.
pub fn transfer(from: &KeySigner, nonce: u64, to: Address, value: u64) -> Transaction {
    transaction(from, nonce, TxKind::Call(to), value, Bytes::new())
}

pub fn recovered(tx: &Transaction) -> Recovered<Transaction> {
    Recovered::new_unchecked(tx.clone(), aurum_types::recover_sender(tx).expect("signed"))
}

/// Numbers and hashes of head and final block, and the root the head's state has.
pub fn standing(chain: &Chain) -> (u64, B256, u64, B256) {
    let head = chain.head();
    (head.latest.number, head.latest.hash, head.finalized.number, head.finalized.hash)
}

fn spec_json(validators: &[Address]) -> Value {
    let mut params = json!({
        "networkID": CHAIN_ID,
        "chainID": CHAIN_ID,
        "gasLimitBoundDivisor": "0x400",
        "maximumExtraDataSize": "0x20",
        "minGasLimit": "0x1388",
        "maxCodeSize": "0x6000",
        "gasFree": true,
    });
    for eip in [
        "140", "145", "150", "155", "160", "161abc", "161d", "211", "214", "658", "1014", "1052", "1344", "1559",
        "1884", "2028", "2929", "2930", "3529", "3541", "3607",
    ] {
        params[format!("eip{eip}Transition")] = json!(0);
    }
    params["eip1283Transition"] = json!(0);
    params["eip1706Transition"] = json!(0);
    params["validateChainIdTransition"] = json!(0);
    for eip in ["1153", "2537", "2935", "3651", "3855", "3860", "4788", "5656", "6780", "7623", "7702"] {
        if !matches!(eip, "4788" | "2935") {
            params[format!("eip{eip}TransitionTimestamp")] = json!("0x0");
        }
    }
    json!({
        "name": "kit",
        "engine": { "authorityRound": { "params": {
            "stepDuration": 2,
            "validators": { "list": validators },
            "twoThirdsMajorityTransition": 0,
        }}},
        "params": params,
        "genesis": {
            "seal": { "authorityRound": { "step": "0x0", "signature": format!("0x{}", "00".repeat(65)) } },
            "difficulty": "0x20000",
            "gasLimit": format!("{GAS_LIMIT:#x}"),
            "baseFeePerGas": "0x0",
        },
        "accounts": {
            key(0).address().to_string(): { "balance": "1000000000000000000000" },
            key(1).address().to_string(): { "balance": "1000000000000000000000" },
        },
    })
}
