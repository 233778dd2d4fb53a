//! What an authority must not forget, on disk: the last step it used, so that a crash or a restart never makes a second
//! block for a step; and that its key was seen at work elsewhere, so that a restart does not go on sealing.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use aurum_chain::Development;
use aurum_types::{BlockNumber, Step};

/// Name of the file that says that our key was seen at work elsewhere, beside the record.
const ALARM_FILE: &str = "key_seen_elsewhere";

/// A block, or an empty step, by our key that this node did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyElsewhere {
    /// The step it was made for.
    pub step: Step,
    /// The block's height; of an empty step, that of the block it would have been.
    pub number: BlockNumber,
    /// The block's hash; of an empty step, its parent's.
    pub hash: B256,
}

impl KeyElsewhere {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (step, number, hash) = (words.next()?, words.next()?, words.next()?);
        let found = Self { step: Step(step.parse().ok()?), number: number.parse().ok()?, hash: hash.parse().ok()? };
        words.next().is_none().then_some(found)
    }

    /// Writes it where a restart finds it.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &format!("{} {} {}\n", self.step, self.number, self.hash))
    }
}

/// The record. A step is written, and on disk, *before* its block is signed: after a crash in between, the step passes
/// unused, which costs a block and nothing else.
#[derive(Debug)]
pub struct LastSealed {
    path: PathBuf,
    step: Option<Step>,
    /// What a restart would find; not before `step`.
    written: Option<Step>,
    elsewhere: Option<KeyElsewhere>,
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
        let mut record = Self { path: path.to_owned(), step, written: step, elsewhere: None };
        let alarm = record.alarm_path();
        record.elsewhere = match fs::read_to_string(&alarm) {
            Ok(text) => Some(KeyElsewhere::parse(&text).ok_or_else(|| {
                let message = format!("{} does not hold a step, a number and a hash", alarm.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(record)
    }

    /// Where it is noted that our key was seen at work elsewhere.
    pub fn alarm_path(&self) -> PathBuf {
        self.path.with_file_name(ALARM_FILE)
    }

    /// The folder of what an authority must not forget.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Where our key was seen at work by another node, if it was; until [`Self::resume`].
    pub const fn elsewhere(&self) -> Option<KeyElsewhere> {
        self.elsewhere
    }

    /// Forgets that our key was seen elsewhere: an operator has stopped the other node. Gives what was noted.
    ///
    /// # Errors
    /// When the note cannot be removed.
    pub fn resume(&mut self) -> io::Result<Option<KeyElsewhere>> {
        if self.elsewhere.is_some() {
            fs::remove_file(self.alarm_path())?;
            File::open(folder_of(&self.path))?.sync_all()?;
        }
        Ok(self.elsewhere.take())
    }

    /// The last step that was used.
    pub const fn step(&self) -> Option<Step> {
        self.step
    }

    /// Writes `step` before it comes, so that using it does not wait for the disk: a restart counts it, and all before it,
    /// as used; this process does not.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn reserve(&mut self, step: Step) -> io::Result<()> {
        if self.written.is_none_or(|written| written < step) {
            replace(&self.path, &format!("{step}\n"))?;
            self.written = Some(step);
        }
        Ok(())
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
        self.reserve(step).map_err(UseError::Disk)
    }
}

impl LastSealed {
    /// Forgets the steps after `step`, on a development chain whose blocks of them were taken off.
    ///
    /// # Errors
    /// When it could not be written: those steps stay used after a restart.
    pub fn take_back(&mut self, _development: Development, step: Step) -> io::Result<()> {
        (self.step, self.written) = (Some(step), None);
        self.reserve(step)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Puts `text` in place of the file's content: all of it or, after a crash, what was there before.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&next, path)?;
    File::open(folder)?.sync_all()
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
    fn a_reserved_step_is_used_for_a_restart_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_sealed");
        let mut record = LastSealed::open(&path).unwrap();
        record.reserve(Step(8)).unwrap();
        assert_eq!(record.step(), None);
        assert!(matches!(LastSealed::open(&path).unwrap().use_step(Step(8)), Err(UseError::Used { .. })));
        // Nothing is left to write: neither for the step itself nor for one before it, which stays used with it.
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        record.use_step(Step(7)).unwrap();
        record.use_step(Step(8)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        assert!(matches!(record.use_step(Step(8)), Err(UseError::Used { last: Step(8) })));
        record.use_step(Step(9)).unwrap();
        assert_eq!(LastSealed::open(&path).unwrap().step(), Some(Step(9)));
    }

    #[test]
    fn a_damaged_record_stops_sealing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_sealed");
        fs::write(&path, "seven").unwrap();
        assert!(LastSealed::open(&path).is_err());
        fs::write(&path, "7").unwrap();
        fs::write(folder.path().join(ALARM_FILE), "1 2").unwrap();
        assert!(LastSealed::open(&path).is_err());
    }

    #[test]
    fn that_our_key_was_seen_elsewhere_is_remembered_until_an_operator_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain/last_sealed");
        let record = LastSealed::open(&path).unwrap();
        assert_eq!(record.elsewhere(), None);
        let found = KeyElsewhere { step: Step(9), number: 4, hash: B256::repeat_byte(7) };
        found.write(&record.alarm_path()).unwrap();
        let mut again = LastSealed::open(&path).unwrap();
        assert_eq!(again.elsewhere(), Some(found));
        assert_eq!(again.resume().unwrap(), Some(found));
        assert_eq!(again.elsewhere(), None);
        assert_eq!(LastSealed::open(&path).unwrap().elsewhere(), None);
        assert_eq!(again.resume().unwrap(), None);
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
