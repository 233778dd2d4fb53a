//! Hashes met not long ago.

use std::mem;

use alloy::primitives::{B256, map::B256Set};

/// A set of hashes in two generations: when the young one is full, the old one is forgotten. At least the last
/// `generation` that were put are known, at most twice as many.
#[derive(Debug)]
pub(crate) struct Known {
    young: B256Set,
    old: B256Set,
    generation: usize,
}

impl Known {
    pub(crate) fn new(generation: usize) -> Self {
        Self { young: B256Set::default(), old: B256Set::default(), generation }
    }

    pub(crate) fn contains(&self, hash: &B256) -> bool {
        self.young.contains(hash) || self.old.contains(hash)
    }

    /// Puts it in; whether it was not known.
    pub(crate) fn put(&mut self, hash: B256) -> bool {
        let is_new = !self.old.contains(&hash);
        if self.young.len() >= self.generation && !self.young.contains(&hash) {
            // The old set's memory serves the new generation.
            self.old.clear();
            mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(hash) && is_new
    }

    pub(crate) fn forget(&mut self, hash: &B256) {
        self.young.remove(hash);
        self.old.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, U256};

    use super::Known;

    #[test]
    fn the_last_generation_is_known_and_memory_is_bounded() {
        let hash = |id: usize| B256::from(U256::from(id));
        let mut known = Known::new(10);
        for id in 0..55 {
            assert!(known.put(hash(id)), "{id} is new");
            assert!(!known.put(hash(id)), "{id} is known");
            assert!((id.saturating_sub(9)..=id).all(|id| known.contains(&hash(id))), "{id}");
            assert!(known.young.len() + known.old.len() <= 20);
        }
        assert!(!known.contains(&hash(0)));
        known.forget(&hash(54));
        assert!(!known.contains(&hash(54)) && known.put(hash(54)));
    }

    #[test]
    fn what_the_old_generation_knows_is_not_new_and_lives_on() {
        let hash = |id: usize| B256::from(U256::from(id));
        let mut known = Known::new(2);
        (0..3).for_each(|id| assert!(known.put(hash(id))));
        assert!(!known.put(hash(0)), "known, and young again");
        assert!(known.put(hash(3)));
        assert!(known.contains(&hash(0)));
    }
}
