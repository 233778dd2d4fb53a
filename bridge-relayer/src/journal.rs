//! What this relayer has done, on disk before it is done.
//!
//! Every transition of a transfer is one `WriteBatch`, fsynced before its effect leaves the process: what the journal
//! does not say was not sent. The reverse may happen (said, and not sent, because the power went), so whatever is on its
//! way is sent again at start. Losing the journal loses nothing: it is rebuilt from the chains.
//!
//! # Stopping at a chosen point
//!
//! To show that no moment is a bad one to lose power in, the environment variable `AURUM_RELAYER_CRASH_AT` makes the
//! process abort, as `kill -9` would end it, at a named point:
//!
//! ```text
//! before:Signed             just before any transfer's change to Signed is written
//! after:Submitted:foreign   just after that of a transfer deposited on the foreign chain is on disk
//! after:Mined:home:execute  the same, and the transaction is the execution rather than the attestation
//! ```
//!
//! States are those of [`Step`](crate::Step); the side is where the deposit was made; the work is that of the
//! transaction in Submitted, Mined and Orphaned.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use aurum_contracts::{Addresses, Side};
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    chain::BlockRef,
    lane::Lane,
    state::{Key, Record, Work},
    submit::Flight,
};

/// Environment variable that names a point at which to abort.
pub const CRASH_AT: &str = "AURUM_RELAYER_CRASH_AT";

const VERSION: u32 = 1;

/// Tables. Values are JSON; numbers in keys are big endian, so that order of keys is order of numbers.
mod table {
    /// `"binding"` → the deployment and account it belongs to.
    pub(super) const META: &str = "meta";
    /// Side → [`super::Cursor`] of the deposits made there.
    pub(super) const CURSOR: &str = "cursor";
    /// Side of the deposit, nonce → [`super::Record`].
    pub(super) const TRANSFER: &str = "transfer";
    /// Side, account nonce → [`super::Flight`] that is not final.
    pub(super) const FLIGHT: &str = "flight";
    /// Hash of a transfer or of a transaction, key of a transfer → nothing.
    pub(super) const INDEX: &str = "index";
    pub(super) const ALL: [&str; 5] = [META, CURSOR, TRANSFER, FLIGHT, INDEX];
}

const BINDING_KEY: &[u8] = b"binding";

/// How far the deposits of one side are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Every deposit up to and including this final block is in the journal.
    pub read: BlockRef,
    /// Nonce of the first deposit that is not.
    pub next: u64,
}

/// What a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Binding {
    version: u32,
    home: Place,
    foreign: Place,
    signer: Address,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    chain_id: u64,
    bridge: Address,
    genesis: B256,
}

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made.
    #[error("journal {path}: {source}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database refuses; the disk may be full.
    #[error("journal: {0}")]
    Database(#[from] rocksdb::Error),
    /// An entry cannot be read.
    #[error("journal: an entry of table {table} is damaged: {source}")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is the journal of something else.
    #[error("the journal at {path} belongs to another relayer: its {what} is {journal}, here it is {expected}")]
    OtherDeployment {
        /// Which folder.
        path: PathBuf,
        /// Which value differs.
        what: &'static str,
        /// The journal's.
        journal: String,
        /// Ours.
        expected: String,
    },
}

/// One entry of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A transfer has this state now.
    Transfer(Record),
    /// Deposits are read this far.
    Cursor(Side, Cursor),
    /// A transaction is on its way, or its fate changed.
    Flight(Flight),
    /// A transaction needs no more care.
    Landed(Side, u64),
}

/// Reads. Cheap to clone; reads see every committed batch.
#[derive(Clone)]
pub struct Journal {
    db: Arc<DB>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.db.path()).finish()
    }
}

/// Writes. There is one.
#[derive(Debug)]
pub(crate) struct Writer {
    journal: Journal,
    crash_at: Option<String>,
}

