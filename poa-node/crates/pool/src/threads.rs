//! The threads on which transactions come in.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// What is added to the niceness of a thread that takes transactions in or answers clients: beside a thread that builds or imports blocks it
/// gets about a third of the time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets threads that build, import and announce blocks go before the calling one, for the rest of its life: under a flood
/// of transactions or requests a node must still keep up with the chain. Threads that the calling one starts later are as
/// nice. Does nothing where niceness belongs to the whole process.
pub fn yield_to_blocks() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "a thread that serves clients is as urgent as those that import blocks");
    }
}

/// As many threads as the machine runs at once.
pub(crate) fn start() -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .thread_name(|index| format!("ingest-{index}"))
        .start_handler(|_| yield_to_blocks())
        // Whoever waits for the work hears of it.
        .panic_handler(|_| tracing::error!("taking transactions in panicked"))
        .build()
}
