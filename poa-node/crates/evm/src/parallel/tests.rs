//! Whatever was guessed, when, and on whatever state: the outcome is that of the transactions one after the other.
//!
//! [`Case`] runs a block in all ways; the blocks are made by hand, at random, and by a chain whose validators change.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/it/common/mod.rs"]
mod common;
mod epochs;
mod handmade;
mod random;

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, Ordering},
};

use alloy::{
    primitives::{B256, Bytes, TxKind, U256, keccak256},
    sol_types::SolCall,
};
use aurum_contracts::LoadToken;
use aurum_types::{Account, BlockNumber, ChainSpec, MemoryState, Recovered, StateError};
use proptest::{prelude::*, strategy::ValueTree};
use revm::primitives::hardfork::SpecId;

use self::common::{programs::*, *};
use super::*;

type Outcome = Result<ExecutionOutcome, EvmError>;

fn assert_same(serial: &Outcome, other: &Outcome, how: &str) {
    match (serial, other) {
        (Ok(serial), Ok(other)) => {
            assert_eq!(serial.receipts, other.receipts, "{how}");
            assert_eq!(serial.gas_used, other.gas_used, "{how}");
            assert_eq!(serial.changes, other.changes, "{how}");
        }
        (Err(serial), Err(other)) => assert_eq!(format!("{serial:?}"), format!("{other:?}"), "{how}"),
        (serial, other) => panic!("{how}: {serial:?} became {other:?}"),
    }
}

/// A block on a state that may be a trap for guesses.
struct Case {
    evm: Evm,
    parent: Arc<dyn StateReader>,
    parent_env: BlockEnv,
    block: RecoveredBlock,
    /// Whose `finalizeChange()` begins the block.
    begin: Option<Address>,
}

impl Case {
    fn new(chain: &Chain, env: &BlockEnv, txs: &[Recovered<Transaction>]) -> Self {
        let block = common::block(env, txs);
        Self { evm: chain.evm.clone(), parent: chain.reader(), parent_env: chain.parent.clone(), block, begin: None }
    }

    /// The same, as the first block of an epoch.
    fn begun_by(self, contract: Address) -> Self {
        Self { begin: Some(contract), ..self }
    }

    fn serial(&self) -> Outcome {
        self.evm.execute(Arc::clone(&self.parent), &self.parent_env, &self.block, self.begin)
    }

    fn on_threads(&self, threads: usize) -> Outcome {
        let parallel = Parallel { threads: NonZeroUsize::new(threads).unwrap(), least_gas: 0, least_mean_gas: 0 };
        let evm = self.evm.clone().in_parallel(Some(parallel));
        evm.execute(Arc::clone(&self.parent), &self.parent_env, &self.block, self.begin)
    }

    /// Runs the block on one thread, where before each turn `order` says at which transactions two guessers guess. Gives how
    /// many guesses held too.
    fn in_order_of(&self, mut order: impl FnMut(usize) -> Vec<(usize, bool)>) -> (Outcome, usize) {
        let opened = open(&self.evm, Arc::clone(&self.parent), &self.parent_env, &self.block, self.begin);
        let (mut runner, work) = match opened {
            Ok(opened) => opened,
            Err(error) => return (Err(error), 0),
        };
        let mut guessers = [0, 1].map(|_| Guesser::new(&work, work.board.cancel()));
        let mut guesses: Vec<_> = work.transactions.iter().map(|_| None).collect();
        let mut held = 0;
        for (index, (sender, tx, mask)) in work.transactions.iter().copied().enumerate() {
            for (other, which) in order(index) {
                guesses[other] = guessers[usize::from(which)].guess(other);
            }
            let result = match guesses[index].take() {
                Some(guess) => runner.take(sender, tx, *guess),
                None => Ok(false),
            };
            let mut writes = Vec::new();
            let result = match result {
                Ok(true) => {
                    held += 1;
                    Ok(())
                }
                Ok(false) => runner.run_noting(sender, tx, mask, Some(&mut writes)),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                return (Err(error.in_block(index)), held);
            }
            work.memory.publish(version_of(index), writes);
        }
        (runner.close(), held)
    }

    /// Random guesses at random times.
    fn at_random(&self, mut seed: u64) -> Outcome {
        let count = self.block.senders().len();
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        self.in_order_of(|turn| {
            (0..random(4)).map(|_| (turn + random((count - turn).min(6)), random(2) == 0)).collect()
        })
        .0
    }

