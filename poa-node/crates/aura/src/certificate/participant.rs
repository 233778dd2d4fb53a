//! One node's part in finality, as a value: what it holds justified and certified, and what its key votes next.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use aurum_types::BlockNumber;

use super::{Branches, Certificate, Checkpoint, Electorate, Guard, Link, Tally, Vote, VoteDomain, VoteError};

/// Votes for targets this far above our head are heard; honest ones are for blocks that exist.
const AHEAD: BlockNumber = 256;
/// Votes for targets this far below the certified block are kept, to notice who votes twice.
const BEHIND: BlockNumber = 32;
/// While the head is at most this far above the justified block, its child is voted for first.
const NEAR: BlockNumber = 8;

/// What counting brought about. The host makes it durable and tells its chain before anything else is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks that became final, ascending, with their proofs.
    pub certificates: Vec<Certificate>,
    /// The proof of a justified block higher than any before: its branch is to be preferred.
    pub justified: Option<Certificate>,
    /// A block that a quorum votes for and that is not here: to be fetched.
    pub wanted: Option<Checkpoint>,
    /// A quorum made a block final that contradicts ours: a third of the keys or more broke the rules.
    pub contradiction: Option<Certificate>,
}

/// What one node knows about finality.
///
/// It never reads a clock or a disk: blocks come by [`Branches`], and the host keeps the [`Guard`] that comes out of
/// [`Self::ballot`] durably before it signs.
#[derive(Clone, Debug)]
pub struct Participant {
    domain: VoteDomain,
    key: Option<Address>,
    from: BlockNumber,
    finalized: Checkpoint,
    justified: Checkpoint,
    proof: Option<Certificate>,
    guard: Guard,
    tally: Tally,
}

impl Participant {
    /// A node whose chain holds `finalized` final. With a `key` it votes; targets are above `from`
    /// (`finalityCertificatesTransition`).
    pub fn new(domain: VoteDomain, key: Option<Address>, from: BlockNumber, finalized: Checkpoint) -> Self {
        Self {
            domain,
            key,
            from,
            finalized,
            justified: finalized,
            proof: None,
            guard: Guard::default(),
            tally: Tally::default(),
        }
    }

    /// Goes on with what was remembered over a restart: the key's guard, whose last source was justified. What proofs
    /// were kept is given to [`Self::absorb`].
    pub fn resume(&mut self, guard: Guard) {
        if let Some(last) = guard.last().filter(|last| last.source.number > self.justified.number) {
            self.justified = last.source;
        }
        self.guard = guard;
    }

    /// The domain of its chain's votes.
    pub const fn domain(&self) -> &VoteDomain {
        &self.domain
    }

    /// The highest block proven final.
    pub const fn finalized(&self) -> Checkpoint {
        self.finalized
    }

    /// The highest block that a quorum voted for. Fork choice prefers its branch.
    pub const fn justified(&self) -> Checkpoint {
        self.justified
    }

    /// The proof that [`Self::justified`] is; `None` as long as it is the certified block, or after a restart.
    pub const fn proof(&self) -> Option<&Certificate> {
        self.proof.as_ref()
    }

    /// The votes heard.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What its key has signed.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Its key's last vote, to be sent again.
    pub fn last_vote(&self) -> Option<&Vote> {
        self.tally.votes(self.guard.last()?)?.get(&self.key?)
    }

