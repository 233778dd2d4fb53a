//! Authors on whole chains in temporary folders, with a clock in our hands.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a broken fixture should panic")]

use alloy::{
    consensus::Transaction as _,
    primitives::{Bytes, U256, keccak256},
    sol_types::{SolType, SolValue, sol_data},
};
use aurum_aura::{AuraSeal, KeySigner, ManualClock, Signer};
use aurum_chain::{ChainConfig, Imported, StorageOptions};
use aurum_evm::calls;
use aurum_pool::{Origin, PoolConfig};
use aurum_types::{ChainSpec, Recovered, SealedBlock, Transaction};
use secp256k1::SecretKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod before_the_step;
mod resealing;
mod restarts;

/// The contract all tests with one use.
const CONTRACT: Address = Address::repeat_byte(0xc0);
const SECONDS: u64 = 5;

fn key(id: usize) -> KeySigner {
    KeySigner::new(SecretKey::from_byte_array(keccak256(format!("author test {id}")).0).unwrap())
}

fn addresses(n: usize) -> Vec<Address> {
    (0..n).map(|id| key(id).address()).collect()
}

/// A gas-free chain with these validators; `engine` and `params` are merged over it.
fn spec(validators: &Value, engine: Value, code: &[u8]) -> Arc<ChainSpec> {
    let mut spec = json!({
        "name": "authors",
        "engine": { "authorityRound": { "params": { "stepDuration": SECONDS, "validators": validators } } },
        "params": {
            "gasLimitBoundDivisor": "0x400", "maximumExtraDataSize": "0x20", "minGasLimit": "0x1388",
            "networkID": "0x69", "gasFree": true, "eip140Transition": 0, "eip658Transition": 0
        },
        "genesis": {
            "seal": { "authorityRound": { "step": "0x0", "signature": format!("0x{}", "00".repeat(65)) } },
            "difficulty": "0x20000", "gasLimit": "0x1c9c380"
        },
        "accounts": { CONTRACT.to_string(): { "balance": "0", "code": alloy::hex::encode_prefixed(code) } }
    });
    let params = spec["engine"]["authorityRound"]["params"].as_object_mut().unwrap();
    params.extend(engine.as_object().unwrap().clone());
    Arc::new(ChainSpec::parse(&spec.to_string()).unwrap().0)
}

/// Code that answers each of these selectors with fixed bytes, and notes every other call in its storage: slot 0 counts
/// them.
fn contract(answers: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    const PART: usize = 11;
    const RECORD: usize = 13;
    const ANSWER: usize = 16;
    let head = 34 + answers.len() * PART;
    let first = head + RECORD;
    let data_start = first + answers.len() * ANSWER;
    let word = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
    // selector = calldata / 2^224
    let mut code = [&[0x7c, 1][..], &[0; 28], &[0x60, 0, 0x35, 0x04]].concat();
    for (index, (selector, _)) in answers.iter().enumerate() {
        code.extend([0x80, 0x63]);
        code.extend(selector);
        code.extend([0x14, 0x61]);
        code.extend(word(first + index * ANSWER));
        code.push(0x57);
    }
    // storage[0] += 1; stop
    code.extend([0x50, 0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55, 0x00, 0x00, 0x00]);
    let mut offset = data_start;
    for (_, data) in answers {
        code.extend([0x5b, 0x61]);
        code.extend(word(data.len()));
        code.push(0x61);
        code.extend(word(offset));
        code.extend([0x60, 0, 0x39, 0x61]);
        code.extend(word(data.len()));
        code.extend([0x60, 0, 0xf3]);
        offset += data.len();
    }
    assert_eq!(code.len(), data_start);
    code.extend(answers.iter().flat_map(|(_, data)| data));
    code
}

fn validators_answer(n: usize) -> ([u8; 4], Vec<u8>) {
    ([0xb7, 0xab, 0x4d, 0xb5], <(sol_data::Array<sol_data::Address>,)>::abi_encode_params(&(addresses(n),)))
}

fn yes(selector: [u8; 4]) -> ([u8; 4], Vec<u8>) {
    (selector, true.abi_encode())
}

fn no(selector: [u8; 4]) -> ([u8; 4], Vec<u8>) {
    (selector, false.abi_encode())
}

