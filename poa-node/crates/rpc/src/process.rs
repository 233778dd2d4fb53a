//! What this process uses, from `/proc/self`.

use std::fs;

/// Clock ticks per second in `/proc/self/stat`: 100 on every Linux this runs on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Usage of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
    pub(crate) cpu_seconds: f64,
}

/// `None` where there is no `/proc`.
pub(crate) fn usage() -> Option<Usage> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
    Some(Usage {
        resident_bytes: kib(&status, "VmRSS:")? * 1024,
        virtual_bytes: kib(&status, "VmSize:")? * 1024,
        threads: kib(&status, "Threads:")?,
        open_files,
        cpu_seconds: cpu_seconds(&stat)?,
    })
}

fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Fields 14 and 15 of `stat`; the command name in field 2 may hold spaces, so count from its closing parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_uses_something() {
        let Some(usage) = super::usage() else {
            println!("SKIPPED: no /proc here");
            return;
        };
        assert!(usage.resident_bytes > 0 && usage.threads > 0 && usage.open_files > 0);
    }

    #[test]
    fn cpu_time_survives_odd_command_names() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0";
        assert!((super::cpu_seconds(stat).unwrap() - 3.0).abs() < 1e-9);
    }
}