    /// The keys that have a vote on the branch of `head`: the sets since the certified block.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    pub fn voters<B: Branches>(&self, head: Checkpoint, branches: &B) -> Result<Electorate, B::Error> {
        if !branches.descends(head, self.finalized)? {
            return Ok(Electorate::default());
        }
        Ok(branches.electorate(self.finalized, head)?.unwrap_or_default())
    }

    /// Takes a vote. `false` if it changes nothing: known, too old, too far ahead, or of a key without a vote. Whoever
    /// has heard something calls [`Self::settle`].
    ///
    /// # Errors
    /// When the blocks cannot be read.
    pub fn hear<B: Branches>(&mut self, vote: Vote, head: Checkpoint, branches: &B) -> Result<bool, B::Error> {
        let target = vote.link().target.number;
        let plausible = target > self.from
            && target.saturating_add(BEHIND) > self.finalized.number
            && target <= head.number.saturating_add(AHEAD);
        if !plausible || !self.voters(head, branches)?.contains(vote.signer()) {
            return Ok(false);
        }
        Ok(self.tally.add(vote))
    }

    /// Whether the vote is of our key and we did not sign it: another node votes with the key.
    pub fn is_foreign(&self, vote: &Vote) -> bool {
        let highest = self.guard.highest_target();
        let link = vote.link();
        Some(vote.signer()) == self.key
            && (link.target.number > highest
                || self.guard.last().is_some_and(|last| link.target.number == last.target.number && link != last))
    }

    /// Counts the votes again: after votes were heard, or the blocks known have changed.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    pub fn settle<B: Branches>(&mut self, head: Checkpoint, branches: &B) -> Result<Progress, B::Error> {
        let mut progress = Progress::default();
        self.count(head, branches, &mut progress)?;
        Ok(progress)
    }

    /// Takes a proof that somebody sent, or that was kept, and counts with it.
    ///
    /// # Errors
    /// When the blocks cannot be read. A proof with a signature that is none is the inner error.
    pub fn absorb<B: Branches>(
        &mut self,
        proof: &Certificate,
        head: Checkpoint,
        branches: &B,
    ) -> Result<Result<Progress, VoteError>, B::Error> {
        let mut progress = Progress::default();
        if self.is_news(&proof.link) {
            let votes = match proof.votes(&self.domain) {
                Ok(votes) => votes,
                Err(error) => return Ok(Err(error)),
            };
            self.judge(&proof.link, &votes, head, branches, &mut progress)?;
            self.count(head, branches, &mut progress)?;
        }
        Ok(Ok(progress))
    }

    /// What our key votes for now, with the guard that must be durable before it is signed.
    ///
    /// The source is the highest justified block. The target is its child, as long as our key has not voted above it:
    /// the vote that also certifies the source. Otherwise it is a block at or near the head, at heights that all voters
    /// share and that lie further apart the longer nothing was justified, so that votes split by forks or delays meet
    /// again.
    ///
    /// # Errors
    /// When the blocks cannot be read.
    pub fn ballot<B: Branches>(&self, head: Checkpoint, branches: &B) -> Result<Option<(Link, Guard)>, B::Error> {
        let Some(key) = self.key else { return Ok(None) };
        let (source, lowest) = (self.justified, self.lowest_target());
        let lag = head.number.saturating_sub(source.number);
        let number = if lowest == source.number.saturating_add(1) && lag <= NEAR {
            lowest
        } else {
            head.number - head.number % stride(lag)
        };
        if number < lowest || number > head.number || !branches.descends(head, source)? {
            return Ok(None);
        }
        let (Some(hash), Some(parent)) =
            (branches.ancestor(head, number)?, branches.ancestor(head, number.saturating_sub(1))?)
        else {
            return Ok(None);
        };
        let parent = Checkpoint { number: number.saturating_sub(1), hash: parent };
        let Some(history) = branches.history(source)? else { return Ok(None) };
        if !branches.electorate(self.finalized, parent)?.is_some_and(|voters| voters.contains(key)) {
            return Ok(None);
        }
        let link = Link { source, target: Checkpoint { number, hash }, history: history.0 };
        // Refused: our key is bound to a higher source, whose proof has not come back to us yet.
        Ok(self.guard.admit(&link).ok().map(|guard| (link, guard)))
    }

    /// Our key signed what [`Self::ballot`] said, and `guard` is durable.
    pub fn voted(&mut self, vote: Vote, guard: Guard) {
        self.guard = guard;
        self.tally.add(vote);
    }

    fn lowest_target(&self) -> BlockNumber {
        self.justified.number.max(self.guard.highest_target()).max(self.from).saturating_add(1)
    }

    fn is_news(&self, link: &Link) -> bool {
        link.target.number > self.from
            && link.source.number >= self.finalized.number
            && (link.target.number > self.justified.number
                || (self.proof.is_none() && link.target == self.justified)
                || (link.certifies() && link.source.number > self.finalized.number))
    }

    fn count<B: Branches>(&mut self, head: Checkpoint, branches: &B, progress: &mut Progress) -> Result<(), B::Error> {
        loop {
            // Ascending, so that certificates come out in order.
            let links: Vec<Link> =
                self.tally.links().map(|(link, _)| *link).filter(|link| self.is_news(link)).collect();
            let links: std::collections::BTreeSet<Link> = links.into_iter().collect();
            let mut moved = false;
            for link in links {
                if !self.is_news(&link) {
                    continue;
                }
                let Some(votes) = self.tally.votes(&link).cloned() else { continue };
                moved |= self.judge(&link, &votes, head, branches, progress)?;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Whether the votes are a quorum that we did not know of. A quorum on a link shows that its source is justified as
    /// well: an honest key is among them, and signs no other source.
    fn judge<B: Branches>(
        &mut self,
        link: &Link,
        votes: &BTreeMap<Address, Vote>,
        head: Checkpoint,
        branches: &B,
        progress: &mut Progress,
    ) -> Result<bool, B::Error> {
        let signed = |member: Address| votes.contains_key(&member);
        let Some(found) = branches.ancestor(link.target, link.source.number)? else {
            let higher = progress.wanted.is_none_or(|wanted| link.target.number > wanted.number);
            if higher && self.voters(head, branches)?.approves(signed) {
                progress.wanted = Some(link.target);
            }
            return Ok(false);
        };
        if found != link.source.hash || branches.history(link.source)?.map(|history| history.0) != Some(link.history) {
            return Ok(false);
        }
        if !branches.descends(link.target, self.finalized)? {
            if link.certifies() && self.voters(head, branches)?.approves(signed) {
                progress.contradiction = Some(Certificate::new(*link, votes));
            }
            return Ok(false);
        }
        let number = link.target.number.saturating_sub(1);
        let Some(hash) = branches.ancestor(link.target, number)? else { return Ok(false) };
        let electorate = branches.electorate(self.finalized, Checkpoint { number, hash })?;
        if !electorate.is_some_and(|electorate| electorate.approves(signed)) {
            return Ok(false);
        }
        let proof = Certificate::new(*link, votes);
        let certified = link.certifies() && link.source.number > self.finalized.number;
        if certified {
            self.finalized = link.source;
            self.tally.prune(link.source.number.saturating_sub(BEHIND));
            progress.certificates.push(proof.clone());
        }
        let stray = certified && !branches.descends(self.justified, self.finalized)?;
        let proven = self.proof.is_none() && link.target == self.justified;
        if stray || proven || link.target.number > self.justified.number {
            self.justified = link.target;
            self.proof = Some(proof.clone());
            progress.justified = Some(proof);
        }
        Ok(true)
    }
}

/// How far apart the heights are that are voted for while the justified block is `lag` below the head: 1, then 2, 4 and 8.
const fn stride(lag: BlockNumber) -> BlockNumber {
    match lag {
        0..=3 => 1,
        4..=7 => 2,
        8..=31 => 4,
        _ => 8,
    }
}
