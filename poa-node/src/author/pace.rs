//! How large a block of ours may be: no larger than what everybody finishes in time (tail of building, announcement,
//! import by the others), as far as the blocks before have shown.
//!
//! In proportion in both directions: a block that took too long bounds the next ones, at most by half; one near the bound
//! that was done early raises it, at most to the double, so that a bound which a busy moment left does not outlast it by
//! more than a few steps. Small blocks say nothing: what delays them is not their size.

use std::{collections::VecDeque, time::Duration};

/// Of its step, the part in which a block is to be sealed, sent and imported everywhere, in percent. The rest is for the
/// next block's transactions, which take less time to execute than to import, and for whoever is slower than we are.
const PART_OF_STEP: u32 = 75;
/// Gas below which a block is never cut: a hundred plain transfers.
pub(super) const LEAST: u64 = 2_100_000;
/// Blocks whose arrival is remembered: the earliest of them tells what clocks and network take of any block.
const ARRIVALS: usize = 64;

/// What is left of a step when its block is everywhere, at the latest.
pub(super) fn rest_of(step: Duration) -> Duration {
    step * (100 - PART_OF_STEP) / 100
}

/// The bound on our blocks' gas, learned from our own blocks and from others'.
#[derive(Debug)]
pub(super) struct Pace {
    most: u64,
    /// When blocks came after the start of their step, in milliseconds; negative where clocks differ.
    arrivals: VecDeque<i64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { most: u64::MAX, arrivals: VecDeque::new() }
    }
}

impl Pace {
    /// Gas from which on no further transaction is put into a block. The first one is, whatever it uses.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// Notes a block of our own that used `gas`; from the step's start to its adoption here it took `tail`. Where others
    /// have to import it, they need about as long again.
    pub(super) fn ours(&mut self, gas: u64, tail: Duration, step: Duration, alone: bool) {
        self.note(gas, if alone { tail } else { tail.saturating_mul(2) }, step);
    }

    /// Notes a block that came `offset` milliseconds after the start of its step by our clock, and whose import took
    /// `import`.
    ///
    /// Its sealing and its way took what it came later than the earliest block; clocks that differ shift both alike. When
    /// all blocks are equally large that says too little, so its sealing counts at least as much as our import.
    pub(super) fn theirs(&mut self, gas: u64, offset: i64, import: Duration, step: Duration) {
        if self.arrivals.len() == ARRIVALS {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(offset);
        let earliest = self.arrivals.iter().copied().min().unwrap_or(offset);
        let before = Duration::from_millis(u64::try_from(offset.saturating_sub(earliest)).unwrap_or(0));
        self.note(gas, import.saturating_add(before.max(import)), step);
    }

    fn note(&mut self, gas: u64, took: Duration, step: Duration) {
        self.most = next(self.most, gas, took, step * PART_OF_STEP / 100);
    }
}

/// The bound after a block that used `gas` and took `took`, where `goal` was there.
fn next(most: u64, gas: u64, took: Duration, goal: Duration) -> u64 {
    if gas < LEAST {
        return most;
    }
    if took > goal {
        let in_time = u128::from(gas) * goal.as_micros() / took.as_micros().max(1);
        let bound = u64::try_from(in_time).unwrap_or(u64::MAX).max(gas / 2).max(LEAST);
        return most.min(bound);
    }
    let is_near_bound = gas >= most - most / 4;
    if !is_near_bound {
        return most;
    }
    let in_time = u128::from(most) * goal.as_micros() / took.as_micros().max(1);
    u64::try_from(in_time).unwrap_or(u64::MAX).min(most.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(1);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_block_that_takes_too_long_bounds_the_next_in_proportion_and_at_most_by_half() {
        let mut pace = Pace::default();
        pace.ours(100_000_000, ms(750), STEP, true);
        assert_eq!(pace.most(), u64::MAX, "in time");
        pace.ours(100_000_000, Duration::from_micros(937_500), STEP, true);
        assert_eq!(pace.most(), 80_000_000);
        pace.ours(80_000_000, ms(60_000), STEP, true);
        assert_eq!(pace.most(), 40_000_000);
        pace.ours(100_000_000, ms(751), STEP, true);
        assert_eq!(pace.most(), 40_000_000, "a larger block that is late raises no bound");
    }

    #[test]
    fn only_blocks_near_the_bound_raise_it_and_small_ones_never_lower_it() {
        let goal = ms(500);
        assert_eq!(next(80_000_000, 60_000_000, ms(400), goal), 100_000_000, "in proportion");
        assert_eq!(next(80_000_000, 60_000_000, ms(10), goal), 160_000_000, "at most to the double");
        assert_eq!(next(80_000_000, 59_000_000, ms(10), goal), 80_000_000);
        assert_eq!(next(80_000_000, LEAST - 1, ms(9_000), goal), 80_000_000);
        assert_eq!(next(80_000_000, LEAST, ms(9_000), goal), LEAST, "never below it");
        assert_eq!(next(u64::MAX, u64::MAX, Duration::ZERO, goal), u64::MAX);
    }

    #[test]
    fn others_need_their_share_of_the_time() {
        let mut pace = Pace::default();
        pace.ours(50_000_000, ms(600), STEP, false);
        assert_eq!(pace.most(), 31_250_000);
    }

    #[test]
    fn a_clock_that_is_wrong_cuts_no_block() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.theirs(50_000_000, 900, ms(200), STEP);
            pace.theirs(50_000_000, -900, ms(200), STEP);
            pace.arrivals.clear();
        }
        assert_eq!(pace.most(), u64::MAX);
        // But a large block that comes later than a small one was sealed too slowly.
        pace.theirs(1, 900, ms(2), STEP);
        pace.theirs(50_000_000, 1_900, ms(200), STEP);
        assert_eq!(pace.most(), 31_250_000);
    }

    #[test]
    fn the_bound_settles_near_what_is_finished_in_time() {
        // 6 ns a gas and 30 ms whatever the size: 120 M gas take three quarters of a second.
        let mut pace = Pace::default();
        let demand = 400_000_000;
        let mut sizes = Vec::new();
        for _ in 0..40 {
            let gas = demand.min(pace.most());
            pace.ours(gas, ms(30) + Duration::from_nanos(gas * 6), STEP, true);
            sizes.push(gas);
        }
        let late = sizes[8..].iter().filter(|gas| **gas > 125_000_000).count();
        assert!(sizes[8..].iter().all(|gas| *gas > 90_000_000 && *gas < 160_000_000), "{sizes:?}");
        assert!(late <= 20, "{sizes:?}");
        // The load ends and comes back: the bound has not moved.
        let before = pace.most();
        pace.ours(3_000_000, ms(30), STEP, true);
        assert_eq!(pace.most(), before);
    }
}
