//! Sockets that connect and stay.

use crate::bench::error::BenchError;
use crate::bench::load::LoadPlan;
use crate::bench::measure::EventCounts;
use crate::bench::report::BenchReport;
use crate::bench::run::{KindFindings, LoadRun};
use crate::types::saturating_u64;

/// Connects all sockets and measures what that takes.
pub(crate) fn connect(plan: LoadPlan) -> Result<BenchReport, BenchError> {
    let mut run = LoadRun::try_new(plan, 0)?;
    run.connect_all()?;
    finish("connect", run)
}

/// Connects all sockets, lets them be, and measures what that costs.
pub(crate) fn idle(plan: LoadPlan) -> Result<BenchReport, BenchError> {
    let duration = plan.duration;
    let mut run = LoadRun::try_new(plan, 0)?;
    run.connect_all()?;
    run.meter.begin()?;
    let begun = run.fleet.clock.elapsed();
    loop {
        let passed = run.fleet.clock.elapsed().saturating_sub(begun);
        let Some(left) = duration.checked_sub(passed) else { break };
        run.fleet.turn(&mut (), left)?;
        run.progress.say(|| format!("idle: {} s", passed.as_secs()));
    }
    finish("idle", run)
}

fn finish(command: &'static str, mut run: LoadRun) -> Result<BenchReport, BenchError> {
    let cost = run.end()?;
    let arrivals = &run.fleet.arrivals;
    let counts = EventCounts {
        sent: saturating_u64(arrivals.settled()),
        delivered: saturating_u64(arrivals.ready),
        ..EventCounts::default()
    };
    let connected = arrivals.connected();
    let found = KindFindings { command, connected, counts, took: None, latency: None, storm: None };
    Ok(run.report(cost, found))
}
