//! What the kernel says about a process: CPU time and resident memory (Linux).

use crate::bench::error::BenchError;
use std::fs;
use std::io;
use std::time::Duration;

/// Length of a clock tick in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A process of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: String,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time of all its threads, in the kernel and outside, to 10 ms.
    pub(crate) cpu: Duration,
    /// Resident memory in KiB.
    pub(crate) rss_kib: u64,
}

impl Process {
    /// The process with this id.
    pub(crate) fn new(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}") }
    }

    /// The process that asks.
    pub(crate) fn own() -> Self {
        Self { folder: "/proc/self".to_owned() }
    }

    /// What it has used so far. Fails if it has ended.
    pub(crate) fn usage(&self) -> Result<ProcessUsage, BenchError> {
        let read = |name: &str| {
            let path = format!("{}/{name}", self.folder);
            let what = format!("reading {path} (--pid)");
            fs::read_to_string(&path).map_err(BenchError::system(&what))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let unknown = || {
            let what = format!("reading {} (--pid)", self.folder);
            BenchError::system(&what)(io::Error::other("it is not as expected"))
        };
        Ok(ProcessUsage {
            cpu: parse_cpu(&stat).ok_or_else(unknown)?,
            rss_kib: parse_rss(&status).ok_or_else(unknown)?,
        })
    }
}

/// `utime` and `stime`, the 14th and 15th field; the second one is a name in parentheses that may hold anything.
pub(crate) fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    TICK.checked_mul(user.checked_add(system)?)
}

/// The line `VmRSS:   1234 kB`.
pub(crate) fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