fn open(spec: &Arc<ChainSpec>, folder: &TempDir, clock: &Arc<ManualClock>) -> Chain {
    let config = ChainConfig {
        spec: Arc::clone(spec),
        path: folder.path().join("db"),
        clock: clock.clone(),
        pool: PoolConfig::default(),
        min_gas_price: 0,
        parallel: None,
        storage: StorageOptions::default(),
    };
    Chain::open(config).unwrap()
}

/// One node: a chain, its folder, and an authority.
struct Node {
    folder: TempDir,
    chain: Chain,
    clock: Arc<ManualClock>,
    author: Option<Author>,
    id: usize,
}

impl Node {
    fn new(spec: &Arc<ChainSpec>, id: usize, empty_blocks: EmptyBlocks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Duration::from_secs(1_700_000_000)));
        let chain = open(spec, &folder, &clock);
        let mut node = Self { folder, chain, clock, author: None, id };
        node.seal_with(empty_blocks);
        node
    }

    /// Stops and starts again; what was only in the pool is lost.
    fn restart(self) -> Self {
        let Self { folder, chain, clock, author, id } = self;
        let (spec, empty_blocks) = (Arc::clone(chain.spec()), author.as_ref().unwrap().sealing.empty_blocks);
        // The last handle that goes closes the database.
        drop((author, chain));
        let chain = open(&spec, &folder, &clock);
        let mut node = Self { folder, chain, clock, author: None, id };
        node.seal_with(empty_blocks);
        node
    }

    fn record(&self) -> LastSealed {
        LastSealed::open(&self.folder.path().join("last_sealed")).unwrap()
    }

    fn seal_with(&mut self, empty_blocks: EmptyBlocks) {
        let sealing =
            Sealing { signer: Arc::new(key(self.id)), empty_blocks, gas_target: None, extra_data: Bytes::new() };
        self.author = Some(Author::new(self.chain.clone(), sealing, self.clock.clone(), self.record(), None));
    }

    fn author(&self) -> &Author {
        self.author.as_ref().unwrap()
    }

    /// The first step from now on that is authority `id`'s of `n`.
    fn step_of(&self, id: usize, n: usize) -> Step {
        let now = self.clock.now().as_secs() / SECONDS;
        Step((now + 1..).find(|step| usize::try_from(step % n as u64).unwrap() == id).unwrap())
    }

    fn at(&self, step: Step) -> &Self {
        self.clock.set(Duration::from_secs(step.0 * SECONDS));
        self
    }

    fn seal(&self, step: Step) -> Result<SealedBlock, NoBlock> {
        let sealed = self.at(step).author().try_seal(step)?;
        Ok(self.chain.decode(&self.chain.block_bytes(sealed.hash).unwrap().unwrap()).unwrap())
    }

    fn hear(&self, block: &SealedBlock) {
        let step = block.header().step().unwrap();
        if self.clock.now() < Duration::from_secs(step.0 * SECONDS) {
            self.at(step);
        }
        assert!(!matches!(self.chain.import(block.clone()).unwrap(), Imported::Known));
    }

    /// Call data of the transactions to the contract that wait in the pool.
    fn pooled_calls(&self) -> Vec<Bytes> {
        let content = self.chain.pool().content();
        let to_contract = content.pending.values().flatten().filter(|tx| tx.transaction().to() == Some(CONTRACT));
        to_contract.map(|tx| tx.transaction().input().clone()).collect()
    }
}

fn transfer(from: &KeySigner, nonce: u64) -> Recovered<Transaction> {
    use alloy::consensus::{SignableTransaction, TxLegacy};
    let tx = TxLegacy {
        chain_id: Some(0x69),
        nonce,
        gas_limit: 21_000,
        to: alloy::primitives::TxKind::Call(Address::repeat_byte(9)),
        ..TxLegacy::default()
    };
    let signature = from.sign(tx.signature_hash()).unwrap();
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    let signature = alloy::primitives::Signature::from_scalars_and_parity(r, s, signature[64] == 1);
    Recovered::new_unchecked(tx.into_signed(signature).into(), from.address())
}

const fn after_silence(seconds: u64) -> EmptyBlocks {
    EmptyBlocks::AfterSilence { most: Duration::from_secs(seconds), reseal: ResealOn::All }
}

fn empty_steps_spec() -> Arc<ChainSpec> {
    let engine = json!({ "emptyStepsTransition": 1, "maximumEmptySteps": 3, "blockReward": "0x7" });
    spec(&json!({ "list": addresses(3) }), engine, &[])
}