    /// Everything is guessed before anything runs.
    fn all_before(&self) -> (Outcome, usize) {
        let count = self.block.senders().len();
        self.in_order_of(|turn| if turn == 0 { (0..count).map(|index| (index, false)).collect() } else { Vec::new() })
    }

    /// Checks all ways, and gives the serial outcome.
    fn check(&self) -> Outcome {
        let serial = self.serial();
        for threads in [1, 2, 8] {
            assert_same(&serial, &self.on_threads(threads), &format!("{threads} threads"));
        }
        assert_same(&serial, &self.all_before().0, "all guessed before");
        let backwards = self.in_order_of(|turn| {
            let count = self.block.senders().len();
            if turn == 0 { (0..count).rev().map(|index| (index, true)).collect() } else { Vec::new() }
        });
        assert_same(&serial, &backwards.0, "all guessed before, backwards");
        for seed in 0..4 {
            assert_same(&serial, &self.at_random(seed), &format!("guesses at random, seed {seed}"));
        }
        serial
    }
}

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

const COUNTER: Address = Address::repeat_byte(0x31);
const MOVER: Address = Address::repeat_byte(0x32);
const PEEKER: Address = Address::repeat_byte(0x33);
const FACTORY: Address = Address::repeat_byte(0x34);
const SWITCH: Address = Address::repeat_byte(0x35);
const LOOKER: Address = Address::repeat_byte(0x36);
const TOKEN: Address = Address::repeat_byte(0x37);

/// Counts its calls in slot 0; the caller's slot has the last count.
fn counter() -> Bytes {
    asm("0x00 SLOAD 0x01 ADD DUP1 0x00 SSTORE CALLER SSTORE STOP")
}

/// slot[a] = slot[b] + 1, of the words a and b in its input.
fn mover() -> Bytes {
    asm("0x20 CALLDATALOAD SLOAD 0x01 ADD 0x00 CALLDATALOAD SSTORE STOP")
}

/// Keeps balance and code hash of the address in its input.
fn peeker() -> Bytes {
    asm("0x00 CALLDATALOAD BALANCE 0x00 CALLDATALOAD SSTORE \
         0x00 CALLDATALOAD EXTCODEHASH 0x01 0x00 CALLDATALOAD ADD SSTORE STOP")
}

/// CREATE2 of what follows the salt in its input.
fn factory() -> Bytes {
    asm("0x20 CALLDATASIZE SUB 0x20 0x00 CALLDATACOPY \
         0x00 CALLDATALOAD 0x20 CALLDATASIZE SUB 0x00 CALLVALUE CREATE2 0x00 SSTORE STOP")
}

/// Counts in slot 0, or goes, leaving what it has to the address in its input.
fn child() -> Bytes {
    asm("CALLDATASIZE @die JUMPI 0x00 SLOAD 0x01 ADD 0x00 SSTORE STOP die: 0x00 CALLDATALOAD SELFDESTRUCT")
}

/// Switched on by any input. Called without while it is off, it does what `off` says.
fn switch(off: &str) -> Bytes {
    asm(&format!(
        "CALLDATASIZE @set JUMPI 0x00 SLOAD @on JUMPI {off} on: 0x01 0x01 SSTORE STOP set: 0x01 0x00 SSTORE STOP"
    ))
}

fn child_at(salt: u64) -> Address {
    FACTORY.create2(word(salt), keccak256(creation(&child())))
}

fn make(salt: u64) -> Bytes {
    [&word(salt)[..], &creation(&child())].concat().into()
}

fn world(keys: std::ops::Range<u8>) -> World {
    keys.fold(World::new(), |world, n| world.account(key(n).address, ether(1)))
        .contract(COUNTER, &counter(), &[])
        .contract(MOVER, &mover(), &[(0, 1), (1, 2)])
        .contract(PEEKER, &peeker(), &[])
        .contract(FACTORY, &factory(), &[])
}

fn chain(spec: ChainSpec, world: World) -> Chain {
    Chain::new(spec, world.build())
}

/// Before EIP-6780: what destroys itself goes.
fn destructive_spec() -> ChainSpec {
    let mut spec = spec();
    spec.params.eip_timestamps.remove(&6780);
    spec
}

fn check(chain: &Chain, txs: &[Recovered<Transaction>]) -> ExecutionOutcome {
    Case::new(chain, &chain.next_env(), txs).check().unwrap()
}
