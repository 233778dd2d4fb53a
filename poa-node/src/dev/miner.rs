//! When a development chain makes a block.

use std::{sync::Arc, time::Duration};

use aurum_aura::{Clock as _, StepSchedule};
use aurum_chain::{BlockRef, Chain, Fault};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::DevClock;
use crate::author::{Author, NoBlock};

/// Makes blocks at the next free step, whatever the time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Miner {
    chain: Chain,
    author: Arc<Author>,
    clock: Arc<DevClock>,
    steps: Arc<StepSchedule>,
}

impl Miner {
    /// A miner for `chain`, whose clock is `clock`.
    pub fn new(chain: Chain, author: Arc<Author>, clock: Arc<DevClock>) -> Self {
        let steps = Arc::new(StepSchedule::new(&chain.spec().engine));
        Self { chain, author, clock, steps }
    }

    /// One block, now. Blocks the thread while it is built.
    ///
    /// # Errors
    /// [`NoBlock`].
    pub fn mine(&self) -> Result<BlockRef, NoBlock> {
        let parent = self.chain.authoring()?.parent().step().unwrap_or_default();
        let used = self.author.status().last_sealed.map_or(parent, |(step, _)| step.max(parent));
        let step = self.steps.step_at(self.clock.now()).max(used.next());
        self.clock.raise(self.steps.start_of(step));
        let block = self.author.try_seal(step);
        if block.is_ok() {
            self.clock.release();
        }
        block
    }

    /// Moves the chain's time ahead, and tells by how much it is in all.
    pub fn advance_time(&self, by: Duration) -> Duration {
        self.clock.advance(by)
    }

    /// Gives the next block this time (seconds since the Unix epoch); time goes on from there.
    ///
    /// # Errors
    /// The head's time, if that is as late.
    pub fn set_next_time(&self, seconds: u64) -> Result<(), u64> {
        let head = self.chain.authoring().map_or(0, |authoring| authoring.parent().timestamp);
        if seconds <= head {
            return Err(head);
        }
        self.clock.pin(Duration::from_secs(seconds));
        Ok(())
    }

    /// Makes blocks until the token is cancelled: every `block_time`, or as soon as a transaction waits.
    pub async fn run(self, block_time: Option<Duration>, faults: mpsc::Sender<Fault>, shutdown: CancellationToken) {
        let ended = match block_time {
            Some(every) => shutdown.run_until_cancelled(self.at_interval(every)).await,
            None => shutdown.run_until_cancelled(self.on_transactions()).await,
        };
        if let Some(fault) = ended {
            // Nobody listens any more if the node is stopping already.
            let _ = faults.try_send(fault);
        }
    }

    async fn at_interval(&self, every: Duration) -> Fault {
        let mut ticks = interval(every.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(fault) = self.mine_off_thread().await {
                return fault;
            }
        }
    }

    async fn on_transactions(&self) -> Fault {
        let mut pooled = self.chain.pool().subscribe();
        loop {
            loop {
                let before = self.chain.pool().status().pending;
                if before == 0 {
                    break;
                }
                if let Err(fault) = self.mine_off_thread().await {
                    return fault;
                }
                // What no block takes (too low a fee, say) waits for the next transaction, not for more empty blocks.
                if self.chain.pool().status().pending >= before {
                    break;
                }
            }
            match pooled.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    async fn mine_off_thread(&self) -> Result<(), Fault> {
        let miner = self.clone();
        match task::spawn_blocking(move || miner.mine()).await {
            Ok(Err(NoBlock::Fault(fault))) => Err(fault),
            // What else prevents a block is logged where it is found.
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::ThreadEnded("miner")),
        }
    }
}
