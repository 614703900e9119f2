//! What the kernel says about a process: CPU time and resident memory (Linux).

use crate::cli::exit::Failure;
use anyhow::Context as _;
use std::fs;
use std::time::Duration;

/// Length of a clock tick in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A process of this machine.
#[derive(Debug, Clone)]
pub(super) struct Process {
    folder: String,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// CPU time of all its threads, in the kernel and outside, to 10 ms.
    pub(super) cpu: Duration,
    /// Resident memory in KiB.
    pub(super) rss_kib: u64,
}

impl Process {
    /// The process with this id.
    pub(super) fn new(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}") }
    }

    /// The process that asks.
    pub(super) fn own() -> Self {
        Self { folder: "/proc/self".to_owned() }
    }

    /// What it has used so far. Fails if it has ended.
    pub(super) fn usage(&self) -> Result<Usage, Failure> {
        let read = |name: &str| {
            let path = format!("{}/{name}", self.folder);
            fs::read_to_string(&path).with_context(|| format!("reading {path} (--pid)"))
        };
        let (stat, status) = (read("stat"), read("status"));
        let (stat, status) = (stat.map_err(Failure::Internal)?, status.map_err(Failure::Internal)?);
        let unknown = || Failure::Internal(anyhow::anyhow!("{} is not as expected", self.folder));
        Ok(Usage {
            cpu: parse_cpu(&stat).ok_or_else(unknown)?,
            rss_kib: parse_rss(&status).ok_or_else(unknown)?,
        })
    }
}

/// `utime` and `stime`, the 14th and 15th field; the second one is a name in parentheses that may hold anything.
pub(super) fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    TICK.checked_mul(user.checked_add(system)?)
}

/// The line `VmRSS:   1234 kB`.
pub(super) fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
