//! The blocks that are not final yet, on all branches, and which of them are canonical.
//!
//! ```text
//!  anchor … low ─▶ … ─▶ persisted tip ─▶ ○ ─▶ ○ ─▶ head      bodies, receipts and changes in memory
//!  final    links only           └─▶ ○    └─▶ ○               other branches
//! ```
//!
//! Below the persisted tip only *links* (header, score, engine) are held: what a branch that starts there needs. The
//! anchor is the newest block that is both final and persisted; while finality stalls, links between it and `low` are
//! left out of memory and made again from the database when a branch needs them ([`Recent::reach_down`]).

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{B256, map::HashMap};
use aurum_aura::EngineState;
use aurum_types::{BlockNumber, CommittedBlock, Header, Score};

use crate::{BlockRef, Head};

/// What a child needs to know of its parent.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) hash: B256,
    pub(crate) header: Header,
    /// Total score up to and with this block.
    pub(crate) score: Score,
    /// The engine after this block.
    pub(crate) engine: EngineState,
    /// The newest block of this branch that is final by this block.
    pub(crate) finalized: BlockRef,
}

impl Link {
    pub(crate) const fn at(&self) -> BlockRef {
        BlockRef { number: self.header.number, hash: self.hash }
    }
}

/// A block of the tree; `block` is `None` once it is persisted.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) link: Arc<Link>,
    pub(crate) block: Option<Arc<CommittedBlock>>,
}

/// The way from one head to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The last block both have.
    pub(crate) fork: BlockRef,
    /// Old branch above the fork, ascending.
    pub(crate) retracted: Vec<BlockRef>,
    /// New branch above the fork, ascending.
    pub(crate) enacted: Vec<BlockRef>,
}

/// Links kept below the persisted tip for branches that start there.
const LINKS_BELOW_TIP: u64 = 256;

/// The higher of two blocks of one branch.
const fn higher(a: BlockRef, b: BlockRef) -> BlockRef {
    if a.number > b.number { a } else { b }
}

/// The tree (see the module's drawing).
#[derive(Debug)]
pub(crate) struct Recent {
    nodes: HashMap<B256, Node>,
    /// Canonical blocks from `low` to the head, without gaps; each has its node.
    canonical: BTreeMap<BlockNumber, B256>,
    /// Canonical transactions above the persisted tip: block, place in it.
    transactions: HashMap<B256, (B256, usize)>,
    anchor: Arc<Link>,
    /// Links from here on stay while an import works on a branch that starts there.
    pinned: Option<BlockNumber>,
    persisted: BlockRef,
    head: Head,
    /// Whether certificates make blocks final, instead of rolling finality.
    certificates: bool,
    /// The highest block that a quorum voted for; canonical. Branches without it do not win.
    justified: BlockRef,
}

impl Recent {
    /// The tree after opening: nothing above the persisted tip. `anchor` is the tip itself unless finality lags behind it.
    pub(crate) fn new(anchor: Link, tip: Link) -> Self {
        let (latest, finalized) = (tip.at(), anchor.at());
        Self {
            canonical: [(latest.number, latest.hash)].into(),
            nodes: [(latest.hash, Node { link: Arc::new(tip), block: None })].into_iter().collect(),
            transactions: HashMap::default(),
            anchor: Arc::new(anchor),
            pinned: None,
            persisted: latest,
            head: Head { latest, safe: finalized, finalized },
            certificates: false,
            justified: finalized,
        }
    }

    /// The tree of a chain on which certificates decide what is final.
    pub(crate) fn with_certificates(mut self) -> Self {
        self.certificates = true;
        let rolling = self.head_link().finalized;
        self.head.safe = higher(rolling, self.head.finalized);
        self.finalize_alone();
        self
    }

    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    pub(crate) const fn persisted(&self) -> BlockRef {
        self.persisted
    }

    /// The newest block that is both final and persisted.
    pub(crate) const fn anchor(&self) -> &Arc<Link> {
        &self.anchor
    }

