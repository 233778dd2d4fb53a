//! What our key has voted, on disk: a crash, a restart or `kill -9` never makes a vote that contradicts an earlier one.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256};
use aurum_aura::certificate::{Checkpoint, Guard, Link};
use serde_json::{Value, json};

/// The file of one key. The guard after a vote is written, and on disk, *before* the vote is signed: after a crash in
/// between the vote is made again as it was, or never.
#[derive(Debug)]
pub struct VoteRecord {
    path: PathBuf,
    guard: Option<Guard>,
}

impl VoteRecord {
    /// Reads the record of `key` in `folder`; no file means that nothing is remembered.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else. Then nothing may be voted for.
    pub fn open(folder: &Path, key: Address) -> io::Result<Self> {
        let path = folder.join(format!("last_vote_{key:x}.json"));
        let guard = match fs::read_to_string(&path) {
            Ok(text) => Some(parse(&text).ok_or_else(|| {
                let message = format!("{} does not hold a record of votes", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path, guard })
    }

    /// What the key remembers; `None` if it was never written.
    pub const fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// Remembers `guard`. On disk when this returns.
    ///
    /// # Errors
    /// When it could not be written: then nothing may be signed.
    pub fn write(&mut self, guard: Guard) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        writeln!(file, "{}", print(&guard))?;
        file.sync_data()?;
        fs::rename(&next, &self.path)?;
        File::open(folder)?.sync_all()?;
        self.guard = Some(guard);
        Ok(())
    }
}

fn print(guard: &Guard) -> Value {
    let checkpoint = |checkpoint: Checkpoint| json!({ "number": checkpoint.number, "hash": checkpoint.hash });
    let last = guard.last().map(|last| {
        json!({ "source": checkpoint(last.source), "target": checkpoint(last.target), "validatorHistory": last.history })
    });
    json!({ "version": 1, "floor": guard.floor(), "last": last })
}

fn parse(text: &str) -> Option<Guard> {
    let value: Value = serde_json::from_str(text).ok()?;
    let hash = |value: &Value| value.as_str()?.parse::<B256>().ok();
    let checkpoint =
        |value: &Value| Some(Checkpoint { number: value["number"].as_u64()?, hash: hash(&value["hash"])? });
    if value["version"] != 1 {
        return None;
    }
    let last = match value.get("last")? {
        Value::Null => None,
        last => Some(Link {
            source: checkpoint(&last["source"])?,
            target: checkpoint(&last["target"])?,
            history: hash(&last["validatorHistory"])?,
        }),
    };
    Some(Guard::new(last, value["floor"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(target: u64) -> Link {
        Link {
            source: Checkpoint { number: target - 1, hash: B256::repeat_byte(1) },
            target: Checkpoint { number: target, hash: B256::repeat_byte(2) },
            history: B256::repeat_byte(3),
        }
    }

    #[test]
    fn what_was_voted_is_remembered_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let key = Address::repeat_byte(7);
        let mut record = VoteRecord::open(&folder.path().join("chain"), key).unwrap();
        assert_eq!(record.guard(), None);
        for guard in [Guard::forgetful(9), Guard::new(Some(link(12)), 9), Guard::new(Some(link(13)), 0)] {
            record.write(guard).unwrap();
            let again = VoteRecord::open(&folder.path().join("chain"), key).unwrap();
            assert_eq!(again.guard(), Some(&guard));
        }
        let other = VoteRecord::open(&folder.path().join("chain"), Address::repeat_byte(8)).unwrap();
        assert_eq!(other.guard(), None, "another key has a record of its own");
    }

    #[test]
    fn a_damaged_record_stops_voting() {
        let folder = tempfile::tempdir().unwrap();
        let key = Address::repeat_byte(7);
        let path = folder.path().join(format!("last_vote_{key:x}.json"));
        for damaged in ["", "{}", "{\"version\":1,\"floor\":3}", "{\"version\":2,\"floor\":3,\"last\":null}"] {
            fs::write(&path, damaged).unwrap();
            assert!(VoteRecord::open(folder.path(), key).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn a_vote_that_cannot_be_recorded_is_not_remembered_as_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = VoteRecord::open(folder.path(), Address::repeat_byte(7)).unwrap();
        fs::create_dir(record.path.with_extension("next")).unwrap();
        assert!(record.write(Guard::new(Some(link(4)), 0)).is_err());
        assert_eq!(record.guard(), None);
    }
}
