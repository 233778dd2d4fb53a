//! The threads that serve JSON-RPC: apart from the node's own, so that what its peers and its blocks need is not behind what
//! clients ask, and less urgent than those.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use aurum_pool::yield_to_blocks;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections the system holds until they are accepted.
const BACKLOG: u32 = 1024;
/// How long handlers may take to notice that nobody waits for them any more.
const HANDLERS_GRACE: Duration = Duration::from_secs(2);

/// How urgent threads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// As what imports blocks.
    Usual,
    /// Behind what imports blocks ([`yield_to_blocks`]).
    Yielding,
}

/// A runtime on threads of its own. They end when its token is cancelled and the tasks that were given to it have ended.
/// Dropping this cancels the token and waits for them: nothing that a handler holds outlives it.
#[derive(Debug)]
pub(crate) struct OwnRuntime {
    handle: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl OwnRuntime {
    /// Starts `workers` threads that drive sockets; handlers get threads of theirs as they are needed, just as urgent.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        name: &'static str,
        workers: usize,
        urgency: Urgency,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let begin = move || match urgency {
            Urgency::Usual => {}
            Urgency::Yielding => yield_to_blocks(),
        };
        let tasks = TaskTracker::new();
        let (started, start) = mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        let (tracked, stopping) = (tasks.clone(), stop.clone());
        // It lives on this thread, since a runtime cannot be dropped where it, or another, runs.
        let thread = thread::Builder::new().name(format!("{name}-end")).spawn(move || {
            let mut builder = Builder::new_multi_thread();
            let builder = builder.worker_threads(workers).thread_name(name).on_thread_start(begin).enable_all();
            let runtime = match builder.build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            // Whoever started it waits for this.
            let _ = started.send(Ok(runtime.handle().clone()));
            runtime.block_on(async {
                stopping.cancelled().await;
                tracked.close();
                tracked.wait().await;
            });
            runtime.shutdown_timeout(HANDLERS_GRACE);
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        let handle = start.recv().map_err(io::Error::other)??;
        Ok(Self { handle, tasks, stop, ended, thread: Some(thread) })
    }

    /// Binds a port whose connections are driven here.
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let _inside = self.handle.enter();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A node that starts again does not wait for what is left of its old connections.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    }

    /// Runs a task here, which ends soon after the token is cancelled.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }

    /// Waits until the threads have ended.
    pub(crate) async fn ended(mut self) {
        // The only error is a panic, printed where it happened.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.stop.cancel();
        // Its panic was printed where it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn nothing_outlives_a_runtime_that_is_dropped() {
        let held = Arc::new(());
        let stop = CancellationToken::new();
        let runtime = OwnRuntime::start("rpc-test", 1, Urgency::Usual, stop.clone()).expect("threads");
        let (in_task, in_connection, in_handler) = (Arc::clone(&held), Arc::clone(&held), Arc::clone(&held));
        let stopped = stop.clone();
        runtime.spawn(async move {
            stopped.cancelled().await;
            drop(in_task);
        });
        // What a connection leaves behind is nobody's to wait for.
        runtime.handle.spawn(async move {
            std::future::pending::<()>().await;
            drop(in_connection);
        });
        let (told, wait) = mpsc::channel::<()>();
        runtime.handle.spawn_blocking(move || {
            assert_eq!(wait.recv(), Err(mpsc::RecvError));
            drop(in_handler);
        });
        // As the future that waits for a handler tells it that nobody does any more.
        runtime.spawn(async move {
            stop.cancelled().await;
            drop(told);
        });
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn workers_and_handlers_yield_to_blocks_where_asked() {
        // Field 19 of proc_pid_stat(5), counted behind the name.
        fn niceness() -> i32 {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
            let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
            fields.split_whitespace().nth(16).expect("nineteen fields").parse().expect("a number")
        }
        for (urgency, later) in [(Urgency::Usual, false), (Urgency::Yielding, true)] {
            let shutdown = CancellationToken::new();
            let runtime = OwnRuntime::start("rpc-test", 1, urgency, shutdown.clone()).expect("threads");
            let worker = runtime.handle.spawn(async { niceness() }).await.expect("runs");
            let handler = runtime.handle.spawn_blocking(niceness).await.expect("runs");
            assert_eq!(worker, handler);
            assert_eq!(worker > niceness(), later, "{urgency:?}");
            shutdown.cancel();
            runtime.ended().await;
        }
    }
}
