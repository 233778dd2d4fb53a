//! RocksDB behind typed tables. Nothing else in the node names it.

use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBRecoveryMode, Direction, FlushOptions, IteratorMode, LogLevel,
    LruCacheOptions, Options, ReadOptions, WriteBatch, WriteOptions, checkpoint::Checkpoint,
};

use crate::{
    StorageError,
    codec::{Key, Value},
    tables::{ALL, Shape, Table},
};

/// Shared by all tables. Small on purpose: five nodes may run on one machine.
const BLOCK_CACHE_BYTES: usize = 48 << 20;
/// The cache is cut into 2 to the power of this many parts. By itself RocksDB makes parts of half a megabyte, in which two
/// filters of a large file push each other out.
const BLOCK_CACHE_SHARD_BITS: i32 = 2;
/// Where filters and indices go through the cache they are cut into blocks of this size, so that a read fetches a few
/// kilobytes of them and not those of a whole file.
const METADATA_BLOCK_BYTES: usize = 4 << 10;
/// Open files; with each one of single keys its filter and index are in memory, about a megabyte and a half.
const OPEN_FILES: i32 = 256;
/// Unflushed writes of one table; a full one is flushed.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// Unflushed writes of all tables together.
const ALL_WRITE_BUFFERS_BYTES: usize = 64 << 20;
/// Flushed files of a table of single keys that are merged at once. What a block changes lies all over such a table, so a
/// merge rewrites most of what it meets, however little it brings; filters keep reads out of the files in waiting.
const MERGED_AT_ONCE: i32 = 16;
/// Size of the first level into which such files are merged, ...
const FIRST_LEVEL_BYTES: u64 = 512 << 20;
/// ... and of its files.
const STATE_FILE_BYTES: u64 = 64 << 20;
/// The part of a write buffer that is a filter of its keys: most reads are for keys that were not written lately.
const BUFFER_FILTER: f64 = 0.1;
/// The log is cut when it grows past this, by flushing the tables that hold it up.
const LOG_BYTES: u64 = 256 << 20;

/// An open database.
pub(crate) struct Rocks {
    db: DB,
    path: PathBuf,
}

impl std::fmt::Debug for Rocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rocks").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Writes that happen together or not at all.
pub(crate) struct Batch<'a> {
    rocks: &'a Rocks,
    writes: WriteBatch,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(rocks: &'a Rocks) -> Self {
        Self { rocks, writes: WriteBatch::default() }
    }

    /// Sets a key.
    pub(crate) fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.put_encoded::<T>(key, &value.to_value());
    }

    /// Sets a key to bytes that are already the value's encoding.
    pub(crate) fn put_encoded<T: Table>(&mut self, key: &T::Key, value: &[u8]) {
        self.writes.put_cf(self.rocks.table::<T>(), key.to_bytes(), value);
    }

    /// Removes a key.
    pub(crate) fn delete<T: Table>(&mut self, key: &T::Key) {
        self.writes.delete_cf(self.rocks.table::<T>(), key.to_bytes());
    }

    /// Writes, and returns when all is on disk (fsync).
    pub(crate) fn write_durably(self) -> Result<(), StorageError> {
        self.write_with(true)
    }

    /// Writes to the log. That survives this process; after a power failure it may be gone as a whole, together with
    /// everything written after it.
    pub(crate) fn write(self) -> Result<(), StorageError> {
        self.write_with(false)
    }

    fn write_with(self, sync: bool) -> Result<(), StorageError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.rocks.db.write_opt(self.writes, &options).map_err(|error| StorageError::disk("write", &error))
    }
}

/// A key with its value.
pub(crate) type Record<T> = (<T as Table>::Key, <T as Table>::Value);

/// Records of a table in its keys' order.
pub(crate) type Records<'a, T> = Box<dyn Iterator<Item = Result<Record<T>, StorageError>> + 'a>;

