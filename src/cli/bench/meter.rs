//! What a run cost: CPU time and memory of the server, CPU time of the generator.

use super::process::{Process, Usage};
use crate::cli::exit::Failure;
use crate::clock::Clock;
use std::time::Duration;

/// Watches the server's process, if it is known, and this one.
#[derive(Debug)]
pub(super) struct Meter {
    clock: Clock,
    server: Option<Process>,
    /// The server's memory before anybody connected.
    rss_before_kib: Option<u64>,
    begin: Reading,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    at: Duration,
    server: Option<Usage>,
    own: Usage,
}

/// What a run cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// From [`Meter::begin`] to [`Meter::end`].
    pub(super) took: Duration,
    pub(super) server_cpu: Option<Duration>,
    pub(super) own_cpu: Duration,
    /// Resident at the end.
    pub(super) rss_kib: Option<u64>,
    /// More than before anybody connected; none if it is less.
    pub(super) rss_grown_kib: Option<u64>,
}

impl Meter {
    /// To be made before anybody connects.
    pub(super) fn try_new(pid: Option<u32>, clock: &Clock) -> Result<Self, Failure> {
        let mut meter = Self {
            clock: clock.clone(),
            server: pid.map(Process::new),
            rss_before_kib: None,
            begin: Reading::default(),
        };
        meter.begin()?;
        meter.rss_before_kib = meter.begin.server.map(|usage| usage.rss_kib);
        Ok(meter)
    }

    /// What is measured begins.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.begin = self.read()?;
        Ok(())
    }

    /// What is measured has ended.
    pub(super) fn end(&self) -> Result<Cost, Failure> {
        let end = self.read()?;
        let rss_kib = end.server.map(|usage| usage.rss_kib);
        Ok(Cost {
            took: end.at.saturating_sub(self.begin.at),
            server_cpu: end
                .server
                .zip(self.begin.server)
                .map(|(end, begin)| end.cpu.saturating_sub(begin.cpu)),
            own_cpu: end.own.cpu.saturating_sub(self.begin.own.cpu),
            rss_kib,
            rss_grown_kib: rss_kib
                .zip(self.rss_before_kib)
                .and_then(|(end, before)| end.checked_sub(before)),
        })
    }

    fn read(&self) -> Result<Reading, Failure> {
        let server = self.server.as_ref().map(Process::usage).transpose()?;
        Ok(Reading { at: self.clock.elapsed(), server, own: Process::own().usage()? })
    }
}
