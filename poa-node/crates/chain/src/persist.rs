//! Stage 7, behind the head on its own OS thread: canonical blocks move into flat state, history and index.
//!
//! A block is persisted when it is final, or, while finality stalls, when 128 blocks are above it. What is persisted can
//! still be unwound; what is final never needs to be.
//!
//! Back-pressure: the wake-up channel holds one message, and a full one loses nothing, since the thread always looks at
//! the whole tree. When more than [`MAX_BACKLOG`] blocks are due, the import persists on its own thread until they are not.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use aurum_storage::{Appender, Writer};
use aurum_types::BlockNumber;

use crate::{Fault, reader::Reader, recent::Recent, snapshot::Snapshot};

/// Blocks kept in memory below the head while finality stalls.
pub(crate) const UNFINAL_IN_MEMORY: u64 = 128;
/// Blocks in one write.
const BATCH: usize = 64;
/// While finality stalls, blocks are persisted that many at a time: each write stores the engine's state, which grows.
const STALLED_BATCH: u64 = 16;
/// Blocks that may be due before the import has to wait.
const MAX_BACKLOG: u64 = 512;

/// The thread, the one writer it shares with the import, and what stores bodies beside it.
pub(crate) struct Persist {
    writer: Arc<Mutex<Writer>>,
    appender: Appender,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    fault: Arc<OnceLock<Fault>>,
}

impl Persist {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for us.
    pub(crate) fn start(writer: Writer, reader: Arc<Reader>) -> Result<Self, Fault> {
        let appender = writer.appender();
        let writer = Arc::new(Mutex::new(writer));
        let fault = Arc::new(OnceLock::new());
        let (wake, woken) = sync_channel(1);
        let worker = Worker { writer: Arc::clone(&writer), reader, fault: Arc::clone(&fault) };
        let thread = thread::Builder::new()
            .name("persist".to_owned())
            .spawn(move || worker.run(&woken))
            .map_err(|_| Fault::ThreadEnded("persist"))?;
        Ok(Self { writer, appender, wake: Some(wake), thread: Some(thread), fault })
    }

    /// Stores what arrived, without waiting for what is persisted meanwhile.
    pub(crate) const fn appender(&self) -> &Appender {
        &self.appender
    }

    /// The writer, for unwinding. Waits while a batch is written.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stopped the thread, if something did.
    ///
    /// # Errors
    /// That.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.fault.get().map_or(Ok(()), |fault| Err(fault.clone()))
    }

    /// Tells the thread that the head moved; waits if persisting is far behind.
    ///
    /// # Errors
    /// What stopped the thread, or the write on our own thread.
    pub(crate) fn head_moved(&self, reader: &Reader) -> Result<(), Fault> {
        self.check()?;
        if let Some(wake) = &self.wake {
            // Full: the thread is about to look anyway. Disconnected: `check` says why at the next call.
            let _ = wake.try_send(());
        }
        while backlog(&reader.recent()) > MAX_BACKLOG {
            if !persist_due(reader, &mut self.writer())? {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Persist {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

struct Worker {
    writer: Arc<Mutex<Writer>>,
    reader: Arc<Reader>,
    fault: Arc<OnceLock<Fault>>,
}

impl Worker {
    fn run(self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            loop {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                match persist_due(&self.reader, &mut writer) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        tracing::error!(%fault, "persisting failed");
                        let _ = self.fault.set(fault);
                        return;
                    }
                }
            }
        }
    }
}

/// Up to which block there is something to persist now; `None` if nothing is due.
fn due(recent: &Recent) -> Option<BlockNumber> {
    let (head, persisted) = (recent.head(), recent.persisted().number);
    let stalled = head.latest.number.saturating_sub(UNFINAL_IN_MEMORY);
    if head.finalized.number > persisted {
        return Some(head.finalized.number.max(stalled));
    }
    (stalled >= persisted + STALLED_BATCH).then_some(stalled)
}

fn backlog(recent: &Recent) -> u64 {
    due(recent).map_or(0, |to| to.saturating_sub(recent.persisted().number))
}

/// Persists one batch of what is due, whole or not at all. Returns whether there was anything.
///
/// The caller holds the writer, so the persisted tip cannot be unwound meanwhile; the head may move on.
pub(crate) fn persist_due(reader: &Reader, writer: &mut Writer) -> Result<bool, Fault> {
    let (blocks, tip, anchor) = {
        let recent = reader.recent();
        let Some(to) = due(&recent) else { return Ok(false) };
        let Some((blocks, tip)) = recent.unpersisted_up_to(to, BATCH) else { return Ok(false) };
        let anchor = recent.anchor_after(&tip);
        (blocks, tip, anchor)
    };
    let _stage = tracing::trace_span!("persist", number = tip.header.number, blocks = blocks.len()).entered();
    writer.advance_keeping_forks(&blocks, &Snapshot::of(&tip, &anchor).encode())?;
    let dead = reader.recent_mut().persisted_to(&tip);
    if !dead.is_empty() {
        reader.tree.forget(&dead.iter().map(|block| block.hash).collect::<Vec<_>>());
    }
    tracing::debug!(number = tip.header.number, blocks = blocks.len(), "persisted");
    Ok(true)
}