impl Rocks {
    /// Opens the directory, creating what is missing. What a crash left half-written at the log's end is cut off.
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        let cache = block_cache();
        let tables = ALL.iter().map(|(name, shape)| ColumnFamilyDescriptor::new(*name, table_options(*shape, &cache)));
        let db = DB::open_cf_descriptors(&database_options(), path, tables).map_err(|error| {
            // RocksDB has no kind for this; its message is "IO error: lock hold by current process" within one process
            // and "IO error: While lock file: …/LOCK: Resource temporarily unavailable" across processes.
            let message = error.to_string();
            if message.contains("lock hold by") || message.contains("While lock file") {
                StorageError::InUse { path: path.to_owned() }
            } else {
                StorageError::disk("open", &error)
            }
        })?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Makes another database of what is in this one now: in a folder that does not exist, on the same disk, by links.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StorageError> {
        let failed = |error: rocksdb::Error| StorageError::disk("copy", &error);
        Checkpoint::new(&self.db).map_err(failed)?.create_checkpoint(path).map_err(failed)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a key.
    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, StorageError> {
        let bytes =
            self.db.get_pinned_cf(self.table::<T>(), key.to_bytes()).map_err(|e| StorageError::disk("read", &e))?;
        bytes.map(|bytes| decode::<T>(&bytes)).transpose()
    }

    /// Reads the encoding of a value.
    pub(crate) fn get_bytes<T: Table>(&self, key: &T::Key) -> Result<Option<Vec<u8>>, StorageError> {
        self.db.get_cf(self.table::<T>(), key.to_bytes()).map_err(|error| StorageError::disk("read", &error))
    }

    /// The first record at or behind `from` whose key starts with the first `prefix` bytes of `from`.
    pub(crate) fn seek<T: Table>(&self, from: &T::Key, prefix: usize) -> Result<Option<T::Value>, StorageError> {
        let from = from.to_bytes();
        let mut options = ReadOptions::default();
        if let Some(end) = after_prefix(&from[..prefix]) {
            options.set_iterate_upper_bound(end);
        }
        let mut iterator = self.db.raw_iterator_cf_opt(self.table::<T>(), options);
        iterator.seek(&from);
        let value = iterator.value().map(decode::<T>).transpose()?;
        iterator.status().map_err(|error| StorageError::disk("seek", &error))?;
        Ok(value)
    }

    /// All records from `from` on whose keys start with `prefix`, in the keys' order.
    pub(crate) fn scan<T: Table>(&self, from: &[u8], prefix: &[u8]) -> Records<'_, T> {
        let mut options = ReadOptions::default();
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mode = IteratorMode::From(from, Direction::Forward);
        Box::new(self.db.iterator_cf_opt(self.table::<T>(), options, mode).map(|record| {
            let (key, value) = record.map_err(|error| StorageError::disk("scan", &error))?;
            let key = Key::from_bytes(&key).ok_or_else(|| StorageError::corrupt(T::NAME, "malformed key"))?;
            Ok((key, decode::<T>(&value)?))
        }))
    }

    /// Visits keys that start with `prefix`: the first one, then always the first at or behind what `visit` made of the one
    /// before it, until that is nothing or there are no more.
    pub(crate) fn leap<T: Table>(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(T::Key) -> Option<Vec<u8>>,
    ) -> Result<(), StorageError> {
        let mut options = ReadOptions::default();
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mut iterator = self.db.raw_iterator_cf_opt(self.table::<T>(), options);
        iterator.seek(prefix);
        while let Some(key) = iterator.key() {
            let key = Key::from_bytes(key).ok_or_else(|| StorageError::corrupt(T::NAME, "malformed key"))?;
            let Some(next) = visit(key) else { break };
            iterator.seek(next);
        }
        iterator.status().map_err(|error| StorageError::disk("leap", &error))
    }

