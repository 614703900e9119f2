//! What a run cost: CPU time and memory of the server, CPU time of the generator.

use super::process::{Process, ProcessUsage};
use crate::bench::error::BenchError;
use crate::clock::Clock;
use std::time::Duration;

/// Watches the server's process, if it is known, and this one.
#[derive(Debug)]
pub(crate) struct Meter {
    clock: Clock,
    server: Option<Process>,
    /// The server's memory before anybody connected.
    rss_before_kib: Option<u64>,
    begin: MeterReading,
}

#[derive(Debug, Clone, Copy, Default)]
struct MeterReading {
    at: Duration,
    server: Option<ProcessUsage>,
    own: ProcessUsage,
}

/// What a run cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RunCost {
    /// From [`Meter::begin`] to [`Meter::end`].
    pub(crate) took: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) own_cpu: Duration,
    /// Resident at the end.
    pub(crate) rss_kib: Option<u64>,
    /// More than before anybody connected; none if it is less.
    pub(crate) rss_grown_kib: Option<u64>,
}

impl Meter {
    /// To be made before anybody connects.
    pub(crate) fn try_new(pid: Option<u32>, clock: &Clock) -> Result<Self, BenchError> {
        let mut meter = Self {
            clock: clock.clone(),
            server: pid.map(Process::new),
            rss_before_kib: None,
            begin: MeterReading::default(),
        };
        meter.begin()?;
        meter.rss_before_kib = meter.begin.server.map(|usage| usage.rss_kib);
        Ok(meter)
    }

    /// What is measured begins.
    pub(crate) fn begin(&mut self) -> Result<(), BenchError> {
        self.begin = self.read()?;
        Ok(())
    }

    /// What is measured has ended; its cost, with what is resident now.
    pub(crate) fn end(&self) -> Result<RunCost, BenchError> {
        let end = self.read()?;
        let cost = RunCost {
            took: end.at.saturating_sub(self.begin.at),
            server_cpu: end
                .server
                .zip(self.begin.server)
                .map(|(end, begin)| end.cpu.saturating_sub(begin.cpu)),
            own_cpu: end.own.cpu.saturating_sub(self.begin.own.cpu),
            rss_kib: None,
            rss_grown_kib: None,
        };
        Ok(self.with_memory(cost, &end))
    }

    /// The same cost, with what is resident now.
    pub(crate) fn rested(&self, cost: RunCost) -> Result<RunCost, BenchError> {
        Ok(self.with_memory(cost, &self.read()?))
    }

    fn with_memory(&self, cost: RunCost, now: &MeterReading) -> RunCost {
        let rss_kib = now.server.map(|usage| usage.rss_kib);
        let before = rss_kib.zip(self.rss_before_kib);
        let rss_grown_kib = before.and_then(|(now, before)| now.checked_sub(before));
        RunCost { rss_kib, rss_grown_kib, ..cost }
    }

    fn read(&self) -> Result<MeterReading, BenchError> {
        let server = self.server.as_ref().map(Process::usage).transpose()?;
        Ok(MeterReading { at: self.clock.elapsed(), server, own: Process::own().usage()? })
    }
}