impl Journal {
    /// Opens or creates the journal of `signer` for the deployment in `addresses`.
    pub(crate) fn open(path: &Path, addresses: &Addresses, signer: Address) -> Result<(Self, Writer), JournalError> {
        std::fs::create_dir_all(path).map_err(|source| JournalError::Folder { path: path.into(), source })?;
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(2);
        let journal = Self { db: Arc::new(DB::open_cf(&options, path, table::ALL)?) };
        journal.bind(path, &Binding::of(addresses, signer))?;
        let crash_at = std::env::var(CRASH_AT).ok().filter(|point| !point.is_empty());
        Ok((journal.clone(), Writer { journal, crash_at }))
    }

    /// Writes the binding of a new journal, compares that of an old one.
    fn bind(&self, path: &Path, ours: &Binding) -> Result<(), JournalError> {
        let meta = self.table(table::META);
        let Some(theirs) = self.get::<Binding>(table::META, BINDING_KEY)? else {
            return Ok(self.db.put_cf_opt(meta, BINDING_KEY, json(ours), &synced())?);
        };
        match theirs.first_difference(ours) {
            None => Ok(()),
            Some((what, journal, expected)) => {
                Err(JournalError::OtherDeployment { path: path.into(), what, journal, expected })
            }
        }
    }

    fn table(&self, name: &'static str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("opened with every table")
    }

    fn get<T: DeserializeOwned>(&self, table: &'static str, key: &[u8]) -> Result<Option<T>, JournalError> {
        self.db.get_cf(self.table(table), key)?.map(|value| parse(table, &value)).transpose()
    }

    /// How far the deposits of `side` are read.
    pub(crate) fn cursor(&self, side: Side) -> Result<Option<Cursor>, JournalError> {
        self.get(table::CURSOR, &[side_byte(side)])
    }

    /// One transfer.
    pub(crate) fn transfer(&self, key: Key) -> Result<Option<Record>, JournalError> {
        self.get(table::TRANSFER, &number_key(key.lane.from(), key.nonce))
    }

    /// Transfers of a lane from `from` (or the last) downwards.
    pub(crate) fn newest(&self, lane: Lane, from: Option<u64>, limit: usize) -> Result<Vec<Record>, JournalError> {
        let start = number_key(lane.from(), from.unwrap_or(u64::MAX));
        self.db
            .iterator_cf(self.table(table::TRANSFER), IteratorMode::From(&start, Direction::Reverse))
            .take_while(|entry| entry.as_ref().map_or(true, |(key, _)| key.first() == start.first()))
            .take(limit)
            .map(|entry| parse(table::TRANSFER, &entry?.1))
            .collect()
    }

    /// Transfers that are not done.
    pub(crate) fn open_transfers(&self) -> Result<Vec<Record>, JournalError> {
        let all = self.db.iterator_cf(self.table(table::TRANSFER), IteratorMode::Start);
        all.map(|entry| parse::<Record>(table::TRANSFER, &entry?.1))
            .filter(|record| record.as_ref().map_or(true, |record| !record.step.is_done()))
            .collect()
    }

    /// Transactions that are not final, in order of nonce.
    pub(crate) fn flights(&self, side: Side) -> Result<Vec<Flight>, JournalError> {
        let start = [side_byte(side)];
        self.db
            .iterator_cf(self.table(table::FLIGHT), IteratorMode::From(&start, Direction::Forward))
            .take_while(|entry| entry.as_ref().map_or(true, |(key, _)| key.first() == start.first()))
            .map(|entry| parse(table::FLIGHT, &entry?.1))
            .collect()
    }

    /// Transfers with this identity, or in this transaction.
    pub(crate) fn find(&self, hash: B256) -> Result<Vec<Record>, JournalError> {
        let mut found = Vec::new();
        let entries =
            self.db.iterator_cf(self.table(table::INDEX), IteratorMode::From(hash.as_slice(), Direction::Forward));
        for entry in entries {
            let (key, _) = entry?;
            let Some(transfer) = key.strip_prefix(hash.as_slice()) else { break };
            found.extend(self.get::<Record>(table::TRANSFER, transfer)?);
        }
        Ok(found)
    }
}

