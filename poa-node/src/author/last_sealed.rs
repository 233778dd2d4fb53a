//! The last step this node sealed, on disk: a crash or a restart never makes a second block for a step.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aurum_types::Step;

/// The record. A step is written, and on disk, *before* its block is signed: after a crash in between, the step passes
/// unused, which costs a block and nothing else.
#[derive(Debug)]
pub struct LastSealed {
    path: PathBuf,
    step: Option<Step>,
}

impl LastSealed {
    /// Reads the record; a file that is not there means nothing was sealed yet.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else. Then nothing may be sealed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let step = match fs::read_to_string(path) {
            Ok(text) => Some(Step(text.trim().parse().map_err(|_| {
                let message = format!("{} does not hold a step number", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), step })
    }

    /// The last step that was used.
    pub const fn step(&self) -> Option<Step> {
        self.step
    }

    /// Uses `step`. On disk when this returns.
    ///
    /// # Errors
    /// [`UseError::Used`] for a step that is not after the last one, [`UseError::Disk`] when it could not be written; the
    /// step may not be sealed in either case.
    pub fn use_step(&mut self, step: Step) -> Result<(), UseError> {
        if let Some(last) = self.step.filter(|last| step <= *last) {
            return Err(UseError::Used { last });
        }
        // In memory first: if writing fails half-way, this process does not try the step again either.
        self.step = Some(step);
        self.write(step).map_err(UseError::Disk)
    }

    fn write(&self, step: Step) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        writeln!(file, "{step}")?;
        file.sync_data()?;
        fs::rename(&next, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

/// Why a step may not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// It, or a later one, was used already.
    #[error("step {last} was sealed already")]
    Used {
        /// The last one that was used.
        last: Step,
    },
    /// It could not be recorded.
    #[error("the step cannot be recorded: {0}")]
    Disk(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_used_once_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain/last_sealed");
        let mut record = LastSealed::open(&path).unwrap();
        assert_eq!(record.step(), None);
        record.use_step(Step(7)).unwrap();
        assert!(matches!(record.use_step(Step(7)), Err(UseError::Used { last: Step(7) })));
        // As after kill -9: another reader of the same file.
        let mut again = LastSealed::open(&path).unwrap();
        assert!(matches!(again.use_step(Step(6)), Err(UseError::Used { .. })));
        again.use_step(Step(9)).unwrap();
        assert_eq!(LastSealed::open(&path).unwrap().step(), Some(Step(9)));
    }

    #[test]
    fn a_damaged_record_stops_sealing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_sealed");
        fs::write(&path, "seven").unwrap();
        assert!(LastSealed::open(&path).is_err());
    }

    #[test]
    fn a_step_that_cannot_be_recorded_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_sealed");
        let mut record = LastSealed::open(&path).unwrap();
        fs::create_dir(path.with_extension("next")).unwrap();
        assert!(matches!(record.use_step(Step(3)), Err(UseError::Disk(_))));
        fs::remove_dir(path.with_extension("next")).unwrap();
        assert!(matches!(record.use_step(Step(3)), Err(UseError::Used { .. })));
        record.use_step(Step(4)).unwrap();
    }
}
