//! Whether guessing is worth it in this block.

/// Guesses that may fail before anybody counts: the first transactions of a block say little about the rest.
const FREE: u64 = 16;

/// Gas of failed guesses on the calling thread that is forgiven.
const FREE_GAS: u64 = 2_000_000;

/// What guesses have come to so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    taken: u64,
    failed: u64,
    /// Gas that the calling thread has spent on guesses that failed.
    lost: u64,
}

impl Ledger {
    /// Notes a guess, and the gas the calling thread spent on it.
    pub(super) const fn note(&mut self, is_taken: bool, our_gas: u64) {
        if is_taken {
            self.taken += 1;
        } else {
            self.failed += 1;
            self.lost = self.lost.saturating_add(our_gas);
        }
    }

    /// Whether to go on: more guesses hold than fail, and the calling thread has not lost more than the block has used.
    pub(super) const fn allows(&self, gas_used: u64) -> bool {
        self.failed <= self.taken.saturating_add(FREE) && self.lost <= gas_used.saturating_add(FREE_GAS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_ends_when_most_guesses_fail() {
        let mut ledger = Ledger::default();
        for _ in 0..FREE {
            ledger.note(false, 0);
            assert!(ledger.allows(0));
        }
        ledger.note(true, 0);
        ledger.note(false, 0);
        assert!(ledger.allows(0));
        ledger.note(false, 0);
        assert!(!ledger.allows(u64::MAX));
    }

    #[test]
    fn guessing_ends_when_the_caller_loses_more_than_the_block_is_worth() {
        let mut ledger = Ledger::default();
        ledger.note(true, u64::MAX);
        assert!(ledger.allows(0), "what held is not lost");
        ledger.note(false, FREE_GAS + 1_000);
        assert!(!ledger.allows(999));
        assert!(ledger.allows(1_000));
    }
}
