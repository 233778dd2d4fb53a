//! Who sent the transactions that left for a block: another block may hold them too, after a reorganisation or beside ours,
//! and peers may send them once more.

use std::mem;

use alloy::primitives::{Address, B256, map::B256Map};

/// Transactions of one generation.
const GENERATION: usize = 32_768;

/// Senders by transaction hash, in two generations: when the young one is full, the old one is forgotten. At least the
/// last [`GENERATION`] are known.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    young: B256Map<Address>,
    old: B256Map<Address>,
}

impl Senders {
    pub(crate) fn put(&mut self, hash: B256, sender: Address) {
        if self.young.len() >= GENERATION {
            // The old map's memory serves the new generation.
            self.old.clear();
            mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(hash, sender);
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Address> {
        self.young.get(hash).or_else(|| self.old.get(hash)).copied()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};

    use super::{GENERATION, Senders};

    #[test]
    fn the_last_generation_is_known_and_memory_is_bounded() {
        let hash = |id: usize| B256::from(U256::from(id));
        let mut senders = Senders::default();
        for id in 0..5 * GENERATION {
            senders.put(hash(id), Address::repeat_byte(1));
            let oldest = (id + 1).saturating_sub(GENERATION);
            assert!(senders.get(&hash(oldest)).is_some() && senders.get(&hash(id)).is_some(), "{id}");
            assert!(senders.young.len() + senders.old.len() <= 2 * GENERATION);
        }
        assert_eq!(senders.get(&hash(0)), None);
    }
}
