//! Where sent transactions wait for the threads that check and pool them: a queue that is drained in batches, so that many
//! small requests cost as little as one large one.
//!
//! ```text
//! HTTP tasks ─submit─▶ queue ─▶ thread: all that waits ─▶ decode ─▶ recover (parallel) ─▶ Pool::add_many ─▶ each its answers
//! ```

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use alloy::primitives::B256;
use aurum_chain::{Grant, Submit};
use aurum_pool::yield_to_blocks;
use aurum_types::decode_transaction;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    context::Context,
    error::{Answer, Failure},
};

/// One pools while the other recovers; recovery itself spreads over all cores.
const THREADS: usize = 2;
/// Transactions taken out of the queue at once.
const BATCH: usize = 512;
/// Transactions in the queue, of all requests: about a quarter of a second of two cores. More are refused.
const QUEUED: usize = 16_384;
/// When the queue has room again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The transactions of one request.
struct Job {
    grant: Grant<Submit>,
    /// EIP-2718 forms.
    raw: Vec<Vec<u8>>,
    answers: oneshot::Sender<Vec<Answer<B256>>>,
    /// The request's place among all that the server works on.
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Transactions in `jobs`.
    transactions: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while holding the queue")
    }

    /// Waits for jobs and takes a batch of them; `None` once the queue is closed and empty.
    fn take(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        while queue.jobs.is_empty() {
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self.filled.wait(queue).expect("nothing panics while holding the queue");
            queue.idle -= 1;
        }
        let (mut taken, mut transactions) = (Vec::new(), 0);
        while let Some(job) = queue.jobs.pop_front_if(|job| transactions == 0 || transactions + job.raw.len() <= BATCH)
        {
            transactions += job.raw.len();
            taken.push(job);
        }
        queue.transactions -= transactions;
        Some(taken)
    }
}

/// The queue and its threads, which end when it is dropped.
pub(crate) struct Intake {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("queued", &self.shared.queue().transactions).finish_non_exhaustive()
    }
}

impl Intake {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(context: &Arc<Context>) -> io::Result<Self> {
        let mut intake = Self { shared: Arc::default(), threads: Vec::new() };
        for index in 0..THREADS {
            let (shared, context) = (Arc::clone(&intake.shared), Arc::clone(context));
            let thread = thread::Builder::new().name(format!("rpc-intake-{index}")).spawn(move || {
                yield_to_blocks();
                while let Some(jobs) = shared.take() {
                    run(&context, jobs);
                }
            })?;
            intake.threads.push(thread);
        }
        Ok(intake)
    }

    /// Decodes and pools transactions; an answer to each, in their order.
    ///
    /// # Errors
    /// [`Failure::Busy`] at once if too many wait already, [`Failure::Internal`] if checking them panics.
    pub(crate) async fn submit(
        &self,
        grant: Grant<Submit>,
        raw: Vec<Vec<u8>>,
        place: OwnedSemaphorePermit,
    ) -> Answer<Vec<Answer<B256>>> {
        let (answers, answered) = oneshot::channel();
        {
            let mut queue = self.shared.queue();
            let waiting = queue.transactions;
            if waiting > 0 && waiting + raw.len() > QUEUED {
                return Err(Failure::Busy {
                    message: format!("node is busy: {waiting} transactions wait to be checked, try again later"),
                    reason: "NODE_BUSY",
                    retry_after: Some(RETRY_AFTER),
                });
            }
            queue.transactions += raw.len();
            queue.jobs.push_back(Job { grant, raw, answers, _place: place });
            if queue.idle > 0 {
                self.shared.filled.notify_one();
            }
        }
        answered.await.map_err(|_| Failure::Internal("the request could not be completed".to_owned()))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that takes transactions in panicked");
            }
        }
    }
}

/// Checks and pools the transactions of some requests together. A panic ends in an error for each of them.
fn run(context: &Context, jobs: Vec<Job>) {
    let pooled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool(context, jobs)));
    if pooled.is_err() {
        tracing::error!("taking transactions in panicked");
    }
}

fn pool(context: &Context, jobs: Vec<Job>) {
    let mut sent = Vec::new();
    let mut refused: Vec<Vec<Option<Failure>>> = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let mut decode = |raw: &Vec<u8>| match decode_transaction(raw) {
            Ok(tx) => {
                sent.push((job.grant.clone(), tx));
                None
            }
            Err(error) => Some(Failure::from(error)),
        };
        refused.push(job.raw.iter().map(&mut decode).collect());
    }
    let mut pooled = context.submit_many(sent).into_iter();
    let mut next = || pooled.next().expect("one answer to each transaction");
    for (job, refused) in jobs.into_iter().zip(refused) {
        let answers = refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect();
        // Whoever asked may be gone.
        let _ = job.answers.send(answers);
    }
}
