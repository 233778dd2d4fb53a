//! Votes as they arrive: each key once a link, bounded memory, offences kept.

use std::collections::{BTreeMap, HashMap, VecDeque};

use alloy::primitives::Address;
use aurum_types::BlockNumber;

use super::{Link, Vote};

/// Votes remembered of one key: those with the highest targets. A key that votes more often than blocks come pushes out
/// its own.
const VOTES_PER_KEY: usize = 64;
/// Different links of one key remembered at one target height; two are proof enough of an offence.
const LINKS_PER_HEIGHT: usize = 4;
/// Offences remembered.
const OFFENCES: usize = 256;

/// Which rule two votes of one key break together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Two different votes whose targets have one height.
    SameHeight,
    /// One begins before the other and ends after it.
    Surround,
}

/// Two votes of one key that no honest key signs both of: proof for anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What they break.
    pub offence: Offence,
    /// The vote heard first.
    pub first: Vote,
    /// The other.
    pub second: Vote,
}

impl Evidence {
    /// The key that signed both.
    pub const fn signer(&self) -> Address {
        self.first.signer()
    }
}

/// The votes a node has heard of. Whose keys may vote is checked before they come here.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    by_link: HashMap<Link, BTreeMap<Address, Vote>>,
    by_key: HashMap<Address, BTreeMap<BlockNumber, Vec<Link>>>,
    evidence: VecDeque<Evidence>,
}

impl Tally {
    /// Adds a vote. `false` if it was there, or is older than all that are remembered of its key.
    pub fn add(&mut self, vote: Vote) -> bool {
        let (link, signer) = (*vote.link(), vote.signer());
        if self.by_link.get(&link).is_some_and(|votes| votes.contains_key(&signer)) {
            return false;
        }
        self.note_offence(&vote);
        let heights = self.by_key.entry(signer).or_default();
        let lowest = heights.first_key_value().map_or(0, |(height, _)| *height);
        let full = heights.len() >= VOTES_PER_KEY && !heights.contains_key(&link.target.number);
        if full && link.target.number < lowest {
            return false;
        }
        let links = heights.entry(link.target.number).or_default();
        if links.len() >= LINKS_PER_HEIGHT {
            return false;
        }
        links.push(link);
        let dropped = if full { heights.pop_first().map(|(_, links)| links).unwrap_or_default() } else { Vec::new() };
        self.by_link.entry(link).or_default().insert(signer, vote);
        for link in dropped {
            self.forget(&link, signer);
        }
        true
    }

    /// The votes for a link, by signer.
    pub fn votes(&self, link: &Link) -> Option<&BTreeMap<Address, Vote>> {
        self.by_link.get(link)
    }

    /// The links with their votes, in no order.
    pub fn links(&self) -> impl Iterator<Item = (&Link, &BTreeMap<Address, Vote>)> {
        self.by_link.iter()
    }

    /// The vote with the highest target of each key, for status pages.
    pub fn latest(&self) -> impl Iterator<Item = (Address, Link)> + '_ {
        self.by_key.iter().filter_map(|(key, heights)| Some((*key, *heights.last_key_value()?.1.first()?)))
    }

    /// Offences seen, the oldest first.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter()
    }

    /// How many offences have been kept; grows by one with each.
    pub fn offences(&self) -> usize {
        self.evidence.len()
    }

    /// Forgets votes whose target is not above `number`.
    pub fn prune(&mut self, number: BlockNumber) {
        self.by_link.retain(|link, _| link.target.number > number);
        self.by_key.retain(|_, heights| {
            *heights = heights.split_off(&number.saturating_add(1));
            !heights.is_empty()
        });
    }

    fn forget(&mut self, link: &Link, signer: Address) {
        if let Some(votes) = self.by_link.get_mut(link) {
            votes.remove(&signer);
            if votes.is_empty() {
                self.by_link.remove(link);
            }
        }
    }

    fn note_offence(&mut self, vote: &Vote) {
        let Some(heights) = self.by_key.get(&vote.signer()) else { return };
        let link = vote.link();
        let found = heights.values().flatten().find_map(|other| {
            let offence = if other.target.number == link.target.number {
                Offence::SameHeight
            } else if other.surrounds(link) || link.surrounds(other) {
                Offence::Surround
            } else {
                return None;
            };
            Some((offence, self.by_link.get(other)?.get(&vote.signer())?.clone()))
        });
        let Some((offence, first)) = found else { return };
        if self.evidence.len() == OFFENCES {
            self.evidence.pop_front();
        }
        self.evidence.push_back(Evidence { offence, first, second: vote.clone() });
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, keccak256};
    use secp256k1::SecretKey;

    use super::*;
    use crate::{
        KeySigner,
        certificate::{Checkpoint, VoteDomain},
    };

    fn vote(key: u8, source: u64, target: u64, branch: u8) -> Vote {
        let signer = KeySigner::new(SecretKey::from_byte_array(keccak256([key]).0).unwrap());
        let at = |number| Checkpoint { number, hash: B256::left_padding_from(&[branch, number as u8]) };
        let link = Link { source: at(source), target: at(target), history: B256::ZERO };
        Vote::sign(&VoteDomain::new(1, B256::ZERO), link, &signer).unwrap()
    }

    #[test]
    fn a_key_counts_once_for_a_link() {
        let mut tally = Tally::default();
        assert!(tally.add(vote(1, 1, 2, 0)));
        assert!(!tally.add(vote(1, 1, 2, 0)));
        assert!(tally.add(vote(2, 1, 2, 0)));
        assert_eq!(tally.votes(vote(1, 1, 2, 0).link()).unwrap().len(), 2);
        assert_eq!(tally.offences(), 0);
    }

    #[test]
    fn two_targets_at_one_height_are_kept_as_evidence() {
        let mut tally = Tally::default();
        tally.add(vote(1, 1, 2, 0));
        tally.add(vote(1, 1, 2, 1));
        let found = tally.evidence().next().expect("an offence");
        assert_eq!((found.offence, found.signer()), (Offence::SameHeight, vote(1, 1, 2, 0).signer()));
        assert_ne!(found.first.link(), found.second.link());
    }

    #[test]
    fn a_vote_around_another_is_evidence_whichever_came_first() {
        for (a, b) in [((3, 4), (1, 6)), ((1, 6), (3, 4))] {
            let mut tally = Tally::default();
            tally.add(vote(1, a.0, a.1, 0));
            tally.add(vote(1, b.0, b.1, 0));
            assert_eq!(tally.evidence().next().map(|found| found.offence), Some(Offence::Surround));
        }
        let mut tally = Tally::default();
        for (source, target) in [(1, 2), (2, 3), (3, 7), (3, 8)] {
            tally.add(vote(1, source, target, 0));
        }
        assert_eq!(tally.offences(), 0, "an honest key's votes");
    }

    #[test]
    fn a_key_pushes_out_its_own_votes_only() {
        let mut tally = Tally::default();
        tally.add(vote(2, 0, 1, 0));
        for target in 1..200 {
            tally.add(vote(1, 0, target, 0));
        }
        assert_eq!(tally.links().map(|(_, votes)| votes.len()).sum::<usize>(), VOTES_PER_KEY + 1);
        assert!(!tally.add(vote(1, 0, 3, 0)), "older than all that are kept");
        tally.prune(198);
        assert_eq!(tally.links().count(), 1);
    }
}
