//! `poa-node export blocks`: the canonical chain as a file.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy::primitives::hex;
use anyhow::Context as _;
use aurum_chain::Chain;
use aurum_types::BlockNumber;
use clap::Subcommand;
use serde_json::json;

use super::{Answer, Folder, block_file::Format, json::uint64, offline};
use crate::config::Options;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// What to export.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// The canonical blocks, oldest first
    Blocks(Box<ExportBlocks>),
}

/// Which blocks.
#[derive(Debug, clap::Args)]
pub struct ExportBlocks {
    /// File to write; `-` is standard output
    pub file: PathBuf,
    /// First block
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from: BlockNumber,
    /// Last block [default: the latest]
    #[arg(long, value_name = "N")]
    pub to: Option<BlockNumber>,
    /// How blocks are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Where the chain is.
    #[command(flatten)]
    pub folder: Folder,
}

/// Writes the canonical blocks `from ..= to`. The file appears whole or not at all.
///
/// # Errors
/// When there is no such chain or block, a node is using the folder, or the file cannot be written.
pub fn blocks(args: ExportBlocks, before: Options, config: Option<PathBuf>) -> anyhow::Result<Answer> {
    let ExportBlocks { file, from, to, format, folder } = args;
    let chain = offline::open_existing(&folder.options(before, config)?)?;
    let latest = chain.head().latest.number;
    let to = to.unwrap_or(latest);
    anyhow::ensure!(to <= latest, "block {to} is not here: the latest is {latest}");
    anyhow::ensure!(from <= to || from == latest + 1, "there are no blocks from {from} to {to}");
    let write = |out: &mut dyn Write| write_blocks(&chain, from, to, format, out);
    let (count, bytes) =
        if file == Path::new("-") { write(&mut io::stdout().lock())? } else { into_file(&file, write)? };
    let report = json!({
        "file": file.display().to_string(),
        "from": uint64(from),
        "to": uint64(to),
        "blocks": uint64(count),
        "bytes": uint64(bytes),
    });
    if file == Path::new("-") {
        // Standard output is the blocks' already.
        eprintln!("{report}");
        return Ok(Answer::silent());
    }
    Ok(Answer::yes(report))
}

fn write_blocks(
    chain: &Chain,
    from: BlockNumber,
    to: BlockNumber,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    let (started, mut told) = (Instant::now(), Instant::now());
    for number in from..=to {
        let hash = chain.canonical_hash(number)?;
        let block = hash.map(|hash| chain.block_bytes(hash)).transpose()?.flatten();
        let block =
            block.with_context(|| format!("block {number} is not here: this node began with a later snapshot"))?;
        match format {
            Format::Binary => out.write_all(&block)?,
            Format::Hex => writeln!(out, "{}", hex::encode(&block))?,
        }
        count += 1;
        bytes += block.len() as u64;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let rate = count as f64 / started.elapsed().as_secs_f64();
            tracing::info!(number, to, blocks_per_second = rate as u64, "exporting");
        }
    }
    out.flush()?;
    Ok((count, bytes))
}

/// Writes beside the file and renames. What is no ordinary file (a pipe, a device) is written to directly.
pub(super) fn into_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let cannot = || format!("cannot write {}", path.display());
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = File::options().write(true).open(path).with_context(cannot)?;
        return write(&mut BufWriter::new(file)).with_context(cannot);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".export-").tempfile_in(folder).with_context(cannot)?;
    let mut out = BufWriter::new(draft);
    let done = write(&mut out).with_context(cannot)?;
    let draft = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(cannot)?;
    draft.as_file().sync_all().with_context(cannot)?;
    draft.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(done)
}
