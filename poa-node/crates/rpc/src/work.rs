//! Where handlers run: a bounded part of tokio's blocking threads, never the threads that drive sockets.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Answer, Failure};

/// When a place is likely to be free.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How many requests run at once, and how many may wait. A flood of reads meets this limit long before the machine's, so
/// that consensus keeps its share.
#[derive(Clone, Debug)]
pub(crate) struct WorkPool {
    /// Running and waiting together; when none is left, the request is refused at once.
    admitted: Arc<Semaphore>,
    /// Running; when none is left, the request waits.
    workers: Arc<Semaphore>,
    /// Requests that have a worker.
    running: Gauge,
}

/// Counted as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn new(running: Gauge) -> Self {
        running.inc();
        Self(running)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl WorkPool {
    /// At most `workers` run at once, which `running` counts, and `queued` more wait.
    pub(crate) fn new(workers: usize, queued: usize, running: Gauge) -> Self {
        let workers = workers.max(1);
        Self {
            admitted: Arc::new(Semaphore::new(workers.saturating_add(queued).min(Semaphore::MAX_PERMITS))),
            workers: Arc::new(Semaphore::new(workers)),
            running,
        }
    }

    /// Takes a place among what runs and waits.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is none.
    pub(crate) fn admit(&self) -> Answer<OwnedSemaphorePermit> {
        Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Failure::Busy {
            message: "too many requests are waiting on this node, try again later".to_owned(),
            reason: "NODE_BUSY",
            retry_after: Some(RETRY_AFTER),
        })
    }

    /// Runs `work` on a blocking thread and waits for it.
    ///
    /// Dropping the future (the client went away) does not stop work that has begun, but what listens to
    /// [`crate::cancel`]; it keeps its place until it ends.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too much waits already, [`Failure::Internal`] when `work` panics, else what it returns.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
        let admitted = self.admit()?;
        let running = self.running.clone();
        self.run_waiting(move || {
            let (_place, _counted) = (admitted, Counted::new(running));
            work()
        })
        .await
    }

    /// As [`Self::run`], but waits for a worker however many wait already: for the node's own subscriptions, whose number
    /// is limited elsewhere.
    ///
    /// # Errors
    /// [`Failure::Internal`] when `work` panics, else what it returns.
    pub(crate) async fn run_waiting<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let worker = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .map_err(|_| Failure::Internal("the node is stopping".to_owned()))?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = worker;
            work()
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an RPC handler panicked");
            Err(Failure::Internal("the request could not be completed".to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use prometheus_client::metrics::gauge::Gauge;

    use super::WorkPool;
    use crate::error::{Failure, INTERNAL, LIMIT};

    #[tokio::test]
    async fn refuses_what_exceeds_workers_and_queue() {
        let pool = WorkPool::new(1, 1, Gauge::default());
        let (release, wait) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || Ok(wait.recv_timeout(Duration::from_secs(10)).is_ok())).await }
        });
        while pool.running.get() == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| Ok(2)).await }
        });
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| Ok(3)).await.unwrap_err().code(), LIMIT);
        release.send(()).unwrap();
        assert!(running.await.unwrap().unwrap());
        assert_eq!(waiting.await.unwrap().unwrap(), 2);
        assert_eq!(pool.run(|| Ok(4)).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_frees_its_place() {
        let pool = WorkPool::new(1, 0, Gauge::default());
        for _ in 0..3 {
            let failure: Failure = pool.run::<()>(|| panic!("a handler's bug")).await.unwrap_err();
            assert_eq!((failure.code(), pool.running.get()), (INTERNAL, 0));
        }
    }
}
