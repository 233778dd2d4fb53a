//! What more threads would bring: a block's transactions timed one by one, and the schedule that those times give.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use aurum_types::{RecoveredBlock, StateReader};

use super::{Guesser, Ledger, View, memory::version_of, open};
use crate::{BlockEnv, Evm, EvmError};

/// One transaction's part of a profile.
#[derive(Clone, Debug, Default)]
struct Cost {
    /// To run it in its turn.
    run: Duration,
    /// To guess at it.
    guess: Duration,
    /// To take the guess.
    take: Duration,
    /// Earlier transactions that wrote what it reads.
    after: Vec<usize>,
    gas: u64,
}

/// Times and dependencies of a block's transactions, measured on one thread.
#[derive(Clone, Debug)]
pub struct Profile(Vec<Cost>);

/// How the transactions of a block would run on some number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the first to the last.
    pub time: Duration,
    /// How many guesses did not hold.
    pub failed: usize,
}

impl Profile {
    /// Runs the block `repetitions` times with and without guesses, and keeps the least time of each part.
    ///
    /// # Errors
    /// Those of [`Evm::execute`].
    pub fn measure(
        evm: &Evm,
        parent: &Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        block: &RecoveredBlock,
        repetitions: usize,
    ) -> Result<Self, EvmError> {
        let none: Option<Address> = None;
        let mut costs = vec![Cost::default(); block.sealed().block().transactions.len()];
        for repetition in 0..repetitions {
            let least = |known: Duration, new: Duration| if repetition == 0 { new } else { known.min(new) };
            let (mut runner, work) = open(evm, Arc::clone(parent), parent_env, block, none)?;
            for (index, (sender, tx, mask)) in work.transactions.iter().copied().enumerate() {
                let (begun, gas) = (Instant::now(), runner.gas_used());
                let mut writes = Vec::new();
                runner.run_noting(sender, tx, mask, Some(&mut writes)).map_err(|error| error.in_block(index))?;
                work.memory.publish(version_of(index), writes);
                costs[index].run = least(costs[index].run, begun.elapsed());
                costs[index].gas = runner.gas_used() - gas;
            }
            let (mut runner, work) = open(evm, Arc::clone(parent), parent_env, block, none)?;
            let mut guesser = Guesser::on(&work, work.board.cancel(), View::noting(&work.memory));
            for (index, (sender, tx, mask)) in work.transactions.iter().copied().enumerate() {
                let begun = Instant::now();
                let guess = guesser.guess(index);
                costs[index].guess = least(costs[index].guess, begun.elapsed());
                costs[index].after = guesser.view().take_found();
                let begun = Instant::now();
                let is_taken = match guess {
                    Some(guess) => runner.take(sender, tx, *guess).map_err(|error| error.in_block(index))?,
                    None => false,
                };
                costs[index].take = least(costs[index].take, begun.elapsed());
                if !is_taken {
                    let mut writes = Vec::new();
                    runner.run_noting(sender, tx, mask, Some(&mut writes)).map_err(|error| error.in_block(index))?;
                    work.memory.publish(version_of(index), writes);
                }
            }
        }
        Ok(Self(costs))
    }

    /// The time of the transactions one after the other.
    pub fn serial(&self) -> Duration {
        self.0.iter().map(|cost| cost.run).sum()
    }

    /// Mean times of a transaction: run in its turn, guessed at, and the guess taken.
    pub fn means(&self) -> [Duration; 3] {
        let count = u32::try_from(self.0.len().max(1)).unwrap_or(u32::MAX);
        let mean = |part: fn(&Cost) -> Duration| self.0.iter().map(part).sum::<Duration>() / count;
        [mean(|cost| cost.run), mean(|cost| cost.guess), mean(|cost| cost.take)]
    }

