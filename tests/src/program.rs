//! A program that can be stopped, killed and started again with the same arguments.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::process::Process;

/// One program of a system, running or not.
#[derive(Debug)]
pub struct Program {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Program {
    /// A program that is not started yet; it writes to `NAME.log` in the folder `logs`, in all its lives.
    pub fn new(name: &str, program: PathBuf, args: Vec<String>, logs: &Path) -> Self {
        Self { name: name.to_owned(), program, args, log: logs.join(format!("{name}.log")), process: None }
    }

    /// Its name, also of its log file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its log, of all its lives.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its arguments, to change them between two starts.
    pub const fn args_mut(&mut self) -> &mut Vec<String> {
        &mut self.args
    }

    /// Starts it; does not wait.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// Starts it with further environment variables; does not wait.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        self.process = Some(Process::start(&self.name, &self.program, &self.args, environment, &self.log)?);
        Ok(())
    }

    /// Waits until `answers` has no objection.
    ///
    /// # Errors
    /// When the program ends, or `answers` still objects after `limit`.
    pub async fn ready<F: Future<Output = Result<()>>>(
        &mut self,
        limit: Duration,
        mut answers: impl FnMut() -> F,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            self.process_mut()?.expect_running()?;
            match answers().await {
                Ok(()) => return Ok(()),
                Err(error) if tokio::time::Instant::now() > deadline => {
                    let tail = self.process_mut()?.tail();
                    return Err(error.context(format!("{} is not ready:\n{tail}", self.name)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The running process.
    ///
    /// # Errors
    /// When it was not started or was stopped.
    pub fn process_mut(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} is not running", self.name))
    }

    /// Whether it was started and not stopped.
    pub const fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it was not running.
    pub fn kill(&mut self) -> Result<()> {
        self.process_mut()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }
}
