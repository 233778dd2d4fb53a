//! One simulated node: the participant of the product, and the node's fork choice around it.

use std::{collections::HashSet, sync::Arc};

use aurum_aura::{
    KeySigner, Signer as _,
    certificate::{Certificate, Checkpoint, Guard, Participant, Progress, Vote},
};

use crate::certificates::world::{Id, Seen, World};

/// What a node wants the others to know.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A block; whoever lacks its ancestors gets them with it, as by sync.
    Block(Id),
    Vote(Vote),
    Proof(Certificate),
}

/// What survives a restart.
#[derive(Default)]
struct Disk {
    guard: Guard,
    finalized: Checkpoint,
    certificates: Vec<Certificate>,
    proof: Option<Certificate>,
}

pub(crate) struct Node {
    pub(crate) signer: Arc<KeySigner>,
    pub(crate) known: HashSet<Id>,
    pub(crate) head: Id,
    pub(crate) participant: Participant,
    pub(crate) sealed: u64,
    disk: Disk,
}

/// What a node did with an event.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) messages: Vec<Message>,
    pub(crate) certified: Vec<Checkpoint>,
    pub(crate) wanted: Option<Checkpoint>,
}

impl Node {
    pub(crate) fn new(world: &World, key: usize) -> Self {
        let signer = Arc::clone(world.key(key));
        let participant = Participant::new(world.domain, Some(signer.address()), 0, Checkpoint::default());
        Self { signer, known: HashSet::from([0]), head: 0, participant, sealed: 0, disk: Disk::default() }
    }

    /// All is lost but the key.
    pub(crate) fn wipe(&mut self, world: &World) {
        self.disk = Disk::default();
        self.known = HashSet::from([0]);
        self.head = 0;
        let key = Some(self.signer.address());
        self.participant = Participant::new(world.domain, key, 0, Checkpoint::default());
    }

    /// All but the disk is lost.
    pub(crate) fn restart(&mut self, world: &World) -> Effects {
        let key = Some(self.signer.address());
        self.participant = Participant::new(world.domain, key, 0, self.disk.finalized);
        self.participant.resume(self.disk.guard);
        let mut effects = Effects::default();
        for proof in [self.disk.certificates.last().cloned(), self.disk.proof.clone()].into_iter().flatten() {
            self.absorb(world, &proof, &mut effects);
        }
        self.choose(world);
        effects
    }

    pub(crate) fn hear(&mut self, world: &World, message: Message) -> Effects {
        let mut effects = Effects::default();
        let news = match message {
            Message::Block(id) => self.learn(world, id),
            Message::Vote(vote) => {
                let head = world.block(self.head).at();
                let seen = Seen { world, known: &self.known };
                let Ok(news) = self.participant.hear(vote, head, &seen);
                news
            }
            Message::Proof(proof) => self.absorb(world, &proof, &mut effects),
        };
        if news {
            self.go_on(world, &mut effects);
        }
        effects
    }

    /// A block of our own.
    pub(crate) fn seal(&mut self, world: &World, id: Id, step: u64) -> Effects {
        self.sealed = step;
        self.learn(world, id);
        let mut effects = Effects { messages: vec![Message::Block(id)], ..Effects::default() };
        self.go_on(world, &mut effects);
        effects
    }

    /// What is said again, in case it was lost.
    pub(crate) fn repeat(&self) -> Vec<Message> {
        let vote = self.participant.last_vote().cloned().map(Message::Vote);
        let proof = self.participant.proof().cloned().map(Message::Proof);
        [Some(Message::Block(self.head)), vote, proof].into_iter().flatten().collect()
    }

    /// The certificates that lead somebody who is at `finalized` up to here: the first after each change of validators,
    /// and the newest.
    pub(crate) fn lead(&self, finalized: u64) -> Vec<Message> {
        let certificates = &self.disk.certificates;
        let above: Vec<_> = certificates.iter().filter(|one| one.link.source.number > finalized).collect();
        let before = certificates.iter().rfind(|one| one.link.source.number <= finalized);
        let mut history = before.map(|one| one.link.history);
        let mut lead = Vec::new();
        for (place, one) in above.iter().enumerate() {
            if history.is_some_and(|history| history != one.link.history) || place + 1 == above.len() {
                lead.push(Message::Proof((*one).clone()));
            }
            history = Some(one.link.history);
        }
        lead
    }

    fn learn(&mut self, world: &World, id: Id) -> bool {
        let news = !self.known.contains(&id);
        let mut cursor = id;
        while self.known.insert(cursor) {
            cursor = world.block(cursor).parent;
        }
        self.consider(world, id);
        news
    }

    /// Whether a branch may be the head: it has all that is final, and the highest justified block if that is known.
    fn keeps(&self, world: &World, id: Id) -> bool {
        [self.participant.finalized(), self.participant.justified()].into_iter().all(|checkpoint| {
            world.id(checkpoint.hash).is_none_or(|at| !self.known.contains(&at) || world.descends(id, at))
        })
    }

    fn consider(&mut self, world: &World, id: Id) {
        let heavier = |a: Id, b: Id| {
            let (a, b) = (world.block(a), world.block(b));
            a.number > b.number || (a.number == b.number && a.step < b.step)
        };
        if self.keeps(world, id) && (heavier(id, self.head) || !self.keeps(world, self.head)) {
            self.head = id;
        }
    }

    fn choose(&mut self, world: &World) {
        if !self.keeps(world, self.head) {
            let mut known: Vec<_> = self.known.iter().copied().collect();
            known.sort_unstable();
            for id in known {
                self.consider(world, id);
            }
        }
    }

    fn absorb(&mut self, world: &World, proof: &Certificate, effects: &mut Effects) -> bool {
        let head = world.block(self.head).at();
        let seen = Seen { world, known: &self.known };
        let Ok(progress) = self.participant.absorb(proof, head, &seen);
        self.note(world, progress.unwrap(), effects)
    }

    /// Counts, then votes, until there is nothing new.
    fn go_on(&mut self, world: &World, effects: &mut Effects) {
        loop {
            let head = world.block(self.head).at();
            let seen = Seen { world, known: &self.known };
            let Ok(progress) = self.participant.settle(head, &seen);
            let moved = self.note(world, progress, effects);
            let head = world.block(self.head).at();
            let seen = Seen { world, known: &self.known };
            let Ok(ballot) = self.participant.ballot(head, &seen);
            let voted = ballot.is_some();
            if let Some((link, guard)) = ballot {
                self.disk.guard = guard;
                let vote = Vote::sign(&world.domain, link, &*self.signer).unwrap();
                self.participant.voted(vote.clone(), guard);
                effects.messages.push(Message::Vote(vote));
            }
            if !moved && !voted {
                return;
            }
        }
    }

    fn note(&mut self, world: &World, progress: Progress, effects: &mut Effects) -> bool {
        let moved = progress.justified.is_some() || !progress.certificates.is_empty();
        for certificate in progress.certificates {
            effects.certified.push(certificate.link.source);
            self.disk.finalized = certificate.link.source;
            self.disk.certificates.push(certificate);
        }
        if let Some(proof) = progress.justified {
            self.disk.proof = Some(proof);
        }
        effects.wanted = progress.wanted.or(effects.wanted);
        if moved {
            self.choose(world);
        }
        moved
    }
}
