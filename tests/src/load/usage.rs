//! What processes and folders take, as Linux tells it.

use std::{fs, os::unix::fs::MetadataExt, path::Path, path::PathBuf};

/// `USER_HZ`: the unit of processor time in `/proc`, 100 on every architecture of Linux that matters.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time and memory of some processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time since their start, seconds.
    pub cpu_s: f64,
    /// Resident memory now, MiB.
    pub resident_mib: f64,
}

impl Usage {
    /// Of those that still run.
    pub fn of(pids: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            sum.cpu_s += cpu_seconds(&stat).unwrap_or_default();
            sum.resident_mib += resident_mib(&status).unwrap_or_default();
        }
        sum
    }
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc_pid_stat(5)); the second field may itself hold blanks and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1_024.0)
}

/// Bytes the folders' files take on disk, in allocated blocks.
pub fn folder_bytes(folders: &[PathBuf]) -> u64 {
    folders.iter().map(|folder| below(folder)).sum()
}

fn below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => below(&entry.path()),
            Ok(data) => data.blocks() * 512,
            // A file that a node deleted meanwhile.
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_time_after_a_name_with_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 150 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(resident_mib("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2.0));
    }

    #[test]
    fn counts_the_files_of_all_folders_below() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        let before = folder_bytes(&[folder.path().to_path_buf()]);
        fs::write(folder.path().join("inner/file"), vec![1; 10_000]).unwrap();
        assert!(folder_bytes(&[folder.path().to_path_buf()]) >= before + 10_000);
    }
}