#[test]
fn idle_authorities_let_steps_pass_until_a_block_must_carry_them() {
    // OpenEthereum generate_seal.
    let spec = empty_steps_spec();
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let first = node.step_of(0, 3);
    let passed = node.seal(first).unwrap_err();
    assert!(matches!(passed, NoBlock::EmptyStep { collected: 0 }), "{passed}");
    // One action a step, also after a restart.
    assert!(matches!(node.seal(first), Err(NoBlock::StepUsed { .. })));
    assert_eq!(node.record().step(), Some(first));

    let genesis = node.chain.genesis_hash();
    for skip in [1, 2] {
        let step = Step(first.0 + skip);
        let id = usize::try_from(step.0 % 3).unwrap();
        let message = EmptyStepMessage::sign(step, genesis, &key(id)).unwrap().encode();
        assert!(node.at(step).chain.offer_empty_step(&message).unwrap());
    }
    // Three are collected: this is the most, so a block carries them.
    let block = node.seal(Step(first.0 + 3)).unwrap();
    let seal = AuraSeal::from_header(block.header(), &spec.header_format()).unwrap();
    let carried: Vec<_> = seal.empty_steps().unwrap().iter().map(|empty| empty.step).collect();
    assert_eq!(carried, [first.0, first.0 + 1, first.0 + 2]);
    assert_eq!(block.header().difficulty, aurum_aura::difficulty(Step(0), Step(first.0 + 3), 3));
    // Each empty step earns the reward, and so does the author.
    let state = node.chain.view().state(BlockId::latest()).unwrap().unwrap();
    let rewards = addresses(3).map_balances(|address| state.account(address).unwrap().balance);
    assert_eq!(rewards, [14, 7, 7].map(U256::from));

    // Another node finds it valid.
    Node::new(&spec, 1, EmptyBlocks::Always).hear(&block);
    assert!(node.chain.authoring().unwrap().empty_steps(Step(first.0 + 9)).is_empty(), "they are used");
}

trait MapBalances {
    fn map_balances(self, balance: impl Fn(Address) -> U256) -> Vec<U256>;
}

impl MapBalances for Vec<Address> {
    fn map_balances(self, balance: impl Fn(Address) -> U256) -> Vec<U256> {
        self.into_iter().map(balance).collect()
    }
}

#[test]
fn a_transaction_is_sealed_at_once_with_the_empty_steps_before_it() {
    let spec = empty_steps_spec();
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let first = node.step_of(0, 3);
    assert!(node.seal(first).is_err());
    node.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    let block = node.seal(Step(first.0 + 3)).unwrap();
    assert_eq!(block.block().transactions.len(), 1);
    let seal = AuraSeal::from_header(block.header(), &spec.header_format()).unwrap();
    assert_eq!(seal.empty_steps().unwrap().len(), 1);
}

#[test]
fn without_force_sealing_an_idle_node_makes_neither_blocks_nor_empty_steps() {
    // parity-ethereum issue 11537.
    let spec = empty_steps_spec();
    let node = Node::new(&spec, 0, after_silence(3_000_000_000));
    let first = node.step_of(0, 3);
    assert!(matches!(node.seal(first), Err(NoBlock::NothingToSeal)));
    assert!(node.chain.authoring().unwrap().empty_steps(Step(first.0 + 1)).is_empty());
    assert_eq!(node.record().step(), None, "the step is still free for a transaction");
    node.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    assert_eq!(node.seal(first).unwrap().block().transactions.len(), 1);
}

#[test]
fn a_key_that_seals_elsewhere_stops_this_node_until_an_operator_says_otherwise() {
    let spec = spec(&json!({ "list": addresses(2) }), json!({}), &[]);
    let mut node = Node::new(&spec, 0, EmptyBlocks::Always);
    let twin = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = node.step_of(0, 2);
    let ours = node.seal(step).unwrap();
    // A sibling for a step that we used with another block; it loses, and is seen all the same.
    twin.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    let theirs = twin.seal(step).unwrap();
    assert_ne!(ours.hash(), theirs.hash());
    node.hear(&theirs);
    let found = node.author().status().key_elsewhere.unwrap();
    assert_eq!((found.step, found.hash), (step, theirs.hash()));
    let next = Step(step.0 + 2);
    assert!(matches!(node.seal(next), Err(NoBlock::KeyElsewhere(_))));
    assert_eq!(node.record().step(), Some(step), "no step is used");

    // A restart changes nothing, an operator does.
    node.seal_with(EmptyBlocks::Always);
    assert!(matches!(node.seal(next), Err(NoBlock::KeyElsewhere(_))));
    let mut record = node.record();
    assert_eq!(record.resume().unwrap(), Some(found));
    node.seal_with(EmptyBlocks::Always);
    node.seal(next).unwrap();
}

