//! What the database and the disk below it take and give by themselves: the bounds of everything this crate does.
//! `cargo bench -p aurum-storage --bench disk` prints one line a measure; needs 1 GB below the folder for temporary files.

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use alloy::primitives::keccak256;
use rocksdb::{BlockBasedOptions, DB, IngestExternalFileOptions, Options, SstFileWriter, WriteBatch, WriteOptions};

/// Records put: keys of 32 bytes, values of [`VALUE`].
const RECORDS: u64 = 500_000;
const VALUE: usize = 110;
const READS: u64 = 200_000;

fn each(what: &str, count: u64, spent: Duration) {
    let micros = spent.as_secs_f64() * 1e6 / count as f64;
    println!("disk::{what}: {micros:.2} µs each, {:.0} a second", count as f64 / spent.as_secs_f64());
}

fn quantiles(what: &str, mut spent: Vec<Duration>) {
    spent.sort_unstable();
    let at = |part: usize| spent[(spent.len() - 1) * part / 100];
    println!("disk::{what}: p50 {:?}, p99 {:?}", at(50), at(99));
}

fn record(n: u64) -> ([u8; 32], [u8; VALUE]) {
    (keccak256(n.to_be_bytes()).0, [n as u8; VALUE])
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options
}

fn put(db: &DB) {
    let start = Instant::now();
    for from in (0..RECORDS).step_by(1_000) {
        let mut batch = WriteBatch::default();
        (from..from + 1_000).map(record).for_each(|(key, value)| batch.put(key, value));
        db.write(batch).expect("disk");
    }
    each("put, random keys, batches of 1,000", RECORDS, start.elapsed());
}

fn ingest(db: &DB, directory: &Path) {
    let mut records: Vec<_> = (RECORDS..2 * RECORDS).map(record).collect();
    let start = Instant::now();
    records.sort_unstable();
    let (file, options) = (directory.join("sorted.sst"), options());
    let mut writer = SstFileWriter::create(&options);
    writer.open(&file).expect("disk");
    records.iter().for_each(|(key, value)| writer.put(key, value).expect("in order"));
    writer.finish().expect("disk");
    let mut how = IngestExternalFileOptions::default();
    how.set_move_files(true);
    db.ingest_external_file_opts(&how, vec![file]).expect("disk");
    each("the same as a sorted file that is taken in", RECORDS, start.elapsed());
}

fn get(db: &DB, what: &str, key: impl Fn(u64) -> u64, is_there: bool) {
    let keys: Vec<_> = (0..READS).map(|n| record(key(n)).0).collect();
    let start = Instant::now();
    for key in &keys {
        assert_eq!(black_box(db.get_pinned(key).expect("disk")).is_some(), is_there, "as it was put");
    }
    each(what, READS, start.elapsed());
}

fn batches(db: &DB, puts: u64) {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let spent = (0..40).map(|round| {
        let mut batch = WriteBatch::default();
        let first = 3 * RECORDS + round * puts;
        (first..first + puts).map(record).for_each(|(key, value)| batch.put(key, value));
        let start = Instant::now();
        db.write_opt(batch, &synced).expect("disk");
        start.elapsed()
    });
    quantiles(&format!("batch of {puts} puts, log synced"), spent.collect());
}

/// Appends so many bytes and waits until they are on the disk.
fn sync(directory: &Path, what: &str, bytes: usize) {
    let mut file = File::create(directory.join("appended")).expect("disk");
    let chunk = vec![0x5a; bytes];
    let spent = (0..100).map(|_| {
        let start = Instant::now();
        file.write_all(&chunk).expect("disk");
        file.sync_data().expect("disk");
        start.elapsed()
    });
    quantiles(what, spent.collect());
}

fn main() {
    let directory = std::env::temp_dir().join(format!("aurum-disk-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("disk");
    let db = DB::open(&options(), directory.join("db")).expect("opens");
    put(&db);
    ingest(&db, &directory);
    // The keys are hashes, so any order of the numbers is one without a pattern.
    get(&db, "get, random keys", |n| n * 7_919 % (2 * RECORDS), true);
    get(&db, "get, absent keys", |n| 2 * RECORDS + n, false);
    batches(&db, 1_000);
    batches(&db, 10_000);
    sync(&directory, "sync after 4 KiB", 4 << 10);
    sync(&directory, "sync after a block of 1,000 transfers, 600 B each", 600_000);
    drop(db);
    fs::remove_dir_all(&directory).expect("ours to remove");
}
