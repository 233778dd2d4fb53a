//! A block's transactions on many threads, with the outcome of one.
//!
//! Optimistic, after Block-STM (Gelashvili et al., 2022), with in-order commits by value instead of its waves of validation:
//!
//! ```text
//! helpers ─┬─ claim the next transaction, guess at it on the memory, put down its writes ─┐
//! (caller) ┘                                                                              ▼
//! caller ──── in order: a guess that the state agrees with is taken; else the transaction runs, as without helpers
//! ```
//!
//! **Why the outcome is the same.** The caller owns the block's one true state, the same [`BlockRunner`] that a block has
//! without helpers, and does everything there in block order: gas left, checks, receipts, fees. The only thing a guess can
//! replace is the run of one transaction, and only if the true state, in that transaction's turn, gives every answer the
//! guess was given ([`crate::database::Trial`]). Anything else, an error included, is found by running the transaction there.
//! So neither the memory, nor the schedule, nor a panic of a helper can change what a block does; only how long it takes.
//!
//! **Why it ends.** The caller waits for nobody: what is not ready when nothing else is left to guess, it runs itself. A guess
//! on a state that never was ends after a number of steps. Where guesses do not hold, the [`Ledger`] stops them for the rest
//! of the block, before they have cost the caller as much as the block does.
//!
//! Fees do not make all transactions of a block depend on each other: a guess owes them, unless it looks at their receiver's
//! account itself, and the caller pays them in order.

mod board;
mod guess;
mod ledger;
mod memory;
mod profile;
#[cfg(test)]
mod tests;

use std::{
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, Builder},
};

use alloy::{consensus::Transaction as _, primitives::Address};
use aurum_types::{ExecutionOutcome, RecoveredBlock, StateReader, Transaction};

pub(crate) use self::guess::Guess;
pub use self::profile::{Profile, Schedule};
use self::{
    board::{Board, Found},
    guess::Guesser,
    ledger::Ledger,
    memory::{Memory, View, version_of},
};
use crate::{BlockEnv, Evm, EvmError, Rules, block::BlockRunner, permission::Mask, rules::ReceiptForm};

/// Gas that a block's transactions ask for below which threads cost more than they gain: the time of a hundred transfers.
const LEAST_GAS: u64 = 2_100_000;

/// Gas that a block's transactions ask for on average below which handing them over costs more than it gains: above
/// transfers of ether and tokens, below what computes something.
const LEAST_MEAN_GAS: u64 = 100_000;

/// How blocks are executed in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallel {
    /// Threads at work, the caller's included.
    pub threads: NonZeroUsize,
    /// Blocks whose transactions ask for less gas in all run serially.
    pub least_gas: u64,
    /// Blocks whose transactions ask for less gas on average run serially.
    pub least_mean_gas: u64,
}

impl Parallel {
    /// On so many threads, for blocks that are worth it.
    pub const fn on(threads: NonZeroUsize) -> Self {
        Self { threads, least_gas: LEAST_GAS, least_mean_gas: LEAST_MEAN_GAS }
    }

    /// Whether to run this block so. Serial are small blocks and blocks of small transactions, blocks whose receipts need
    /// the state root after each transaction, and development chains, whose transactions can edit the state behind the
    /// EVM's back.
    pub(crate) fn suits(self, evm: &Evm, env: &BlockEnv, block: &RecoveredBlock) -> bool {
        let transactions = &block.sealed().block().transactions;
        let gas = transactions.iter().fold(0, |gas: u64, tx| gas.saturating_add(tx.gas_limit()));
        let count = u64::try_from(transactions.len()).unwrap_or(u64::MAX);
        count > 1
            && gas >= self.least_gas
            && gas / count >= self.least_mean_gas
            && evm.development().is_none()
            && evm.rules(env.number, env.timestamp).receipts != ReceiptForm::StateRoot
    }
}

/// What all threads of one block look at.
struct Work<'a> {
    evm: &'a Evm,
    rules: Rules,
    env: BlockEnv,
    parent_env: &'a BlockEnv,
    /// With their senders, and the masks that let them in.
    transactions: Vec<(Address, &'a Transaction, Option<Mask>)>,
    memory: Arc<Memory>,
    board: Board,
}

