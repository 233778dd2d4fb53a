//! The thread that follows the clock.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aurum_chain::Fault;

use super::{Author, EmptyBlocks, NoBlock, ResealOn};

/// How often a waiting author looks whether a transaction has come, when empty blocks are suppressed.
const LOOK_FOR_TRANSACTIONS: Duration = Duration::from_millis(100);

/// The thread that follows the clock. Dropping it stops and joins it.
#[derive(Debug)]
pub struct AuthorThread {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorThread {
    /// Starts sealing; what ends it for good comes out of `faults`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(author: Arc<Author>, faults: tokio::sync::mpsc::Sender<Fault>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let run = move || author.follow(&stopped, &faults);
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
enum Turn {
    /// The step is used, or not ours.
    Done,
    /// There was nothing to seal; a transaction may come.
    Waiting,
}

impl Author {
    /// Follows the clock until `stop` hangs up.
    fn follow(&self, stop: &mpsc::Receiver<()>, faults: &tokio::sync::mpsc::Sender<Fault>) {
        let mut seen = None;
        loop {
            let step = self.steps.step_at(self.clock.now());
            let is_new = seen.as_ref().is_none_or(|(last, _)| *last != step);
            let is_woken = matches!(seen, Some((_, Turn::Waiting))) && self.is_worth_resealing();
            if is_new || is_woken {
                let turn = match self.try_seal(step) {
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
            let next = self.steps.start_of(step.next()).saturating_sub(self.clock.now());
            let most = match seen {
                Some((_, Turn::Waiting)) => LOOK_FOR_TRANSACTIONS,
                _ => Duration::from_secs(1),
            };
            match stop.recv_timeout(next.min(most).max(Duration::from_millis(1))) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether a transaction waits for which a step that has begun is used all the same.
    fn is_worth_resealing(&self) -> bool {
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
