//! Filling an empty folder from a snapshot.

use std::{fs, io, io::Read, path::Path};

use alloy::primitives::{B256, Bytes};
use aurum_storage::{Database, Restore, RestoredBlock};
use aurum_types::{ChainSpec, Header, StateChanges, ValidatorSet};

use super::{
    SnapshotError, SnapshotSummary,
    check::{CheckedBlock, Sink, check_root, read},
    records::AccountRecord,
};

/// Who made a snapshot, as far as whoever restores it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotTrust {
    /// The operator vouches for it: without a certificate the block's hash was compared with other nodes'.
    Operator,
    /// It comes from another node. Only certificates that lead from the genesis validators to its block are believed.
    Certificates,
}

/// Makes the database `path`, which must not exist, from a snapshot. It is filled beside its place in `draft` and renamed
/// when it is complete, verified and on disk: at no moment is there half a database at `path`. A draft that an
/// interrupted run left is thrown away first.
///
/// # Errors
/// [`SnapshotError`]; there is no database then.
pub fn restore_snapshot(
    spec: &ChainSpec,
    genesis: &Header,
    validators: Option<&ValidatorSet>,
    (input, trust): (impl Read, SnapshotTrust),
    path: &Path,
    draft: &Path,
) -> Result<SnapshotSummary, SnapshotError> {
    if trust == SnapshotTrust::Certificates && validators.is_none() {
        return Err(SnapshotError::refused("the genesis validators are not known, so no certificate proves it"));
    }
    if path.exists() {
        return Err(SnapshotError::refused(format_args!("there is something at {} already", path.display())));
    }
    remove(draft)?;
    fs::create_dir_all(draft)?;
    let summary = match fill(spec, genesis, validators, (input, trust), draft) {
        Ok(summary) => summary,
        Err(error) => {
            // What was refused leaves nothing; that this too may fail is the smaller trouble.
            let _ = remove(draft);
            return Err(error);
        }
    };
    fs::rename(draft, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()?;
    Ok(summary)
}

/// Makes a whole database in an empty folder; it is closed and on disk when this returns.
fn fill(
    spec: &ChainSpec,
    genesis: &Header,
    validators: Option<&ValidatorSet>,
    (input, trust): (impl Read, SnapshotTrust),
    draft: &Path,
) -> Result<SnapshotSummary, SnapshotError> {
    let mut sink = RestoreSink { restore: Restore::open(draft)? };
    let checked = read(spec, genesis, validators, input, &mut sink)?;
    if trust == SnapshotTrust::Certificates && checked.summary.certificate.is_empty() {
        return Err(SnapshotError::refused("no finality certificate proves its block"));
    }
    check_root(&checked.summary, sink.restore.root())?;
    let blocks: Vec<_> = checked.blocks.into_iter().map(restored).collect();
    sink.restore.finish(genesis, &blocks, &checked.consensus)?;
    let (_database, writer) = Database::open(draft)?;
    checked.proof.store(&writer.appender(), checked.summary.number)?;
    Ok(checked.summary)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn restored(checked: CheckedBlock) -> RestoredBlock {
    let CheckedBlock { sealed, receipts, senders, score } = checked;
    RestoredBlock { hash: sealed.hash(), block: sealed.block().clone(), score, receipts, senders }
}

struct RestoreSink {
    restore: Restore,
}

impl Sink for RestoreSink {
    fn code(&mut self, hash: B256, code: &Bytes) -> Result<(), SnapshotError> {
        Ok(self.restore.add_code(hash, code)?)
    }

    fn accounts(&mut self, records: &[AccountRecord]) -> Result<(), SnapshotError> {
        let mut changes = StateChanges::default();
        for record in records {
            let change = changes.accounts.entry(record.address).or_default();
            change.account = Some(record.account());
            change.storage.extend(record.slots.iter().map(|slot| (slot.slot, slot.value)));
        }
        self.restore.add(&changes)?;
        Ok(())
    }
}
