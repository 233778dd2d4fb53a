//! Blocks in a batch are imported as they are one by one: the same heads, errors and blame.

use std::num::NonZeroUsize;

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use aurum_chain::{Chain, ChainConfig, ImportError, Imported};
use aurum_evm::Parallel;
use aurum_types::{Header, SealedBlock, Transaction};

use crate::kit::{Kit, key, standing, transaction, transfer};

/// Dice that fall the same way in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Code that adds one to slot 0, writes the block's number to slot `caller`, and answers with BLOCKHASH of the parent into
/// slot 1: what a block reads from the blocks right before it, whose roots may not be known yet.
fn counter() -> Bytes {
    let runtime = [
        0x60, 0x00, 0x54, 0x60, 0x01, 0x01, 0x60, 0x00, 0x55, // slot 0 += 1
        0x43, 0x33, 0x55, // slot caller = number
        0x60, 0x01, 0x43, 0x03, 0x40, 0x60, 0x01, 0x55, 0x00, // slot 1 = blockhash(number - 1)
    ];
    let length = u8::try_from(runtime.len()).unwrap();
    [&[0x60, length, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, length, 0x60, 0x00, 0xf3], &runtime[..]].concat().into()
}

/// A chain of `length` blocks with creations, calls and transfers in them.
fn grow(kit: &Kit, author: &Chain, length: usize, dice: &mut Dice) -> Vec<SealedBlock> {
    let mut nonces = [0, 0];
    (0..length)
        .map(|_| {
            let transactions: Vec<Transaction> = (0..dice.roll(4))
                .map(|_| {
                    let sender = usize::from(dice.roll(2) == 1);
                    let nonce = nonces[sender];
                    nonces[sender] += 1;
                    let from = key(sender);
                    match (nonce, dice.roll(3)) {
                        (0, _) => transaction(&from, 0, TxKind::Create, 0, counter()),
                        (_, 0) => transfer(&from, nonce, Address::repeat_byte(dice.roll(5) as u8 + 1), dice.roll(9)),
                        _ => {
                            let to = from.address().create(0);
                            transaction(&from, nonce, TxKind::Call(to), 0, Bytes::new())
                        }
                    }
                })
                .collect();
            kit.mine(author, &transactions)
        })
        .collect()
}

use aurum_aura::Signer as _;

/// One by one, as a batch is to do it.
fn serially(chain: &Chain, blocks: &[SealedBlock]) -> (Vec<Imported>, Option<ImportError>) {
    let mut imported = Vec::new();
    for block in blocks {
        match chain.import(block.clone()) {
            Ok(done) => imported.push(done),
            Err(error) => return (imported, Some(error)),
        }
    }
    (imported, None)
}

fn heads(imported: &[Imported]) -> Vec<String> {
    imported
        .iter()
        .map(|done| match done {
            Imported::Head(change) => format!("{:?} {}", change.head, change.enacted.len()),
            Imported::Side { score } => format!("side {score:?}"),
            Imported::Known => "known".to_owned(),
        })
        .collect()
}

fn check(kit: &Kit, blocks: &[SealedBlock], before: usize) {
    let (mut one, mut batch) = (kit.node(), kit.node());
    for node in [&one, &batch] {
        assert!(serially(node, &blocks[..before]).1.is_none());
    }
    let (left, left_error) = serially(&one, blocks);
    let (right, right_error) = batch.import_batch(blocks);
    assert_eq!(heads(&left), heads(&right));
    assert_eq!(left_error.as_ref().map(ToString::to_string), right_error.as_ref().map(ToString::to_string));
    assert_eq!(standing(&one), standing(&batch));
    // What is bad is remembered alike.
    if let Some(bad) = blocks.get(left.len()) {
        let again = [&one, &batch].map(|node| node.import(bad.clone()).unwrap_err().to_string());
        assert_eq!(again[0], again[1]);
    }
    for node in [&mut one, &mut batch] {
        node.reopen(kit);
    }
    assert_eq!(standing(&one), standing(&batch), "and it was durable");
    for address in [key(0).address(), key(1).address(), key(0).address().create(0), key(1).address().create(0)] {
        let read = |node: &Chain| {
            let state = node.view().state(alloy::eips::BlockId::latest()).unwrap().unwrap();
            let slots = [U256::ZERO, U256::ONE].map(|slot| state.storage(address, slot).unwrap());
            (state.account(address).unwrap(), slots)
        };
        assert_eq!(read(&one), read(&batch), "{address}");
    }
}