#[test]
fn blocks_of_an_earlier_run_are_not_another_nodes() {
    let spec = spec(&json!({ "list": addresses(1) }), json!({}), &[]);
    let before = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = before.step_of(0, 1);
    let block = before.seal(step).unwrap();
    // The same authority with a wiped disk, started a step later.
    let mut after = Node::new(&spec, 0, EmptyBlocks::Always);
    after.at(step);
    after.seal_with(EmptyBlocks::Always);
    after.hear(&block);
    assert_eq!(after.author().status().key_elsewhere, None);
    after.seal(step.next()).unwrap();
    assert_eq!(after.author().status().key_elsewhere, None);
}

#[test]
fn an_authority_whose_disk_was_wiped_leaves_the_step_of_its_start() {
    let list = |n: usize| spec(&json!({ "list": addresses(n) }), json!({}), &[]);
    let mut node = Node::new(&list(2), 0, EmptyBlocks::Always);
    let step = node.step_of(0, 2);
    node.at(step);
    node.seal_with(EmptyBlocks::Always);
    assert!(matches!(node.seal(step), Err(NoBlock::NoRecord { .. })));
    node.seal(Step(step.0 + 2)).unwrap();

    let mut alone = Node::new(&list(1), 0, EmptyBlocks::Always);
    alone.at(step);
    alone.seal_with(EmptyBlocks::Always);
    alone.seal(step).unwrap();
}

fn reporting_spec(engine: Value, answers: Vec<([u8; 4], Vec<u8>)>) -> Arc<ChainSpec> {
    let answers = [vec![validators_answer(3)], answers].concat();
    spec(&json!({ "contract": CONTRACT }), engine, &contract(&answers))
}

#[test]
fn skipped_authorities_are_reported_as_benign_by_whoever_seals_or_hears_of_it() {
    // OpenEthereum report_skipped, in generate_seal and verify_block_family.
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let other = Node::new(&spec, 1, EmptyBlocks::Always);
    let step = node.step_of(0, 3);
    let first = node.seal(step).unwrap();
    node.author().send_reports().unwrap();
    assert!(node.pooled_calls().is_empty(), "nobody is reported before block 1");
    other.hear(&first);
    // Authority 2 lets its step pass: 1 after 0 is in order, then 0 comes after 1.
    let second = other.seal(step.next()).unwrap();
    node.hear(&second);
    let third = node.seal(Step(step.0 + 3)).unwrap();
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls(), [calls::report_benign(key(2).address(), 3)]);
    other.hear(&third);
    other.author().send_reports().unwrap();
    assert_eq!(other.pooled_calls(), [calls::report_benign(key(2).address(), 3)]);
    // The report is a transaction like others: it gets into a block and runs.
    let fourth = node.seal(Step(step.0 + 6)).unwrap();
    assert_eq!(fourth.block().transactions.len(), 1);
    let counted = node.chain.view().state(BlockId::latest()).unwrap().unwrap();
    // finalizeChange() at block 1 was the first call.
    assert_eq!(counted.storage(CONTRACT, U256::ZERO).unwrap(), U256::from(2));
}

#[test]
fn two_blocks_for_a_step_are_reported_as_malicious_and_both_are_accepted() {
    // OpenEthereum verify_block_family: sibling detection.
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let (one, two) = (Node::new(&spec, 1, EmptyBlocks::Always), Node::new(&spec, 1, EmptyBlocks::Always));
    let step = node.step_of(1, 3);
    two.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    let blocks = [one.seal(step).unwrap(), two.seal(step).unwrap()];
    node.hear(&blocks[0]);
    node.hear(&blocks[1]);
    node.author().send_reports().unwrap();
    let expected = calls::report_malicious(key(1).address(), 1);
    assert_eq!(node.pooled_calls(), [expected]);
    // Offered again, nothing is reported again.
    let _ = node.chain.import(blocks[1].clone());
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls().len(), 1);
}

