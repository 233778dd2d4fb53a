//! `poa-node import`: a file of blocks through the chain's one import door.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use anyhow::Context as _;
use aurum_chain::{Chain, ImportError, Imported};
use aurum_types::{BlockNumber, SealedBlock};
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
/// Blocks that are here already and are passed over at a time, before progress is told.
const MOST_KNOWN: u64 = 4_096;
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
    let stopped = run.all(&mut BlockFile::new(input, format))?;
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
    /// Blocks passed over since they are here already.
    known: u64,
    /// What is wrong with the file behind them.
    stopped: Option<Stopped>,
}

impl Batch {
    const fn is_last(&self) -> bool {
        (self.blocks.is_empty() && self.known == 0) || self.stopped.is_some()
    }
}

/// Reads the next blocks that are not here yet, and what is wrong behind them. None at the file's end.
fn read(chain: &Chain, file: &mut BlockFile<impl BufRead>) -> anyhow::Result<Batch> {
    let mut batch = Batch::default();
    let mut size = 0;
    while batch.blocks.len() < BATCH_BLOCKS && size < BATCH_BYTES {
        let next = match file.next_block() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(error) => {
                let rule = "file";
                batch.stopped = Some(Stopped { number: None, hash: None, rule, reason: error.to_string() });
                break;
            }
        };
        let block = match chain.decode(&next) {
            Ok(block) => block,
            Err(error) => {
                let reason = format!("block {} of the file (counted from 1): {error}", file.count());
                let rule = refusal::rule(&error);
                batch.stopped = Some(Stopped { number: None, hash: None, rule, reason });
                break;
            }
        };
        if chain.canonical_hash(block.number())? == Some(block.hash()) {
            batch.known += 1;
            if batch.known == MOST_KNOWN {
                break;
            }
            continue;
        }
        if block.number() == 0 {
            let expected = chain.genesis_hash();
            let reason = format!("the file is of the chain with genesis {}, this one's is {expected}", block.hash());
            let (number, hash) = (Some(0), Some(block.hash()));
            batch.stopped = Some(Stopped { number, hash, rule: "genesis_hash", reason });
            break;
        }
        size += next.len();
        batch.blocks.push(block);
    }
    Ok(batch)
}

impl Run<'_> {
    /// Imports batch by batch, while the next one is read; gives what stopped it.
    fn all(&mut self, file: &mut BlockFile<impl BufRead + Send>) -> anyhow::Result<Option<Stopped>> {
        let chain = self.chain;
        let (read_to, batches) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                loop {
                    let batch = read(chain, file);
                    let is_last = batch.as_ref().map_or(true, Batch::is_last);
                    // Nobody takes it: the import has stopped.
                    if read_to.send(batch).is_err() || is_last {
                        return;
                    }
                }
            });
            for batch in batches {
                let Batch { blocks, known, stopped } = batch?;
                self.known += known;
                if let Some(refused) = self.import(blocks)? {
                    return Ok(Some(refused));
                }
                if stopped.is_some() {
                    return Ok(stopped);
                }
            }
            Ok(None)
        })
    }

    fn import(&mut self, batch: Vec<SealedBlock>) -> anyhow::Result<Option<Stopped>> {
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