    /// The schedule on `threads` threads, each with a core of its own, if nothing cost anything but what was measured: no
    /// contention for locks, caches or memory, and no time to start the threads. A guess is taken to read everything when it
    /// begins.
    pub fn schedule(&self, threads: usize) -> Schedule {
        let mut run = Run {
            costs: &self.0,
            claimed: 0,
            guessed: vec![None; self.0.len()],
            written: vec![None; self.0.len()],
            ledger: Ledger::default(),
            failed: 0,
        };
        // Helpers' clocks. Who is behind acts next, the caller first.
        let mut helpers = vec![Duration::ZERO; threads.saturating_sub(1)];
        let (mut caller, mut turn, mut gas) = (Duration::ZERO, 0, 0);
        while turn < self.0.len() {
            let guesses = run.ledger.allows(gas);
            let behind = helpers.iter_mut().min().filter(|clock| **clock < caller && guesses && run.is_open());
            if let Some(clock) = behind {
                *clock = run.guess(*clock, false);
                continue;
            }
            let cost = &self.0[turn];
            let in_flight = guesses && run.guessed[turn].is_some_and(|guess| guess.end > caller);
            if in_flight && run.is_open() {
                caller = run.guess(caller, true);
                continue;
            }
            if guesses && run.claimed == turn {
                run.claimed += 1;
            } else if guesses
                && !in_flight
                && let Some(guess) = run.guessed[turn]
            {
                caller += cost.take;
                run.ledger.note(guess.holds, if guess.ours { cost.gas } else { 0 });
                run.failed += usize::from(!guess.holds);
                if guess.holds {
                    (turn, gas) = (turn + 1, gas + cost.gas);
                    continue;
                }
            }
            caller += cost.run;
            run.written[turn] = Some(caller);
            (turn, gas) = (turn + 1, gas + cost.gas);
        }
        Schedule { time: caller, failed: run.failed }
    }
}

#[derive(Clone, Copy)]
struct Made {
    end: Duration,
    holds: bool,
    ours: bool,
}

/// A schedule on its way.
struct Run<'a> {
    costs: &'a [Cost],
    claimed: usize,
    guessed: Vec<Option<Made>>,
    /// When what each transaction writes in the end is there to be read.
    written: Vec<Option<Duration>>,
    ledger: Ledger,
    failed: usize,
}

impl Run<'_> {
    fn is_open(&self) -> bool {
        self.claimed < self.costs.len()
    }

    /// Guesses at the next transaction; when that is done.
    fn guess(&mut self, begin: Duration, ours: bool) -> Duration {
        let index = self.claimed;
        self.claimed += 1;
        let end = begin + self.costs[index].guess;
        let is_there = |earlier: &usize| self.written[*earlier].is_some_and(|at| at <= begin);
        let holds = self.costs[index].after.iter().all(is_there);
        self.guessed[index] = Some(Made { end, holds, ours });
        if holds {
            self.written[index] = Some(end);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(after: impl Fn(usize) -> Vec<usize>) -> Profile {
        let micros = Duration::from_micros;
        let cost =
            |index| Cost { run: micros(100), guess: micros(110), take: micros(1), after: after(index), gas: 10_000 };
        Profile((0..200).map(cost).collect())
    }

    #[test]
    fn one_thread_takes_the_serial_time() {
        let profile = profile(|_| Vec::new());
        assert_eq!(profile.schedule(1), Schedule { time: profile.serial(), failed: 0 });
    }

    #[test]
    fn independent_transactions_share_the_threads() {
        let profile = profile(|_| Vec::new());
        let speed = |threads| profile.serial().as_secs_f64() / profile.schedule(threads).time.as_secs_f64();
        assert!((1.6..2.0).contains(&speed(2)), "{}", speed(2));
        assert!((5.0..8.0).contains(&speed(8)), "{}", speed(8));
        assert_eq!(profile.schedule(8).failed, 0);
    }

    #[test]
    fn a_chain_of_conflicts_takes_little_more_than_the_serial_time() {
        let profile = profile(|index| index.checked_sub(1).into_iter().collect());
        for threads in [2, 8, 16] {
            let Schedule { time, failed } = profile.schedule(threads);
            assert!(failed > 0, "{threads}");
            assert!(time <= profile.serial() * 5 / 4, "{threads}: {time:?}");
        }
    }
}