#[test]
fn who_seals_out_of_turn_is_reported_and_a_forged_author_is_not() {
    // OpenEthereum verify_block_external; it reports forged authors as well.
    let spec = reporting_spec(json!({}), Vec::new());
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let other = Node::new(&spec, 1, EmptyBlocks::Always);
    let step = node.step_of(1, 3);
    let good = other.seal(step).unwrap();
    let resealed = |signer: &KeySigner| {
        let mut block = good.block().clone();
        let late = Step(step.0 + 1);
        block.header.difficulty = aurum_aura::difficulty(Step(0), late, 0);
        let mut seal = AuraSeal { step: late, signature: [0; 65], empty_steps: None };
        block.header.seal = seal.to_fields();
        seal.signature = signer.sign(block.header.seal_hash(&spec.header_format())).unwrap();
        block.header.seal = seal.to_fields();
        SealedBlock::seal_slow(block)
    };
    node.at(Step(step.0 + 1));
    assert!(node.chain.import(resealed(&key(9))).is_err());
    node.author().send_reports().unwrap();
    assert!(node.pooled_calls().is_empty());
    assert!(node.chain.import(resealed(&key(1))).is_err());
    node.author().send_reports().unwrap();
    assert_eq!(node.pooled_calls(), [calls::report_benign(key(1).address(), 1)]);
}

#[test]
fn a_safe_contract_hears_no_reports() {
    let code = contract(&[validators_answer(3)]);
    let spec = spec(&json!({ "safeContract": CONTRACT }), json!({}), &code);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = node.step_of(0, 3);
    node.seal(step).unwrap();
    node.seal(Step(step.0 + 3)).unwrap();
    node.author().send_reports().unwrap();
    assert!(node.pooled_calls().is_empty());
}

#[test]
fn posdao_puts_the_change_of_validators_and_malice_first_into_our_blocks() {
    // OpenEthereum ValidatorSafeContract::generate_engine_transactions.
    let callable = yes([0x3d, 0x3b, 0x54, 0x58]);
    let should_report = yes([0xcb, 0xd2, 0xd5, 0x28]);
    let spec = reporting_spec(json!({ "posdaoTransition": 0 }), vec![callable, should_report]);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let (one, two) = (Node::new(&spec, 1, EmptyBlocks::Always), Node::new(&spec, 1, EmptyBlocks::Always));
    let step = node.step_of(1, 3);
    two.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    node.hear(&one.seal(step).unwrap());
    node.hear(&two.seal(step).unwrap());
    node.author().send_reports().unwrap();
    let block = node.seal(Step(step.0 + 2)).unwrap();
    let transactions = &block.block().transactions;
    let inputs: Vec<_> = transactions.iter().take(2).map(|tx| tx.input().clone()).collect();
    assert_eq!(inputs, [calls::emit_initiate_change(), calls::report_malicious(key(1).address(), 1)]);
    assert_eq!(transactions.iter().take(2).map(|tx| tx.nonce()).collect::<Vec<_>>(), [0, 1]);
    assert!(transactions.iter().all(|tx| tx.max_fee_per_gas() == 0));
    for tx in transactions {
        assert_eq!(aurum_types::recover_sender(tx).unwrap(), key(0).address());
    }
    // It is told again as long as the contract wants to hear it, at every second head at most.
    let again = node.seal(Step(step.0 + 5)).unwrap();
    assert_eq!(again.block().transactions[1].input(), &calls::report_malicious(key(1).address(), 1));
}

#[test]
fn malice_the_contract_does_not_want_to_hear_leaves_the_queue() {
    let (callable, should_report) = (no([0x3d, 0x3b, 0x54, 0x58]), no([0xcb, 0xd2, 0xd5, 0x28]));
    let spec = reporting_spec(json!({ "posdaoTransition": 0 }), vec![callable, should_report]);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let (one, two) = (Node::new(&spec, 1, EmptyBlocks::Always), Node::new(&spec, 1, EmptyBlocks::Always));
    let step = node.step_of(1, 3);
    two.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    node.hear(&one.seal(step).unwrap());
    node.hear(&two.seal(step).unwrap());
    node.author().send_reports().unwrap();
    // The first report went through the pool; the queue adds none.
    let block = node.seal(Step(step.0 + 2)).unwrap();
    assert_eq!(block.block().transactions.len(), 1);
    assert!(node.seal(Step(step.0 + 5)).unwrap().block().transactions.is_empty());
}