    /// The lowest canonical block in the tree.
    pub(crate) fn low(&self) -> BlockNumber {
        self.canonical.first_key_value().map_or(self.persisted.number, |(number, _)| *number)
    }

    pub(crate) fn node(&self, hash: B256) -> Option<&Node> {
        self.nodes.get(&hash)
    }

    pub(crate) fn link(&self, hash: B256) -> Option<&Arc<Link>> {
        self.nodes.get(&hash).map(|node| &node.link)
    }

    pub(crate) fn head_link(&self) -> &Arc<Link> {
        self.link(self.head.latest.hash).expect("the head is in the tree as long as it is the head")
    }

    /// The canonical hash of a block that the tree holds.
    pub(crate) fn canonical_hash(&self, number: BlockNumber) -> Option<B256> {
        self.canonical.get(&number).copied()
    }

    pub(crate) fn is_canonical(&self, at: BlockRef) -> bool {
        self.canonical_hash(at.number) == Some(at.hash)
    }

    /// Block and place of a canonical transaction above the persisted tip.
    pub(crate) fn locate(&self, transaction: B256) -> Option<(&Arc<CommittedBlock>, usize)> {
        let (block, index) = self.transactions.get(&transaction)?;
        Some((self.nodes.get(block)?.block.as_ref()?, *index))
    }

    /// The canonical block from which the branch that ends in `hash` starts (itself, if canonical); `None` if the tree does
    /// not reach down to it.
    pub(crate) fn fork_of(&self, hash: B256) -> Option<BlockRef> {
        let mut cursor = hash;
        loop {
            let at = self.link(cursor)?.at();
            if self.is_canonical(at) {
                return Some(at);
            }
            cursor = self.link(cursor)?.header.parent_hash;
        }
    }

    /// Whether the branch that ends in `hash` contains every block that is final.
    pub(crate) fn keeps_finality(&self, hash: B256) -> bool {
        self.fork_of(hash).is_some_and(|fork| fork.number >= self.head.finalized.number)
    }

    /// Whether the branch that ends in `hash` contains the highest justified block.
    pub(crate) fn keeps_justified(&self, hash: B256) -> bool {
        !self.certificates || self.fork_of(hash).is_some_and(|fork| fork.number >= self.justified.number)
    }

    /// The heaviest block of the tree on top of `hash`, or itself; of equal ones any.
    pub(crate) fn best_above(&self, hash: B256) -> Option<B256> {
        let mut above = HashMap::<B256, ()>::default();
        above.insert(hash, ());
        let from = self.link(hash)?;
        let mut links: Vec<_> = self.nodes.values().map(|node| &node.link).collect();
        links.retain(|link| link.header.number > from.header.number);
        links.sort_unstable_by_key(|link| link.header.number);
        let mut best = from;
        for link in links {
            if above.contains_key(&link.header.parent_hash) {
                above.insert(link.hash, ());
                if link.score > best.score {
                    best = link;
                }
            }
        }
        Some(best.hash)
    }

    /// From now on only branches with this canonical block win.
    pub(crate) fn justify(&mut self, at: BlockRef) {
        if at.number >= self.justified.number {
            self.justified = at;
        }
    }

    /// Makes a canonical block final by its certificate.
    pub(crate) fn certify(&mut self, at: BlockRef) -> Head {
        if at.number > self.head.finalized.number {
            self.head.finalized = at;
        }
        self.justify(self.head.finalized);
        self.finalize_alone();
        self.head.safe = higher(self.head.safe, self.head.finalized);
        self.head
    }

    /// On top of a final block, a lone authority's block is final at once: it contradicts nobody.
    fn finalize_alone(&mut self) {
        while let Some(next) = self.canonical_hash(self.head.finalized.number + 1)
            && self.link(self.head.finalized.hash).is_some_and(|link| link.engine.child_validators().len() == 1)
        {
            self.head.finalized = BlockRef { number: self.head.finalized.number + 1, hash: next };
        }
        self.head.safe = higher(self.head.safe, self.head.finalized);
    }

