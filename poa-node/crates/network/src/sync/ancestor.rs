//! Where two chains part, found with few questions: each answers up to 32 heights, so that a fork anywhere in a
//! million blocks takes about four.

use aurum_types::BlockNumber;

use crate::message::MAX_HASHES;

/// Heights asked at once after the first question.
const SPLIT: u64 = 32;

/// Looks for the highest height at which both chains have the same block. Chains that differ at a height differ at all
/// above it.
#[derive(Debug)]
pub(crate) struct Search {
    /// Known to be the same; `None` while nothing is.
    low: Option<BlockNumber>,
    /// Known to differ, or above the lower of both heads.
    high: BlockNumber,
    floor: BlockNumber,
    first: bool,
    failed: bool,
}

impl Search {
    /// `top` is the lower of both heads. Genesis is the same, as the handshake found.
    pub(crate) const fn new(top: BlockNumber, max_depth: u64) -> Self {
        let floor = top.saturating_sub(max_depth);
        Self { low: if floor == 0 { Some(0) } else { None }, high: top + 1, floor, first: true, failed: false }
    }

    /// The next heights to compare, ascending; `None` when the search has ended.
    pub(crate) fn probes(&mut self) -> Option<Vec<BlockNumber>> {
        if self.failed || self.low.is_some_and(|low| low + 1 >= self.high) {
            return None;
        }
        let mut probes = Vec::new();
        if std::mem::take(&mut self.first) {
            // Forks are short: the top, and from there at doubling distances.
            let mut distance = 1;
            let mut number = self.high - 1;
            while number > self.floor && probes.len() < MAX_HASHES - 1 {
                probes.push(number);
                let Some(next) = number.checked_sub(distance) else { break };
                number = next;
                distance *= 2;
            }
            if self.floor > 0 {
                probes.push(self.floor);
            }
            probes.reverse();
        } else {
            let low = self.low.unwrap_or(self.floor);
            let between = self.high - low - 1;
            let count = between.min(SPLIT);
            probes.extend((1..=count).map(|step| low + (between * step).div_ceil(count)));
        }
        probes.dedup();
        Some(probes)
    }

    /// Takes the answers: whether the block at a height is the same.
    pub(crate) fn learn(&mut self, answers: &[(BlockNumber, bool)]) {
        for (number, same) in answers {
            if *same {
                self.low = Some(self.low.map_or(*number, |low| low.max(*number))).filter(|low| *low < self.high);
            } else {
                self.high = self.high.min(*number);
            }
        }
        // Different at the floor, or answers that contradict each other.
        self.failed = self.low.is_none_or(|low| low >= self.high);
    }

    /// The common height, once [`Self::probes`] has ended.
    pub(crate) fn found(&self) -> Option<BlockNumber> {
        self.low.filter(|_| !self.failed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(top: u64, depth: u64, fork: u64) -> (Option<u64>, usize) {
        let mut search = Search::new(top, depth);
        let mut rounds = 0;
        while let Some(probes) = search.probes() {
            assert!(!probes.is_empty() && probes.len() <= MAX_HASHES, "{probes:?}");
            rounds += 1;
            assert!(rounds < 20, "no end");
            search.learn(&probes.into_iter().map(|number| (number, number <= fork)).collect::<Vec<_>>());
        }
        (search.found(), rounds)
    }

    #[test]
    fn usual_cases_take_one_question() {
        assert_eq!(run(0, 1_000, 0), (Some(0), 0));
        assert_eq!(run(500, 100_000, 500), (Some(500), 1));
        assert_eq!(run(500, 100_000, 499), (Some(499), 1));
        assert!(run(1_000_000, u64::MAX, 3).1 <= 5);
    }

    proptest! {
        #[test]
        fn finds_the_fork_wherever_it_is(top in 0..2_000_000u64, part in 0.0..1.0f64, depth in 1..3_000_000u64) {
            let fork = (top as f64 * part) as u64;
            let found = run(top, depth, fork).0;
            let expected = (fork >= top.saturating_sub(depth)).then_some(fork);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn ends_on_any_answers(top in 0..1_000_000u64, seed in any::<u64>()) {
            let mut search = Search::new(top, 50_000);
            let mut rounds = 0;
            while let Some(probes) = search.probes() {
                rounds += 1;
                prop_assert!(rounds < 40);
                let answers: Vec<_> = probes.into_iter()
                    .map(|number| (number, (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 1)).collect();
                search.learn(&answers);
            }
        }
    }
}
