//! How long a connection may do nothing: one that neither brings nor takes anything gives its place back. Whoever does not take
//! answers is not heard meanwhile, so that no more of them are made.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Without a byte from the client or for it. Longer than any request runs.
    pub(crate) silence: Duration,
    /// With bytes for the client that it does not take.
    pub(crate) stall: Duration,
    /// From the first byte of a request's head to its last (geth's `ReadHeaderTimeout`).
    pub(crate) head: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(300), stall: Duration::from_secs(60), head: Duration::from_secs(30) }
    }
}

/// How often bytes have come from a connection's client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    fn note(&self) {
        // Whoever asks runs in the same task as the reads.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn times(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Looks at what a connection's stream says, and ends it when patience does.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    patience: Patience,
    /// When a byte last came or went.
    active: Instant,
    heard: Heard,
    quiet: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Who wants to read, and is told when the client takes something again.
    reader: Option<Waker>,
}

impl IdleTimer {
    pub(crate) fn new(patience: Patience) -> Self {
        let quiet = Box::pin(sleep(patience.silence));
        Self { patience, active: Instant::now(), heard: Heard::default(), quiet, stalled: None, reader: None }
    }

    pub(crate) const fn patience(&self) -> Patience {
        self.patience
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    /// Whether the client takes what it is sent; if not, the task is woken when it does.
    pub(crate) fn is_taking(&mut self, cx: &Context<'_>) -> bool {
        if self.stalled.is_some() {
            self.reader = Some(cx.waker().clone());
        }
        self.stalled.is_none()
    }

    /// What a read comes to.
    pub(crate) fn read<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.active = Instant::now();
            self.heard.note();
            return polled;
        }
        // The timer is set anew only when it rings, not with each byte.
        while self.quiet.as_mut().poll(cx).is_ready() {
            let end = self.active + self.patience.silence;
            if Instant::now() >= end {
                return Poll::Ready(Err(too_long("nothing was said")));
            }
            self.quiet.as_mut().reset(end);
        }
        Poll::Pending
    }

    /// What a write comes to.
    pub(crate) fn write<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.active = Instant::now();
            self.stalled = None;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return polled;
        }
        let stall = self.patience.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        stalled.as_mut().poll(cx).map(|()| Err(too_long("an answer was not taken")))
    }
}

fn too_long(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} for too long"))
}