    /// Keeps what the branch that ends in `hash` starts from until [`Self::unpin`]. `false` if the branch lacks a final
    /// block.
    pub(crate) fn pin_branch(&mut self, hash: B256) -> bool {
        let keeps = self.keeps_finality(hash);
        self.pinned = self.fork_of(hash).filter(|_| keeps).map(|fork| fork.number);
        keeps
    }

    /// Keeps canonical links from `number` on until [`Self::unpin`].
    pub(crate) fn pin(&mut self, number: BlockNumber) {
        self.pinned = Some(number);
    }

    /// Ends a pin.
    pub(crate) fn unpin(&mut self) {
        self.pinned = None;
    }

    /// Adds a block beside whatever is there; the head stays.
    pub(crate) fn insert(&mut self, link: Arc<Link>, block: Arc<CommittedBlock>) {
        self.nodes.insert(link.hash, Node { link, block: Some(block) });
    }

    /// Adds canonical links below [`Self::low`]; `links` ascend and end right below it.
    pub(crate) fn reach_down(&mut self, links: Vec<Link>) {
        for link in links {
            self.canonical.insert(link.header.number, link.hash);
            self.nodes.insert(link.hash, Node { link: Arc::new(link), block: None });
        }
    }

    /// The way from the head to `to`; `None` if the branches do not meet in the tree.
    pub(crate) fn route_to(&self, to: B256) -> Option<Route> {
        let fork = self.fork_of(to)?;
        let mut enacted = Vec::new();
        let mut cursor = to;
        while cursor != fork.hash {
            let link = self.link(cursor)?;
            enacted.push(link.at());
            cursor = link.header.parent_hash;
        }
        enacted.reverse();
        let above = self.canonical.range(fork.number + 1..);
        let retracted = above.map(|(number, hash)| BlockRef { number: *number, hash: *hash }).collect();
        Some(Route { fork, retracted, enacted })
    }

    /// Makes the end of `route` the head. Finality never moves back.
    pub(crate) fn follow(&mut self, route: &Route) -> Head {
        for block in &route.retracted {
            self.canonical.remove(&block.number);
            self.forget_transactions(block.hash);
        }
        for block in &route.enacted {
            self.canonical.insert(block.number, block.hash);
            let Some(body) = self.nodes.get(&block.hash).and_then(|node| node.block.as_ref()) else { continue };
            for (index, transaction) in body.sealed().block().transactions.iter().enumerate() {
                self.transactions.insert(*transaction.tx_hash(), (block.hash, index));
            }
        }
        let latest = route.enacted.last().copied().unwrap_or(route.fork);
        let by_branch = self.link(latest.hash).map_or(self.head.finalized, |link| link.finalized);
        let rolling = higher(by_branch, self.head.finalized);
        if self.certificates {
            // What rolling finality says of the branch left does not bind: that is what certificates are for.
            self.head = Head { latest, safe: rolling, finalized: self.head.finalized };
            self.finalize_alone();
        } else {
            self.head = Head { latest, safe: rolling, finalized: rolling };
        }
        self.head
    }

    /// At most `most` canonical blocks above the persisted tip, up to `number`, ascending, with the link of the last.
    pub(crate) fn unpersisted_up_to(
        &self,
        number: BlockNumber,
        most: usize,
    ) -> Option<(Vec<Arc<CommittedBlock>>, Arc<Link>)> {
        let above = self.canonical.range(self.persisted.number + 1..).take_while(|(n, _)| **n <= number).take(most);
        let mut blocks = Vec::new();
        let mut last = None;
        for (_, hash) in above {
            let Some(Node { link, block: Some(block) }) = self.nodes.get(hash) else { break };
            blocks.push(Arc::clone(block));
            last = Some(Arc::clone(link));
        }
        last.map(|last| (blocks, last))
    }

