//! `poa-node import`: a file of blocks through the chain's one import door.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::mpsc::{self, SyncSender},
    thread,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use anyhow::Context as _;
use aurum_chain::{Chain, ImportError, Imported};
use aurum_types::{BlockNumber, HeaderFormat, SealedBlock};
use serde_json::{Value, json};

use super::{
    Answer, Folder,
    block_file::{BlockFile, Format},
    json::{bytes, uint64},
    offline, refusal,
};
use crate::config::{ChainFolder, Options};

/// Most blocks handed over at once: they are verified in parallel.
const BATCH_BLOCKS: usize = 256;
/// Most bytes of blocks handed over at once.
const BATCH_BYTES: usize = 16 << 20;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// Which file, where to.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// File of blocks; `-` is standard input
    pub file: PathBuf,
    /// How blocks stand in the file [default: its first byte tells]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where the chain is, or is to be.
    #[command(flatten)]
    pub folder: Folder,
}

/// Imports every block, each verified as if a peer had sent it. Blocks that are here already are passed over, so an import
/// that was interrupted, by `kill -9` too, is simply repeated. Stops at the first block that is refused.
///
/// # Errors
/// When the spec or the folder cannot be used, or the disk fails. A refused block is an answer.
pub fn import(args: Import, before: Options, config: Option<PathBuf>) -> anyhow::Result<Answer> {
    let Import { file, format, folder } = args;
    let options = folder.options(before, config)?;
    let input: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::with_capacity(
            1 << 20,
            File::open(&file).with_context(|| format!("cannot read {}", file.display()))?,
        ))
    };
    let chain = offline::open(&ChainFolder::resolve(&options)?)?;
    let mut run = Run { chain: &chain, imported: 0, known: 0, started: Instant::now(), told: Instant::now() };
    let stopped = run.all(BlockFile::new(input, format))?;
    Ok(run.report(stopped))
}

/// A block that was not imported.
struct Stopped {
    number: Option<BlockNumber>,
    hash: Option<B256>,
    rule: &'static str,
    reason: String,
}

struct Run<'a> {
    chain: &'a Chain,
    imported: u64,
    known: u64,
    started: Instant,
    told: Instant,
}

/// What was read at a time.
#[derive(Default)]
struct Batch {
    blocks: Vec<SealedBlock>,
    /// Whether the file's block 0 is among them, and this chain's.
    has_genesis: bool,
    /// What is wrong with the file behind them.
    stopped: Option<Stopped>,
}

/// Reads batch by batch. Knows no chain: it may outlive the import, waiting for input that nobody sends.
struct Source<R> {
    file: BlockFile<R>,
    format: HeaderFormat,
    genesis: B256,
}

impl<R: BufRead> Source<R> {
    /// Sends every batch, until the file's end, what is wrong with it, or until nobody takes them.
    fn send_all(mut self, to: &SyncSender<Batch>) {
        loop {
            let batch = self.batch();
            let is_last = (batch.blocks.is_empty() && !batch.has_genesis) || batch.stopped.is_some();
            if to.send(batch).is_err() || is_last {
                return;
            }
        }
    }

    /// The next blocks, and what is wrong behind them. None at the file's end.
    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut size = 0;
        while batch.blocks.len() < BATCH_BLOCKS && size < BATCH_BYTES {
            match self.next() {
                Ok(Some((block, _))) if block.number() == 0 => batch.has_genesis = true,
                Ok(Some((block, length))) => {
                    size += length;
                    batch.blocks.push(block);
                }
                Ok(None) => break,
                Err(stopped) => {
                    batch.stopped = Some(stopped);
                    break;
                }
            }
        }
        batch
    }

    /// The next block, and how long it is in bytes.
    fn next(&mut self) -> Result<Option<(SealedBlock, usize)>, Stopped> {
        let bytes = match self.file.next_block() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => {
                return Err(Stopped { number: None, hash: None, rule: "file", reason: error.to_string() });
            }
        };
        let block = SealedBlock::decode(&bytes, &self.format).map_err(|error| {
            let error = ImportError::from(error);
            let reason = format!("block {} of the file (counted from 1): {error}", self.file.count());
            Stopped { number: None, hash: None, rule: refusal::rule(&error), reason }
        })?;
        if block.number() == 0 && block.hash() != self.genesis {
            let reason =
                format!("the file is of the chain with genesis {}, this one's is {}", block.hash(), self.genesis);
            return Err(Stopped { number: Some(0), hash: Some(block.hash()), rule: "genesis_hash", reason });
        }
        Ok(Some((block, bytes.len())))
    }
}

impl Run<'_> {
    /// Imports batch by batch, while the next one is read; gives what stopped it.
    fn all(&mut self, file: BlockFile<impl BufRead + Send + 'static>) -> anyhow::Result<Option<Stopped>> {
        let source = Source { file, format: *self.chain.header_format(), genesis: self.chain.genesis_hash() };
        let (read_to, batches) = mpsc::sync_channel(1);
        thread::Builder::new().name("read".to_owned()).spawn(move || source.send_all(&read_to))?;
        for Batch { blocks, has_genesis, stopped } in batches {
            self.known += u64::from(has_genesis);
            if let Some(refused) = self.import(&blocks)? {
                return Ok(Some(refused));
            }
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    fn import(&mut self, batch: &[SealedBlock]) -> anyhow::Result<Option<Stopped>> {
        let places: Vec<_> = batch.iter().map(|block| (block.number(), block.hash())).collect();
        let (done, error) = self.chain.import_batch(batch);
        let known = done.iter().filter(|done| matches!(done, Imported::Known)).count() as u64;
        self.known += known;
        self.imported += done.len() as u64 - known;
        self.tell();
        let Some(error) = error else { return Ok(None) };
        if let ImportError::Fault(fault) = error {
            return Err(fault.into());
        }
        let place = places.get(done.len());
        let (number, hash) = (place.map(|(number, _)| *number), place.map(|(_, hash)| *hash));
        let mut reason = error.to_string();
        if let ImportError::UnknownParent(_) = error {
            let latest = self.chain.head().latest.number;
            reason =
                format!("{reason}: the latest block here is {latest}, export again from {}", latest.saturating_add(1));
        }
        Ok(Some(Stopped { number, hash, rule: refusal::rule(&error), reason }))
    }

    fn rate(&self) -> u64 {
        (self.imported as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    fn tell(&mut self) {
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let number = self.chain.head().latest.number;
            tracing::info!(
                number,
                imported = self.imported,
                known = self.known,
                blocks_per_second = self.rate(),
                "importing"
            );
        }
    }

    fn report(&self, stopped: Option<Stopped>) -> Answer {
        let head = self.chain.head();
        let at = |at: aurum_chain::BlockRef| json!({ "number": uint64(at.number), "hash": bytes(at.hash) });
        let mut report = json!({
            "imported": uint64(self.imported),
            "known": uint64(self.known),
            "latest": at(head.latest),
            "finalized": at(head.finalized),
            "blocksPerSecond": uint64(self.rate()),
        });
        let Some(Stopped { number, hash, rule, reason }) = stopped else { return Answer::yes(report) };
        let place = number.map_or(String::new(), |number| format!("block {number}: "));
        let error = format!("{place}{reason}");
        eprintln!("error: stopped at {error}");
        report["error"] = json!(error);
        report["block"] = json!({
            "number": number.map_or(Value::Null, uint64),
            "hash": hash.map_or(Value::Null, bytes),
            "rule": rule,
        });
        Answer::no(report)
    }
}
