//! The thread that follows the clock. It sleeps until something happens: a step, a head, or, while a block of ours can
//! grow, a transaction.

use std::{
    collections::HashSet,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use alloy::primitives::Address;
use aurum_chain::{Chain, Fault, Head};
use aurum_pool::Newly;
use aurum_types::Step;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{
        broadcast::{self, error::TryRecvError},
        oneshot, watch,
    },
    time::sleep,
};

use super::{
    Author, EmptyBlocks, NoBlock, ResealOn,
    ahead::Begun,
    build::{Candidate, Filled},
};

/// How long the thread sleeps at most: the clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// For how long transactions are gathered after the first that came, so that a flood does not wake the thread for each.
const GATHER: Duration = Duration::from_millis(10);

/// The thread that follows the clock. Dropping it stops and joins it.
#[derive(Debug)]
pub struct AuthorThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorThread {
    /// Starts sealing; what ends it for good comes out of `faults`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(author: Arc<Author>, faults: tokio::sync::mpsc::Sender<Fault>) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        // revm's memory belongs to one thread, so blocks are built on it, and its waits have a runtime of their own.
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let run = move || author.follow(&runtime, stopped, &faults);
        let thread = thread::Builder::new().name("author".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for AuthorThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread does when it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The step is used, or not ours.
    Done,
    /// There was nothing to seal; a transaction may come.
    Waiting,
}

/// What the block of the next step waits for.
enum Growth {
    /// Nothing: it is not ours, or full.
    None,
    /// To be begun after this time.
    Later(Duration),
    /// Further transactions.
    Drained,
    /// Time.
    Unfinished,
}

/// What the thread is woken by besides the clock.
struct News {
    head: watch::Receiver<Head>,
    pooled: broadcast::Receiver<Newly>,
    /// Who sent what was heard of already.
    senders: HashSet<Address>,
    /// Transactions came faster than they were heard of.
    missed: bool,
}

impl News {
    fn of(chain: &Chain) -> Self {
        let (head, pooled) = (chain.watch_head(), chain.pool().subscribe());
        Self { head, pooled, senders: HashSet::new(), missed: false }
    }

    /// Forgets what came until now.
    fn start_anew(&mut self) {
        self.pooled = self.pooled.resubscribe();
        self.senders.clear();
        self.missed = false;
    }

    /// Sleeps until the time is over, the head moves, or, if they are of interest, transactions come. `None`: the author
    /// is to stop.
    async fn wait(&mut self, time: Duration, transactions: bool, stop: &mut oneshot::Receiver<()>) -> Option<()> {
        tokio::select! {
            biased;
            _ = stop => return None,
            // The chain is held by the author and cannot end.
            _ = self.head.changed() => {}
            first = self.pooled.recv(), if transactions => {
                match first {
                    Ok(newly) => self.hear(&newly),
                    Err(_) => self.missed = true,
                }
                sleep(GATHER.min(time)).await;
                self.gather();
            }
            () = sleep(time) => {}
        }
        Some(())
    }

    fn hear(&mut self, newly: &Newly) {
        self.senders.extend(newly.iter().map(|tx| tx.sender()));
    }

    fn gather(&mut self) {
        loop {
            match self.pooled.try_recv() {
                Ok(newly) => self.hear(&newly),
                Err(TryRecvError::Lagged(_)) => self.missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Tells the candidate of all that came.
    fn tell(&mut self, candidate: &mut Candidate) {
        self.gather();
        if std::mem::take(&mut self.missed) {
            self.senders.clear();
            candidate.hear_of_all();
        }
        self.senders.drain().for_each(|sender| candidate.hear_of(sender));
    }
}

impl Author {
    /// Follows the clock until `stop` hangs up.
    fn follow(&self, runtime: &Runtime, mut stop: oneshot::Receiver<()>, faults: &tokio::sync::mpsc::Sender<Fault>) {
        let mut news = News::of(&self.chain);
        let mut seen = None;
        let mut ahead: Option<Box<Candidate>> = None;
        loop {
            news.head.mark_unchanged();
            let step = self.steps.step_at(self.clock.now());
            let is_new = seen.is_none_or(|(last, _)| last != step);
            let is_woken = matches!(seen, Some((_, Turn::Waiting))) && self.is_worth_resealing();
            if is_new || is_woken {
                if let Some(candidate) = &mut ahead {
                    news.tell(candidate);
                }
                let turn = match self.seal(step, ahead.take().map(|candidate| *candidate)) {
                    Err(NoBlock::NothingToSeal) => Turn::Waiting,
                    Err(NoBlock::Fault(fault)) => {
                        // The disk or the state failed: a node that cannot write must not go on as if it could.
                        let _ = faults.try_send(fault);
                        return;
                    }
                    _ => Turn::Done,
                };
                seen = Some((step, turn));
            }
            if let Err(fault) = self.send_reports() {
                let _ = faults.try_send(fault);
                return;
            }
            let is_waiting = matches!(seen, Some((_, Turn::Waiting)));
            let (until, transactions) = match self.grow(&mut ahead, step.next(), &mut news) {
                Growth::None => (LONGEST_SLEEP, is_waiting),
                Growth::Later(time) => (time, is_waiting),
                Growth::Drained => (LONGEST_SLEEP, true),
                Growth::Unfinished => (Duration::ZERO, false),
            };
            let next = self.steps.start_of(step.next()).saturating_sub(self.clock.now());
            if runtime.block_on(news.wait(until.min(next), transactions, &mut stop)).is_none() {
                return;
            }
        }
    }

    /// Begins or extends the block of `next`, the step after this one.
    fn grow(&self, ahead: &mut Option<Box<Candidate>>, next: Step, news: &mut News) -> Growth {
        if self.steps.start_of(next) == Duration::MAX {
            return Growth::None;
        }
        let current = ahead.take().filter(|candidate| candidate.step() == next && self.is_on_head(candidate));
        let mut candidate = match current {
            Some(mut candidate) => {
                news.tell(&mut candidate);
                candidate
            }
            None => {
                // Before the pool is read: what comes from now on is heard of.
                news.start_anew();
                match self.begin_ahead(next) {
                    Begun::Candidate(candidate) => candidate,
                    Begun::NothingYet => return Growth::Drained,
                    Begun::Later(time) => return Growth::Later(time),
                    Begun::No => return Growth::None,
                }
            }
        };
        let growth = match self.fill_ahead(&mut candidate) {
            Some(Filled::Drained) => Growth::Drained,
            Some(Filled::OutOfTime) => Growth::Unfinished,
            Some(Filled::Full) => Growth::None,
            None => return Growth::None,
        };
        *ahead = Some(candidate);
        growth
    }

    /// Whether a transaction waits for which a step that has begun is used all the same.
    pub(super) fn is_worth_resealing(&self) -> bool {
        let EmptyBlocks::AfterSilence { most, reseal } = self.sealing.empty_blocks else { return false };
        if reseal == ResealOn::All || self.is_silent_for(most) {
            return true;
        }
        let content = self.chain.pool().content();
        content.pending.values().flatten().any(|tx| match reseal {
            ResealOn::None => false,
            ResealOn::Own => tx.origin().is_ours(),
            ResealOn::External => !tx.origin().is_ours(),
            ResealOn::All => true,
        })
    }
}