    /// The anchor there will be once `tip` is persisted: the lower of it and the final block.
    pub(crate) fn anchor_after(&self, tip: &Arc<Link>) -> Arc<Link> {
        if self.head.finalized.number >= tip.header.number {
            return Arc::clone(tip);
        }
        if self.head.finalized.number <= self.anchor.header.number {
            return Arc::clone(&self.anchor);
        }
        self.link(self.head.finalized.hash).map_or_else(|| Arc::clone(&self.anchor), Arc::clone)
    }

    /// Moves the persisted tip up to a canonical block: bodies up to it are dropped, and what finality has decided is
    /// forgotten. Returns the blocks of other branches that left the tree.
    pub(crate) fn persisted_to(&mut self, tip: &Arc<Link>) -> Vec<BlockRef> {
        self.anchor = self.anchor_after(tip);
        self.persisted = tip.at();
        let done: Vec<_> = self.canonical.range(..=self.persisted.number).map(|(_, hash)| *hash).collect();
        for hash in done {
            self.forget_transactions(hash);
            if let Some(node) = self.nodes.get_mut(&hash) {
                node.block = None;
            }
        }
        self.prune()
    }

    /// Drops branches that leave the chain below the final block, and links nobody needs.
    fn prune(&mut self) -> Vec<BlockRef> {
        let mut side: Vec<_> =
            self.nodes.values().map(|node| &node.link).filter(|link| !self.is_canonical(link.at())).collect();
        side.sort_unstable_by_key(|link| link.header.number);
        let mut forks: HashMap<B256, BlockNumber> = HashMap::default();
        let mut dead = Vec::new();
        let mut needed = self.persisted.number.saturating_sub(LINKS_BELOW_TIP).min(self.pinned.unwrap_or(u64::MAX));
        for link in side {
            let parent = BlockRef { number: link.header.number.saturating_sub(1), hash: link.header.parent_hash };
            let fork = if self.is_canonical(parent) { Some(parent.number) } else { forks.get(&parent.hash).copied() };
            match fork.filter(|fork| *fork >= self.head.finalized.number) {
                Some(fork) => {
                    forks.insert(link.hash, fork);
                    needed = needed.min(fork);
                }
                None => dead.push(link.at()),
            }
        }
        for block in &dead {
            self.nodes.remove(&block.hash);
        }
        let needed = needed.max(self.anchor.header.number);
        while let Some(entry) = self.canonical.first_entry()
            && *entry.key() < needed
        {
            self.nodes.remove(&entry.remove());
        }
        dead
    }

    /// After the database was unwound to `tip`: it is the persisted tip again, and every block whose state hung on the
    /// unwound part leaves the tree. Call after [`Self::follow`]. Returns those blocks.
    pub(crate) fn unwound_to(&mut self, tip: BlockRef, retracted: &[BlockRef]) -> Vec<BlockRef> {
        self.persisted = tip;
        let mut dead: Vec<BlockRef> = retracted.to_vec();
        for block in retracted {
            self.nodes.remove(&block.hash);
        }
        // Branches that grew on the unwound part, children before grandchildren.
        let mut side: Vec<_> = self.nodes.values().map(|node| Arc::clone(&node.link)).collect();
        side.sort_unstable_by_key(|link| link.header.number);
        for link in side {
            if link.header.number > tip.number && self.link(link.header.parent_hash).is_none() {
                self.nodes.remove(&link.hash);
                dead.push(link.at());
            }
        }
        dead
    }

    fn forget_transactions(&mut self, block: B256) {
        let Some(body) = self.nodes.get(&block).and_then(|node| node.block.as_ref()) else { return };
        for transaction in &body.sealed().block().transactions {
            // A transaction may stand in a block of the new branch already; only this block's entry goes.
            if self.transactions.get(transaction.tx_hash()).is_some_and(|(at, _)| *at == block) {
                self.transactions.remove(transaction.tx_hash());
            }
        }
    }
}
