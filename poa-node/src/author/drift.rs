//! How far our clock is from the authorities': measured by when their blocks come.
//!
//! An authority seals at the start of its step, by its clock. A block that arrives long before its step has begun by our
//! clock, or long after, tells how far the clocks are apart, up to the time on the way. One sample of each authority
//! counts, and the middle one of them: a minority with wrong clocks, or that lies, does not move it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::Address;

/// How old a sample may be.
const FRESH: Duration = Duration::from_secs(600);
/// How often a warning is repeated.
const REPEAT: Duration = Duration::from_secs(60);
/// By how many milliseconds blocks may come before their step.
const MOST_AHEAD: i64 = 500;
/// By how many milliseconds they may come after its start, at least; half a step is allowed in any case.
const MOST_BEHIND: i64 = 2_000;

/// The latest arrival of each authority.
#[derive(Debug, Default)]
pub(super) struct Drift(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    by_author: BTreeMap<Address, Sample>,
    warned: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    offset_ms: i64,
}

impl Drift {
    /// Notes that a block of `author`, whose step starts at `start` and lasts for `step`, came at `arrived`; both times
    /// by our clock since the Unix epoch. Warns when the clocks are too far apart.
    pub(super) fn note(&self, author: Address, arrived: Duration, start: Duration, step: Duration) {
        let mut samples = self.samples();
        let sample = Sample { at: arrived, offset_ms: millis(arrived) - millis(start) };
        samples.by_author.insert(author, sample);
        samples.by_author.retain(|_, sample| arrived.saturating_sub(sample.at) < FRESH);
        let Some(offset_ms) = samples.offset() else { return };
        let too_far = offset_ms < -MOST_AHEAD || offset_ms > MOST_BEHIND.max(millis(step) / 2);
        let due = samples.warned.is_none_or(|warned| arrived.saturating_sub(warned) >= REPEAT);
        if too_far && due {
            samples.warned = Some(arrived);
            let (authorities, what) = (samples.by_author.len(), if offset_ms < 0 { "behind" } else { "ahead" });
            tracing::warn!(offset_ms, authorities, "our clock is {what} of the other authorities': check NTP");
        }
    }

    /// By how many milliseconds our clock is ahead of the authorities' (behind, if negative), the time that blocks take
    /// included; `None` before the first block that was announced to us.
    pub(super) fn offset_ms(&self) -> Option<i64> {
        self.samples().offset()
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    /// The middle one; of an even number, the one nearer to zero of the two.
    fn offset(&self) -> Option<i64> {
        let mut offsets: Vec<_> = self.by_author.values().map(|sample| sample.offset_ms).collect();
        offsets.sort_unstable();
        let (low, high) = (offsets.get(offsets.len().checked_sub(1)? / 2)?, offsets.get(offsets.len() / 2)?);
        Some(if low.abs() <= high.abs() { *low } else { *high })
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(1_700_000_000_000 + ms)
    }

    #[test]
    fn the_middle_authority_counts() {
        let drift = Drift::default();
        assert_eq!(drift.offset_ms(), None);
        drift.note(Address::repeat_byte(1), at(300), at(0), STEP);
        assert_eq!(drift.offset_ms(), Some(300));
        drift.note(Address::repeat_byte(2), at(5_000), at(15_000), STEP);
        assert_eq!(drift.offset_ms(), Some(300), "the nearer one of two");
        drift.note(Address::repeat_byte(3), at(10_100), at(10_000), STEP);
        assert_eq!(drift.offset_ms(), Some(100));
        drift.note(Address::repeat_byte(2), at(20_200), at(20_000), STEP);
        assert_eq!(drift.offset_ms(), Some(200), "the latest of each");
    }

    #[test]
    fn a_clock_that_is_wrong_is_wrong_by_everybody() {
        let drift = Drift::default();
        for (author, step) in [(1, 0), (2, 1), (3, 2)] {
            let start = at(step * 5_000);
            drift.note(Address::repeat_byte(author), start + Duration::from_millis(10_150), start, STEP);
        }
        assert_eq!(drift.offset_ms(), Some(10_150));
        for (author, step) in [(1, 3), (2, 4), (3, 5)] {
            let start = at(100_000 + step * 5_000);
            drift.note(Address::repeat_byte(author), start - Duration::from_millis(9_850), start, STEP);
        }
        assert_eq!(drift.offset_ms(), Some(-9_850));
    }

    #[test]
    fn old_samples_are_forgotten() {
        let drift = Drift::default();
        drift.note(Address::repeat_byte(1), at(9_000), at(0), STEP);
        drift.note(Address::repeat_byte(2), at(700_000), at(700_000), STEP);
        assert_eq!(drift.offset_ms(), Some(0));
    }
}
