//! The file that keeps accepted transactions over a restart.
//!
//! Layout: eight bytes `AURUMTX1`, then records of `length: u32 LE ‖ checksum: 8 bytes ‖ EIP-2718 transaction`, where the
//! checksum is the head of the transaction's hash. What was accepted together is one `write(2)`, so it survives the death of
//! the process; it is not synced, so the last ones may be lost with the machine's power (the client sees the transaction missing).
//! Reading stops at the first record that is not whole: a torn tail is what a crash leaves, not an error.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, keccak256},
};
use aurum_types::{Transaction, decode_transaction};

const MAGIC: &[u8; 8] = b"AURUMTX1";
const CHECKSUM: usize = 8;
/// Below this size a journal is not worth rewriting.
const COMPACT_FLOOR: u64 = 1 << 20;
/// Growth since the last rewriting that causes the next.
const COMPACT_FACTOR: u64 = 4;

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    compact_at: u64,
}

impl Journal {
    /// Opens or creates the file and returns the transactions in it. The caller rewrites it with those that still
    /// count, which also drops a torn tail.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Transaction>)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (transactions, whole) = read_records(&bytes);
        if whole < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - whole, kept = transactions.len(), "cut the torn tail of the transaction journal");
        }
        if whole == 0 {
            file.set_len(0)?;
            file.write_all(MAGIC)?;
        } else {
            file.set_len(whole as u64)?;
        }
        let len = file.metadata()?.len();
        Ok((
            Self { path: path.to_owned(), file, len, compact_at: COMPACT_FLOOR.max(len * COMPACT_FACTOR) },
            transactions,
        ))
    }

    /// Appends records, whole ones ([`encode_record`]), in one write. After an error the file is as before.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(records) {
            // A half-written record would hide those after it.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += records.len() as u64;
        Ok(())
    }

    pub(crate) const fn wants_compaction(&self) -> bool {
        self.len >= self.compact_at
    }

    /// Rewrites the file with `live` only: beside it, then in its place, so a crash leaves one or the other.
    pub(crate) fn compact<'a>(&mut self, live: impl Iterator<Item = &'a Transaction>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        // A leftover of a crash keeps its old mode otherwise.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)?;
        let mut bytes = MAGIC.to_vec();
        for tx in live {
            encode_record(tx, &mut bytes);
        }
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        self.file = file;
        self.len = bytes.len() as u64;
        self.compact_at = COMPACT_FLOOR.max(self.len * COMPACT_FACTOR);
        Ok(())
    }
}

fn checksum(hash: &B256) -> [u8; CHECKSUM] {
    let mut head = [0; CHECKSUM];
    head.copy_from_slice(&hash[..CHECKSUM]);
    head
}

/// Writes the transaction's record behind what is in `out`.
pub(crate) fn encode_record(tx: &Transaction, out: &mut Vec<u8>) {
    let length = u32::try_from(tx.encode_2718_len()).expect("a pooled transaction is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(tx.tx_hash()));
    tx.encode_2718(out);
}

/// Decodes whole records and tells how many bytes they take, the magic included.
fn read_records(bytes: &[u8]) -> (Vec<Transaction>, usize) {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (Vec::new(), 0) };
    let mut transactions = Vec::new();
    while let Some((tx, after)) = read_record(rest) {
        transactions.push(tx);
        rest = after;
    }
    (transactions, bytes.len() - rest.len())
}

fn read_record(bytes: &[u8]) -> Option<(Transaction, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    if checksum(&keccak256(payload)) != *sum {
        return None;
    }
    Some((decode_transaction(payload).ok()?, rest))
}