    /// The record with the highest key.
    pub(crate) fn last<T: Table>(&self) -> Result<Option<Record<T>>, StorageError> {
        let Some(record) = self.db.iterator_cf(self.table::<T>(), IteratorMode::End).next() else { return Ok(None) };
        let (key, value) = record.map_err(|error| StorageError::disk("read", &error))?;
        let key = Key::from_bytes(&key).ok_or_else(|| StorageError::corrupt(T::NAME, "malformed key"))?;
        Ok(Some((key, decode::<T>(&value)?)))
    }

    /// Writes what is in memory into tables; the log is empty then.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        let tables: Vec<_> = ALL.iter().filter_map(|(name, _)| self.db.cf_handle(name)).collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&tables, &options).map_err(|error| StorageError::disk("flush", &error))
    }

    /// Merges every table's files into its last level.
    pub(crate) fn compact(&self) -> Result<(), StorageError> {
        self.flush()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for table in ALL.iter().filter_map(|(name, _)| self.db.cf_handle(name)) {
            self.db.compact_range_cf_opt(table, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }

    /// Number of the last write; grows with every write.
    pub(crate) fn sequence(&self) -> u64 {
        self.db.latest_sequence_number()
    }

    fn table<T: Table>(&self) -> &ColumnFamily {
        self.db.cf_handle(T::NAME).expect("open() opens every table there is")
    }
}

fn decode<T: Table>(bytes: &[u8]) -> Result<T::Value, StorageError> {
    T::Value::from_value(bytes).ok_or_else(|| StorageError::corrupt(T::NAME, "malformed value"))
}

/// The smallest key behind all keys that start with `prefix`; `None` where there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn block_cache() -> Cache {
    let mut options = LruCacheOptions::default();
    options.set_capacity(BLOCK_CACHE_BYTES);
    options.set_num_shard_bits(BLOCK_CACHE_SHARD_BITS);
    Cache::new_lru_cache_opts(&options)
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(ALL_WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(LOG_BYTES);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_background_jobs(2);
    options.set_max_open_files(OPEN_FILES);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options
}

fn table_options(shape: Shape, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_arena_block_size(64 << 10);
    options.set_max_write_buffer_number(2);
    options.set_target_file_size_base(16 << 20);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    match shape {
        Shape::Point => tune_for_single_keys(&mut options, &mut blocks),
        Shape::Present => {
            tune_for_single_keys(&mut options, &mut blocks);
            options.set_optimize_filters_for_hits(true);
        }
        Shape::Range => {
            cache_metadata(&mut blocks);
            options.set_bottommost_compression_type(DBCompressionType::Zstd);
        }
        // At every level, since files move down whole.
        Shape::Bulk => {
            cache_metadata(&mut blocks);
            blocks.set_block_size(64 << 10);
            options.set_compression_type(DBCompressionType::Zstd);
        }
    }
    options.set_block_based_table_factory(&blocks);
    options
}

/// Filters and indices are in memory with the open file: every block reads such tables, all over.
fn tune_for_single_keys(options: &mut Options, blocks: &mut BlockBasedOptions) {
    // Hashes do not get shorter.
    options.set_compression_type(DBCompressionType::None);
    blocks.set_bloom_filter(10.0, false);
    options.set_memtable_prefix_bloom_ratio(BUFFER_FILTER);
    options.set_memtable_whole_key_filtering(true);
    options.set_target_file_size_base(STATE_FILE_BYTES);
    options.set_max_bytes_for_level_base(FIRST_LEVEL_BYTES);
    options.set_level_zero_file_num_compaction_trigger(MERGED_AT_ONCE);
    options.set_level_zero_slowdown_writes_trigger(2 * MERGED_AT_ONCE);
    options.set_level_zero_stop_writes_trigger(3 * MERGED_AT_ONCE);
}

/// Filters and indices are in the block cache while they are read, since these tables grow for ever.
fn cache_metadata(blocks: &mut BlockBasedOptions) {
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(METADATA_BLOCK_BYTES);
}