impl Writer {
    /// Makes all of `entries` true at once, on disk when it returns.
    pub(crate) fn commit(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let journal = &self.journal;
        let mut batch = WriteBatch::default();
        for entry in entries {
            match entry {
                Entry::Transfer(record) => {
                    let key = number_key(record.key.lane.from(), record.key.nonce);
                    batch.put_cf(journal.table(table::TRANSFER), key, json(record));
                    for hash in record.hashes() {
                        batch.put_cf(journal.table(table::INDEX), [hash.as_slice(), &key].concat(), []);
                    }
                }
                Entry::Cursor(side, cursor) => {
                    batch.put_cf(journal.table(table::CURSOR), [side_byte(*side)], json(cursor));
                }
                Entry::Flight(flight) => {
                    let key = number_key(flight.side, flight.draft.nonce);
                    batch.put_cf(journal.table(table::FLIGHT), key, json(flight));
                }
                Entry::Landed(side, nonce) => batch.delete_cf(journal.table(table::FLIGHT), number_key(*side, *nonce)),
            }
        }
        self.crash("before", entries);
        journal.db.write_opt(batch, &synced())?;
        self.crash("after", entries);
        Ok(())
    }

    fn crash(&self, moment: &str, entries: &[Entry]) {
        let Some(point) = &self.crash_at else { return };
        for entry in entries {
            if let Entry::Transfer(record) = entry
                && is_point(point, moment, record.key.lane.from(), record.step.name(), record.step.work())
            {
                tracing::warn!(%point, transfer = %record.key, "aborting where {CRASH_AT} says");
                std::process::abort();
            }
        }
    }
}

/// Whether `point`, as a person wrote it, names this moment.
fn is_point(point: &str, moment: &str, side: Side, state: &str, work: Option<Work>) -> bool {
    let mut parts = point.split(':');
    parts.next() == Some(moment)
        && parts.next() == Some(state)
        && parts.next().is_none_or(|part| part == side.name())
        && parts.next().is_none_or(|part| work.is_some_and(|work| work.name() == part))
}

impl Record {
    /// Everything somebody may look it up by.
    fn hashes(&self) -> Vec<B256> {
        let executed = match self.step {
            crate::Step::Done { tx, .. } => tx,
            _ => None,
        };
        [self.deposit.id, self.deposit.tx]
            .into_iter()
            .chain(self.txs.iter().map(|tx| tx.hash))
            .chain(executed)
            .collect()
    }
}

impl Binding {
    fn of(addresses: &Addresses, signer: Address) -> Self {
        let place = |side| {
            let at = addresses.side(side);
            Place { chain_id: at.chain_id, bridge: at.bridge, genesis: at.genesis }
        };
        Self { version: VERSION, home: place(Side::Home), foreign: place(Side::Foreign), signer }
    }

    /// The first value in which two bindings differ: its name, ours, the other's.
    fn first_difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        [
            ("version", self.version.to_string(), other.version.to_string()),
            ("home chain id", self.home.chain_id.to_string(), other.home.chain_id.to_string()),
            ("home genesis", self.home.genesis.to_string(), other.home.genesis.to_string()),
            ("home bridge", self.home.bridge.to_string(), other.home.bridge.to_string()),
            ("foreign chain id", self.foreign.chain_id.to_string(), other.foreign.chain_id.to_string()),
            ("foreign genesis", self.foreign.genesis.to_string(), other.foreign.genesis.to_string()),
            ("foreign bridge", self.foreign.bridge.to_string(), other.foreign.bridge.to_string()),
            ("account", self.signer.to_string(), other.signer.to_string()),
        ]
        .into_iter()
        .find(|(_, ours, theirs)| ours != theirs)
    }
}

const fn side_byte(side: Side) -> u8 {
    match side {
        Side::Home => b'h',
        Side::Foreign => b'f',
    }
}

fn number_key(side: Side, number: u64) -> [u8; 9] {
    let mut key = [side_byte(side); 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("entries have string keys and finite numbers")
}

fn parse<T: DeserializeOwned>(table: &'static str, value: &[u8]) -> Result<T, JournalError> {
    serde_json::from_slice(value).map_err(|source| JournalError::Damaged { table, source })
}
