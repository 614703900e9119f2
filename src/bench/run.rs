//! What every kind of load begins and ends with.

use super::error::BenchError;
use super::fleet::{Fleet, raise_file_limit};
use super::load::LoadPlan;
use super::measure::{EventCounts, Latency, Meter, RunCost};
use super::progress::Progress;
use super::report::{BenchFindings, BenchReport, StormFindings};
use crate::clock::Clock;
use crate::types::Seq;
use std::sync::Arc;
use std::time::Duration;

/// One run: all sockets, and what watches them and the server.
pub(crate) struct LoadRun {
    pub(crate) fleet: Fleet,
    pub(crate) meter: Meter,
    pub(crate) progress: Progress,
}

/// What a kind of load found, besides what the fleet and the meter know.
#[derive(Clone, Copy)]
pub(crate) struct KindFindings<'a> {
    pub(crate) command: &'static str,
    /// Sockets that were connected at the end, or connections made.
    pub(crate) connected: usize,
    pub(crate) counts: EventCounts,
    /// From the first event to the last delivery; that of the run if it is not measured.
    pub(crate) took: Option<Duration>,
    /// Of the events; that of the connections if it is not measured.
    pub(crate) latency: Option<&'a Latency>,
    pub(crate) storm: Option<StormFindings>,
}

impl LoadRun {
    /// No socket is connected yet. `publishers` are connections besides the sockets.
    pub(crate) fn try_new(plan: LoadPlan, publishers: usize) -> Result<Self, BenchError> {
        let clock = Clock::start(Seq(0));
        raise_file_limit(plan.sockets.saturating_add(publishers))?;
        let meter = Meter::try_new(plan.server_pid, &clock)?;
        let progress = Progress::new(clock.clone());
        let fleet = Fleet::try_new(Arc::new(plan), clock)?;
        Ok(Self { fleet, meter, progress })
    }

    /// Connects all sockets; what they are told meanwhile is not looked at.
    pub(crate) fn connect_all(&mut self) -> Result<(), BenchError> {
        self.fleet.connect_first(self.fleet.plan.sockets, &mut (), &mut self.progress)
    }

    /// What was measured has ended; memory is looked at after the plan's rest.
    pub(crate) fn end(&mut self) -> Result<RunCost, BenchError> {
        let Self { fleet, meter, progress } = self;
        let cost = meter.end()?;
        let until = fleet.clock.elapsed() + fleet.plan.rest;
        while let Some(left) = until.checked_sub(fleet.clock.elapsed()).filter(|it| !it.is_zero()) {
            fleet.turn(&mut (), left)?;
            progress.say(|| format!("at rest for {} s more", left.as_secs()));
        }
        let is_rested = !fleet.plan.rest.is_zero();
        progress.end();
        if is_rested { meter.rested(cost) } else { Ok(cost) }
    }

    /// The report of the run.
    pub(crate) fn report(&self, cost: RunCost, found: KindFindings<'_>) -> BenchReport {
        let arrivals = &self.fleet.arrivals;
        BenchReport::new(&BenchFindings {
            command: found.command,
            sockets: self.fleet.plan.sockets,
            connected: found.connected,
            arrivals,
            counts: found.counts,
            took: found.took.unwrap_or(cost.took),
            latency: found.latency.unwrap_or(&arrivals.latency).quantiles(),
            cost,
            storm: found.storm,
        })
    }
}
