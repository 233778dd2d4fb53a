//! When a development chain makes a block.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aurum_aura::{Clock as _, StepSchedule};
use aurum_chain::{BlockRef, Chain, Checkpoint, Development, Edit, Fault, RewindError};
use aurum_types::Step;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, watch},
    task,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{DevClock, Reading};
use crate::author::{Author, NoBlock};

/// When blocks are made without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// As soon as a transaction waits.
    pub automine: bool,
    /// Every so often.
    pub interval: Option<Duration>,
}

impl Mode {
    /// At an interval, or else as soon as a transaction waits.
    pub const fn of(block_time: Option<Duration>) -> Self {
        Self { automine: block_time.is_none(), interval: block_time }
    }
}

/// Makes blocks at the next free step, whatever the time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Miner {
    chain: Chain,
    author: Arc<Author>,
    clock: Arc<DevClock>,
    steps: Arc<StepSchedule>,
    mode: watch::Sender<Mode>,
    /// Held by whoever makes a block or takes some off.
    turn: Arc<Mutex<()>>,
}

impl Miner {
    /// A miner for `chain`, whose clock is `clock`.
    pub fn new(chain: Chain, author: Arc<Author>, clock: Arc<DevClock>, mode: Mode) -> Self {
        let steps = Arc::new(StepSchedule::new(&chain.spec().engine));
        Self { chain, author, clock, steps, mode: watch::Sender::new(mode), turn: Arc::default() }
    }

    /// One block, now. Blocks the thread while it is built.
    ///
    /// # Errors
    /// [`NoBlock`].
    pub fn mine(&self) -> Result<BlockRef, NoBlock> {
        let _turn = self.turn();
        self.at_next_step(|step| self.author.try_seal(step))
    }

    /// One block, whose state has these edits, and nothing else. Its time is the earliest after the head's: an edit
    /// takes no time elsewhere, and the time that was set for the next block stays set.
    ///
    /// # Errors
    /// [`NoBlock`].
    pub fn edit(&self, development: Development, edits: &[Edit]) -> Result<BlockRef, NoBlock> {
        let _turn = self.turn();
        let (before, step) = (self.clock.read(), self.used()?.next());
        self.clock.pin(self.steps.start_of(step));
        let block = self.at_next_step(|step| self.author.seal_edits(development, step, edits));
        self.clock.turn_back(before, self.steps.start_of(self.used()?));
        block
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last step that has a block, or was tried.
    fn used(&self) -> Result<Step, Fault> {
        let parent = self.chain.authoring()?.parent().step().unwrap_or_default();
        Ok(self.author.status().last_sealed.map_or(parent, |(step, _)| step.max(parent)))
    }

    fn at_next_step(&self, seal: impl FnOnce(Step) -> Result<BlockRef, NoBlock>) -> Result<BlockRef, NoBlock> {
        let step = self.steps.step_at(self.clock.now()).max(self.used()?.next());
        self.clock.raise(self.steps.start_of(step));
        let block = seal(step);
        if block.is_ok() {
            self.clock.release();
        }
        block
    }

    /// The present, to be gone back to.
    pub fn checkpoint(&self) -> (Checkpoint, Reading) {
        let _turn = self.turn();
        (self.chain.checkpoint(), self.clock.read())
    }

    /// Takes chain, pool and clock back to where they were.
    ///
    /// # Errors
    /// [`RewindError`].
    pub fn rewind(&self, development: Development, (to, reading): &(Checkpoint, Reading)) -> Result<(), RewindError> {
        let _turn = self.turn();
        self.author.rewind(development, to)?;
        let floor = self.steps.start_of(to.step().unwrap_or_default());
        self.clock.turn_back(*reading, floor);
        Ok(())
    }

    /// Takes chain, pool and clock back to the beginning: genesis, and the machine's time.
    ///
    /// # Errors
    /// [`RewindError`].
    pub fn start_over(&self, development: Development) -> Result<(), RewindError> {
        let _turn = self.turn();
        self.author.rewind(development, &self.chain.genesis_checkpoint(development)?)?;
        self.clock.turn_back(DevClock::default().read(), Duration::ZERO);
        Ok(())
    }

    /// When blocks are made without being asked for.
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Changes that.
    pub fn set_mode(&self, change: impl FnOnce(&mut Mode)) {
        self.mode.send_modify(change);
    }

    /// The chain.
    pub const fn chain(&self) -> &Chain {
        &self.chain
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

    /// Makes blocks until the token is cancelled, as its [`Mode`] says.
    pub async fn run(self, faults: mpsc::Sender<Fault>, shutdown: CancellationToken) {
        let mut modes = self.mode.subscribe();
        loop {
            let mode = *modes.borrow_and_update();
            let fault = tokio::select! {
                () = shutdown.cancelled() => return,
                // We hold the sender: it cannot be gone.
                _ = modes.changed() => continue,
                fault = self.at_interval(mode.interval) => fault,
                fault = self.on_transactions(), if mode.automine => fault,
            };
            // Nobody listens any more if the node is stopping already.
            let _ = faults.try_send(fault);
            return;
        }
    }

    async fn at_interval(&self, every: Option<Duration>) -> Fault {
        let Some(every) = every else { return std::future::pending().await };
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
