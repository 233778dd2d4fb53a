//! Accepted transactions survive the process.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::common::{FakeChain, signed};
use alloy::primitives::B256;
use aurum_pool::{HeadChange, Origin, Pool, PoolConfig};

fn open(path: &Path) -> Pool {
    Pool::open(PoolConfig { journal: Some(path.to_owned()), ..PoolConfig::default() }, FakeChain::rich()).unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool").join("transactions.journal");
    (folder, path)
}

fn hashes(pool: &Pool) -> Vec<B256> {
    pool.best().map(|tx| tx.hash()).collect()
}

/// Every `Ok` is in the file already: a copy made at that moment, as a killed process leaves it, gives all back.
#[test]
fn what_was_accepted_is_in_the_file_before_the_answer() {
    let (folder, path) = place();
    let pool = open(&path);
    let mut accepted = Vec::new();
    for nonce in 0..20 {
        accepted.push(pool.add(signed(1, nonce), Origin::Local).unwrap().hash);
        let copy = folder.path().join(format!("killed-{nonce}"));
        fs::copy(&path, &copy).unwrap();
        assert_eq!(hashes(&open(&copy)), accepted);
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_torn_anywhere_gives_the_whole_records_before_it_and_takes_new_ones() {
    let (folder, path) = place();
    let pool = open(&path);
    let accepted: Vec<_> = (0..3).map(|nonce| pool.add(signed(1, nonce), Origin::Local).unwrap().hash).collect();
    let bytes = fs::read(&path).unwrap();
    let record = (bytes.len() - 8) / 3;
    // Every place within a record, the borders by name; each opening syncs a file, so not every byte.
    for cut in (0..bytes.len()).step_by(7).chain([8, 8 + record, 7 + record, 9 + record]) {
        let torn = folder.path().join("torn");
        fs::write(&torn, &bytes[..cut]).unwrap();
        let pool = open(&torn);
        let whole = cut.saturating_sub(8) / record;
        assert_eq!(hashes(&pool), accepted[..whole], "cut at {cut}");
        pool.add(signed(2, 0), Origin::Local).unwrap();
        drop(pool);
        assert_eq!(open(&torn).status().pending, whole + 1, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_ends_the_reading_without_an_error() {
    let (_folder, path) = place();
    let pool = open(&path);
    for nonce in 0..3 {
        pool.add(signed(1, nonce), Origin::Local).unwrap();
    }
    drop(pool);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(open(&path).status().pending, 1);
}

#[test]
fn the_networks_are_not_journalled_and_used_ones_do_not_return() {
    let (_folder, path) = place();
    let chain = FakeChain::rich();
    let config = PoolConfig { journal: Some(path), ..PoolConfig::default() };
    let pool = Pool::open(config.clone(), chain.clone()).unwrap();
    let mined = pool.add(signed(1, 0), Origin::Local).unwrap().hash;
    let waiting = pool.add(signed(1, 1), Origin::Local).unwrap().hash;
    pool.add(signed(2, 0), Origin::Network).unwrap();
    let from = signed(1, 0).signer();
    chain.set(from, 1, u64::MAX);
    pool.on_head(&HeadChange { included: vec![mined], touched: vec![from], ..HeadChange::default() });
    drop(pool);
    assert_eq!(hashes(&Pool::open(config, chain).unwrap()), [waiting]);
}

#[test]
fn retracted_transactions_are_journalled_again() {
    let (_folder, path) = place();
    let pool = open(&path);
    let tx = signed(3, 0);
    pool.on_head(&HeadChange { retracted: vec![tx.clone()], ..HeadChange::default() });
    drop(pool);
    assert_eq!(hashes(&open(&path)), [*tx.inner().tx_hash()]);
}

#[test]
fn opening_rewrites_the_file_without_what_is_mined() {
    let (_folder, path) = place();
    let chain = FakeChain::rich();
    let config = PoolConfig { journal: Some(path.clone()), ..PoolConfig::default() };
    let pool = Pool::open(config.clone(), chain.clone()).unwrap();
    for nonce in 0..50 {
        pool.add(signed(1, nonce), Origin::Local).unwrap();
    }
    drop(pool);
    let before = fs::metadata(&path).unwrap().len();
    chain.set(signed(1, 0).signer(), 49, u64::MAX);
    let pool = Pool::open(config, chain).unwrap();
    assert_eq!(pool.status().pending, 1);
    assert!(fs::metadata(&path).unwrap().len() < before / 10);
}

#[test]
fn a_file_that_is_no_journal_is_started_anew() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(&path).unwrap().write_all(b"something else entirely").unwrap();
    let pool = open(&path);
    pool.add(signed(1, 0), Origin::Local).unwrap();
    drop(pool);
    assert_eq!(open(&path).status().pending, 1);
}
