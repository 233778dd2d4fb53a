//! Writing a snapshot.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_storage::{Database, ExecutedRecord, Leaf};
use aurum_types::{Account, BlockNumber, EMPTY_CODE_HASH, Transaction};

use super::{
    BLOCKS, SnapshotError, SnapshotSummary,
    file::{ChunkWriter, Kind},
    proof,
    records::{AccountRecord, BlockRecord, Manifest, SlotRecord, Totals},
};
use crate::{Chain, ChainConfig, Development, Fault, snapshot::Snapshot};

/// About how many bytes of leaves stand in a chunk.
const CHUNK: usize = 1 << 20;

/// Writes the state at the newest final block that is persisted, with its finality certificate if there is one.
///
/// Opens the chain first, so that what a node stored before it died is final and persisted as it would be at its next start.
///
/// # Errors
/// [`SnapshotError`]; what was written by then is no snapshot.
pub fn create_snapshot(config: ChainConfig, out: impl Write) -> Result<SnapshotSummary, SnapshotError> {
    let path = config.path.clone();
    // Closing waits until everything final is persisted: after that the anchor stands still.
    drop(Chain::open(config.clone())?);
    let chain = Chain::open(config)?;
    let genesis = chain.genesis_hash();
    let at = chain.reader().recent().anchor().at();
    if at.number == 0 {
        return Err(SnapshotError::NothingFinal);
    }
    let (epochs, certificates) = proof::of(chain.reader(), at)?;
    let development = chain.development();
    drop(chain);

    let (database, writer) = Database::open(&path)?;
    let stored = database.engine()?.ok_or_else(|| missing("the consensus state"))?;
    let stored = Snapshot::decode(&stored)?;
    let anchor = stored.anchor;
    let hash = anchor.hash();
    if hash != at.hash {
        return Err(missing("the final block"));
    }
    let header = database.header(hash)?.ok_or_else(|| missing("a persisted header"))?;
    let manifest = Manifest {
        genesis,
        number: header.number,
        hash,
        state_root: header.state_root,
        consensus: Snapshot::at(anchor.clone()).encode().into(),
        epochs,
        certificates,
    };
    let mut file = ChunkWriter::new(out)?;
    file.write(Kind::Manifest, &alloy_rlp::encode(&manifest))?;
    let blocks = write_blocks(&database, (header.number, anchor.score()), development, &mut file)?;
    let mut state = StateWriter {
        database: &database,
        file: &mut file,
        codes: HashSet::new(),
        held: Held::default(),
        totals: Totals::default(),
    };
    database.leaves_at(header.number, |leaf| state.leaf(leaf))?;
    state.flush()?;
    let totals = state.totals;
    file.write(Kind::End, &alloy_rlp::encode(totals))?;
    drop(writer);
    Ok(SnapshotSummary {
        genesis,
        number: manifest.number,
        hash,
        state_root: manifest.state_root,
        blocks,
        accounts: totals.accounts,
        slots: totals.slots,
        codes: totals.codes,
        bytes: file.finish()?,
        certificate: manifest.certificate(),
    })
}

fn missing(what: &str) -> SnapshotError {
    Fault::Inconsistent(format!("{what} is missing")).into()
}

/// The last blocks up to `last`, which has this score, ascending.
fn write_blocks(
    database: &Database,
    (last, score): (BlockNumber, U256),
    development: Option<Development>,
    file: &mut ChunkWriter<impl Write>,
) -> Result<u64, SnapshotError> {
    // Scores are known at the end and differ by difficulties.
    let mut records = Vec::new();
    let mut score = score;
    for number in (1..=last).rev().take(usize::try_from(BLOCKS).unwrap_or(usize::MAX)) {
        let lost = || missing(&format!("block {number}"));
        let hash = database.canonical_hash(number)?.ok_or_else(lost)?;
        let ExecutedRecord { block, receipts, .. } = database.executed(hash)?.ok_or_else(lost)?;
        let unsigned = |tx: &&Transaction| development.and_then(|development| development.impersonated(tx)).is_some();
        if let Some(tx) = block.transactions.iter().find(unsigned) {
            return Err(SnapshotError::Impersonated { number, hash: *tx.tx_hash() });
        }
        let encode = |receipt: &aurum_types::Receipt| {
            let mut out = Vec::new();
            receipt.encode_2718(&mut out);
            Bytes::from(out)
        };
        let before = score.checked_sub(block.header.difficulty).ok_or_else(|| missing("a score"))?;
        records.push(BlockRecord { block: block.encode(), receipts: receipts.iter().map(encode).collect(), score });
        score = before;
    }
    for record in records.iter().rev() {
        file.write(Kind::Block, &alloy_rlp::encode(record))?;
    }
    Ok(records.len() as u64)
}

/// Accounts that wait for their chunk.
#[derive(Default)]
struct Held {
    records: Vec<AccountRecord>,
    size: usize,
}

struct StateWriter<'a, W> {
    database: &'a Database,
    file: &'a mut ChunkWriter<W>,
    codes: HashSet<B256>,
    held: Held,
    totals: Totals,
}

impl<W: Write> StateWriter<'_, W> {
    fn leaf(&mut self, leaf: Leaf) -> Result<(), SnapshotError> {
        match leaf {
            Leaf::Account(address, account) => self.account(address, account)?,
            Leaf::Slot(slot, value) => {
                let record = self.held.records.last_mut().ok_or_else(|| missing("a slot's account"))?;
                record.slots.push(SlotRecord { slot, value });
                self.held.size += 66;
                self.totals.slots += 1;
            }
        }
        if self.held.size < CHUNK {
            return Ok(());
        }
        // The account may have more slots: its record goes on in the next chunk.
        let last = self.held.records.last().map(|record| AccountRecord::new(record.address, record.account()));
        self.flush()?;
        self.held.records.extend(last);
        Ok(())
    }

    fn account(&mut self, address: Address, account: Account) -> Result<(), SnapshotError> {
        // A record that was to go on and has no more slots.
        if self.held.size == 0 {
            self.held.records.clear();
        }
        let hash = account.code_hash;
        if hash != EMPTY_CODE_HASH && self.codes.insert(hash) {
            self.file.write(Kind::Code, &self.database.code(hash)?)?;
            self.totals.codes += 1;
        }
        self.held.records.push(AccountRecord::new(address, account));
        self.held.size += 100;
        self.totals.accounts += 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Held { records, size } = std::mem::take(&mut self.held);
        if size == 0 {
            return Ok(());
        }
        self.file.write(Kind::State, &alloy_rlp::encode(&records))
    }
}