#[test]
fn a_random_number_is_committed_and_revealed() {
    // OpenEthereum RandomnessPhase.
    let round = ([0x7a, 0x3e, 0x28, 0x6b], U256::from(1).abi_encode());
    let phase = [0x74, 0xce, 0x90, 0x67];
    let (committed, revealed) = ([0xba, 0xf1, 0x1c, 0xab], [0x63, 0xf1, 0x60, 0xe6]);
    let engine = json!({ "randomnessContractAddress": { "1": CONTRACT } });
    let list = json!({ "list": addresses(1) });

    let code = contract(&[round.clone(), yes(phase), no(committed), no(revealed)]);
    let node = Node::new(&spec(&list, engine.clone(), &code), 0, EmptyBlocks::Always);
    let block = node.seal(node.step_of(0, 1)).unwrap();
    let input = block.block().transactions[0].input();
    // commitHash(bytes32 hash, bytes cipher)
    assert_eq!(input[..4], [0x0b, 0x61, 0xba, 0x85]);
    let (commit, cipher) = <(B256, Bytes)>::abi_decode_params(&input[4..]).unwrap();
    let number = key(0).decrypt(commit.as_slice(), &cipher).unwrap();
    assert_eq!((number.len(), keccak256(&number)), (32, commit));

    // The contract is in the reveal phase and has what was committed.
    let answer = ([0x69, 0x5e, 0x89, 0xf6], (commit, cipher).abi_encode_params());
    let code = contract(&[round.clone(), no(phase), yes(committed), no(revealed), answer]);
    let node = Node::new(&spec(&list, engine.clone(), &code), 0, EmptyBlocks::Always);
    let block = node.seal(node.step_of(0, 1)).unwrap();
    assert_eq!(block.block().transactions[0].input(), &calls::reveal_number(B256::from_slice(&number)));

    // Nothing to do, and nothing that can be done: blocks are made all the same.
    let waiting = contract(&[round.clone(), yes(phase), yes(committed), no(revealed)]);
    let broken = contract(&[round]);
    for code in [waiting, broken] {
        let node = Node::new(&spec(&list, engine.clone(), &code), 0, EmptyBlocks::Always);
        assert!(node.seal(node.step_of(0, 1)).unwrap().block().transactions.is_empty());
    }
}

#[test]
fn the_offset_of_our_clock_is_measured_by_announced_blocks() {
    let spec = spec(&json!({ "list": addresses(2) }), json!({}), &[]);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let other = Node::new(&spec, 1, EmptyBlocks::Always);
    let step = other.step_of(1, 2);
    let block = other.seal(step).unwrap();
    let start = Duration::from_secs(step.0 * SECONDS);
    // Our clock is 12 s behind: the block is early, and says so.
    node.clock.set(start - Duration::from_secs(12));
    assert!(node.chain.import(block.clone()).is_err());
    assert_eq!(node.author().status().clock_offset_ms, Some(-12_000));
    // It is all the same when a node that missed blocks asked for it.
    let late = Node::new(&spec, 0, EmptyBlocks::Always);
    late.clock.set(start - Duration::from_secs(12));
    assert!(late.chain.import_batch(std::slice::from_ref(&block)).1.is_some());
    assert_eq!(late.author().status().clock_offset_ms, Some(-12_000));
    // It was not marked bad: set right, it is imported.
    node.clock.set(start + Duration::from_millis(150));
    node.hear(&block);
    assert_eq!(node.author().status().clock_offset_ms, Some(150));
}

#[test]
fn a_block_that_only_our_clock_finds_bad_is_not_remembered_as_bad() {
    let spec = spec(&json!({ "list": addresses(2) }), json!({}), &[]);
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let other = Node::new(&spec, 1, EmptyBlocks::Always);
    let step = other.step_of(1, 2);
    let block = other.seal(step).unwrap();
    node.clock.set(Duration::from_secs((step.0 - 40) * SECONDS));
    match node.chain.import(block.clone()) {
        Err(ImportError::Invalid(reason)) => assert!(reason.is_our_view(), "{reason}"),
        other => panic!("{other:?}"),
    }
    node.hear(&block);
}
