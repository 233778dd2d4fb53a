//! The threads on which transactions come in.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// What is added to the niceness of a thread that takes transactions in or answers clients: beside a thread that builds or
/// imports blocks it gets about a tenth of the time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lets threads that build, import and announce blocks go before the calling one, for the rest of its life: under a flood
/// of transactions or requests a node must still keep up with the chain. Said twice it is no different: a thread that such
/// a thread starts has its niceness already. Does nothing where niceness belongs to the whole process.
pub fn yield_to_blocks() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::yield_to_blocks() {
        tracing::warn!(%error, "a thread that serves clients is as urgent as those that import blocks");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::process::{getpid, getpriority_process, setpriority_process};

    /// On Linux a process' number names its first thread, and no number the calling one (setpriority(2), "C library/kernel
    /// differences").
    pub(super) fn yield_to_blocks() -> rustix::io::Result<()> {
        let usual = getpriority_process(Some(getpid()))?;
        setpriority_process(None, usual + super::NICENESS)
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_that_a_nice_thread_starts_is_as_nice_and_not_nicer() {
        let usual = getpriority_process(None).expect("Linux");
        let inner = || {
            yield_to_blocks();
            getpriority_process(None).expect("Linux")
        };
        let outer = move || {
            yield_to_blocks();
            yield_to_blocks();
            (getpriority_process(None).expect("Linux"), std::thread::spawn(inner).join().expect("runs"))
        };
        let (first, second) = std::thread::spawn(outer).join().expect("runs");
        assert_eq!((first, second), (usual + NICENESS, usual + NICENESS));
    }
}
