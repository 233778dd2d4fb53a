//! What every story has: a folder, a clock, and the logs of its programs when it ends badly.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};

use crate::process::tail;

/// How much of each log a failed story prints.
const TAIL: u64 = 3_000;

/// One story. Dropped before [`Self::end`], it prints the end of every log in its folder.
#[derive(Debug)]
pub struct Story {
    folder: PathBuf,
    started: Instant,
    ended: bool,
}

impl Story {
    /// Begins in an empty folder of that name below `temporary` (a test's `CARGO_TARGET_TMPDIR`).
    ///
    /// # Errors
    /// When the folder cannot be emptied.
    pub fn begin(name: &str, temporary: &str) -> Result<Self> {
        let folder = Path::new(temporary).join("stories").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder, started: Instant::now(), ended: false })
    }

    /// Where its programs keep their files; their logs are in `logs`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells what comes next, and when.
    pub fn say(&self, text: &str) {
        println!("[{:>6.1} s] {text}", self.started.elapsed().as_secs_f64());
    }

    /// Ends well. Of its folder, logs and screenshots are kept; after a bad end, everything is.
    ///
    /// # Errors
    /// When the rest cannot be deleted.
    pub fn end(mut self) -> Result<()> {
        self.ended = true;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.ends_with("logs") || path.ends_with("screenshots") {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
                .with_context(|| format!("cannot delete {}", path.display()))?;
        }
        self.say("the end");
        Ok(())
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.say("failed; the ends of the logs:");
        let Ok(entries) = fs::read_dir(self.folder.join("logs")) else { return };
        let mut logs: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        logs.sort();
        for log in logs {
            println!("--- {}\n{}", log.display(), tail(&log, TAIL));
        }
    }
}