#[test]
fn a_batch_gives_what_its_blocks_give_one_by_one() {
    for (seed, validators, length) in [(1, 1, 40), (2, 4, 70), (3, 3, 1), (4, 2, 2)] {
        let kit = Kit::new(validators);
        let author = kit.node();
        let mut dice = Dice(seed);
        let blocks = grow(&kit, &author, length, &mut dice);
        check(&kit, &blocks, 0);
        check(&kit, &blocks, length / 2);
    }
}

#[test]
fn blocks_whose_transactions_run_in_parallel_give_what_they_give_one_by_one() {
    let kit = Kit::new(2);
    let author = kit.node();
    let blocks = grow(&kit, &author, 40, &mut Dice(6));
    assert!(blocks.iter().any(|block| block.block().transactions.len() > 1));
    let parallel = Parallel { threads: NonZeroUsize::new(2).unwrap(), least_gas: 0, least_mean_gas: 0 };
    for in_batch in [false, true] {
        let dir = tempfile::TempDir::new().unwrap();
        let chain = Chain::open(ChainConfig { parallel: Some(parallel), ..kit.config(dir.path()) }).unwrap();
        let (imported, error) = if in_batch { chain.import_batch(&blocks) } else { serially(&chain, &blocks) };
        assert!(error.is_none(), "{error:?}");
        assert_eq!(imported.len(), blocks.len());
        assert_eq!(standing(&chain), standing(&author));
    }
}

#[test]
fn a_bad_block_in_a_batch_is_blamed_and_what_stands_on_it_is_discarded() {
    type Forge = fn(&mut Header);
    let forgeries: [Forge; 7] = [
        |header| header.state_root = B256::repeat_byte(7),
        |header| header.receipts_root = B256::repeat_byte(7),
        |header| header.transactions_root = B256::repeat_byte(7),
        |header| header.gas_used += 1,
        |header| header.logs_bloom = [1; 256].into(),
        |header| header.difficulty -= U256::ONE,
        |header| header.timestamp += 3_600,
    ];
    let kit = Kit::new(3);
    let author = kit.node();
    let mut dice = Dice(5);
    let good = grow(&kit, &author, 24, &mut dice);
    for (index, forge) in forgeries.into_iter().enumerate() {
        let at = [1, 2, 11, 20][index % 4];
        // A node that stands right before the bad block builds it.
        let before = kit.node();
        assert!(serially(&before, &good[..at]).1.is_none());
        let step = kit.next_step(&before, &kit.validators);
        let (bad, _) = kit.build_with(&before, step, &[], forge);
        let mut blocks = good[..at].to_vec();
        blocks.push(bad.clone());
        // Others stand on it, whose own header says nothing wrong.
        let mut parent = bad;
        for block in &good[at + 1..] {
            let mut child = block.block().clone();
            child.header.parent_hash = parent.hash();
            let (step, author) = (child.header.step().unwrap(), child.header.author);
            parent = kit.seal(child.header, step, author, &child.transactions);
            blocks.push(parent.clone());
        }
        check(&kit, &blocks, 0);
        check(&kit, &blocks, at / 2);
    }
}

#[test]
fn a_batch_that_forks_off_or_repeats_is_imported_as_its_blocks_are() {
    let kit = Kit::new(4);
    let (left, right) = (kit.node(), kit.node());
    let common = kit.mine_many(&left, &kit.validators, 3);
    assert!(right.import_batch(&common).1.is_none());
    let lost = kit.mine_many(&left, &kit.validators[..2], 2);
    let won = kit.mine_many(&right, &kit.validators[2..], 4);
    let mixed: Vec<_> = common.iter().chain(&lost).chain(&won).chain(&common).cloned().collect();
    check(&kit, &mixed, 0);
    check(&kit, &mixed, 4);
}