impl Work<'_> {
    /// Guesses until there is nothing left to guess at.
    fn help(&self) {
        let mut guesser = Guesser::new(self, self.board.cancel());
        while let Some(index) = self.board.claim() {
            let guess = guesser.guess(index);
            self.board.put(index, guess);
        }
    }
}

/// Begins a block, up to where its first transaction runs.
fn open<'a>(
    evm: &'a Evm,
    parent: Arc<dyn StateReader>,
    parent_env: &'a BlockEnv,
    block: &'a RecoveredBlock,
    begin: Option<Address>,
) -> Result<(BlockRunner, Work<'a>), EvmError> {
    let env = BlockEnv::of(block.sealed().header());
    let memory = Arc::new(Memory::new(parent));
    // What helpers have read of the parent, the caller need not read again.
    let parent = Arc::new(View::of_parent(&memory));
    let mut runner = BlockRunner::open(evm, parent, parent_env, env.clone(), begin)?;
    let masks = runner.check_permissions(block)?;
    memory.publish(0, runner.state().writes());
    let body = block.sealed().block().transactions.iter();
    let transactions: Vec<_> =
        block.senders().iter().zip(body).zip(masks).map(|((sender, tx), mask)| (*sender, tx, mask)).collect();
    let board = Board::new(transactions.len());
    let rules = evm.rules(env.number, env.timestamp);
    Ok((runner, Work { evm, rules, env, parent_env, transactions, memory, board }))
}

/// [`Evm::execute`], on several threads.
pub(crate) fn execute(
    evm: &Evm,
    parallel: Parallel,
    parent: Arc<dyn StateReader>,
    parent_env: &BlockEnv,
    block: &RecoveredBlock,
    begin: Option<Address>,
) -> Result<ExecutionOutcome, EvmError> {
    let (mut runner, work) = open(evm, parent, parent_env, block, begin)?;
    thread::scope(|scope| {
        // However this ends, the helpers end with it.
        let _ends = work.board.ends();
        for _ in 1..parallel.threads.get().min(work.transactions.len()) {
            if let Err(error) = Builder::new().name("evm-helper".to_owned()).spawn_scoped(scope, || work.help()) {
                tracing::warn!(%error, "no more threads to execute on");
                break;
            }
        }
        run_in_order(&mut runner, &work)
    })?;
    runner.close()
}

/// The caller's part.
fn run_in_order(runner: &mut BlockRunner, work: &Work<'_>) -> Result<(), EvmError> {
    let mut caller = Caller { work, guesser: None, ledger: Ledger::default() };
    for (index, (sender, tx, mask)) in work.transactions.iter().copied().enumerate() {
        let guesses = caller.ledger.allows(runner.gas_used());
        let found = if guesses { caller.await_turn(index) } else { Found::Nothing };
        if !guesses {
            work.board.stop();
        }
        if let Found::Guess { guess, ours } = found {
            let gas = guess.outcome.result.tx_gas_used();
            let is_taken = runner.take(sender, tx, *guess).map_err(|error| error.in_block(index))?;
            caller.ledger.note(is_taken, if ours { gas } else { 0 });
            if is_taken {
                continue;
            }
        } else if let Found::Failed { ours } = found {
            caller.ledger.note(false, if ours { tx.gas_limit() } else { 0 });
        }
        let mut writes = Vec::new();
        runner.run_noting(sender, tx, mask, guesses.then_some(&mut writes)).map_err(|error| error.in_block(index))?;
        work.memory.publish(version_of(index), writes);
    }
    Ok(())
}

struct Caller<'a> {
    work: &'a Work<'a>,
    /// Made when it is first needed.
    guesser: Option<Guesser<'a>>,
    ledger: Ledger,
}

impl Caller<'_> {
    /// What there is of transaction `index`, in its turn. While somebody is guessing at it, this thread guesses at others;
    /// with nothing left to guess at, it does not wait.
    fn await_turn(&mut self, index: usize) -> Found {
        let work = self.work;
        if work.board.claim_turn(index) {
            return Found::Nothing;
        }
        loop {
            if let Some(found) = work.board.take(index) {
                return found;
            }
            let Some(other) = work.board.claim() else { return Found::Nothing };
            let guesser = self.guesser.get_or_insert_with(|| Guesser::new(work, work.board.cancel()));
            let guess = guesser.guess(other);
            work.board.put_ours(other, guess);
        }
    }
}
