//! Sockets that connect and leave again, all the time.

use crate::bench::error::BenchError;
use crate::bench::fleet::Fleet;
use crate::bench::load::LoadPlan;
use crate::bench::measure::EventCounts;
use crate::bench::progress::Progress;
use crate::bench::report::BenchReport;
use crate::bench::run::{KindFindings, LoadRun};
use crate::types::saturating_u64;
use std::collections::VecDeque;
use std::sync::Arc;

/// Connects and leaves, over and over: as many at once as the plan's `concurrency`.
pub(crate) fn churn(plan: LoadPlan) -> Result<BenchReport, BenchError> {
    let mut run = LoadRun::try_new(plan, 0)?;
    let begun = turn_over(&mut run.fleet, &mut run.progress)?;
    let cost = run.end()?;
    let arrivals = &run.fleet.arrivals;
    let counts = EventCounts {
        sent: saturating_u64(begun),
        delivered: saturating_u64(arrivals.ready),
        // Neither refused nor ready: there was no answer. Neither left nor disconnected: the server did not close.
        lost: saturating_u64(begun.saturating_sub(arrivals.settled()))
            + saturating_u64(arrivals.ready.saturating_sub(arrivals.left + arrivals.disconnected)),
        ..EventCounts::default()
    };
    let found = KindFindings {
        command: "churn",
        connected: arrivals.ready,
        counts,
        took: None,
        latency: None,
        storm: None,
    };
    arrivals.has_any()?;
    Ok(run.report(cost, found))
}

/// Opens a socket for each that is over, until the time is up; then waits for the last ones. Returns how many were
/// opened.
fn turn_over(fleet: &mut Fleet, progress: &mut Progress) -> Result<usize, BenchError> {
    let plan = Arc::clone(&fleet.plan);
    // Sockets take turns, so that a user who has left is not back at once unless all are in use.
    let mut free: VecDeque<usize> = (0..plan.sockets).collect();
    let (mut begun, mut under_way) = (0, 0);
    let end = fleet.clock.elapsed() + plan.duration;
    let mut last_news = fleet.clock.elapsed();
    loop {
        let now = fleet.clock.elapsed();
        while now < end && under_way < plan.concurrency {
            let Some(socket) = free.pop_front() else { break };
            fleet.open(socket);
            (begun, under_way) = (begun + 1, under_way + 1);
        }
        if under_way == 0 || last_news + plan.patience < now {
            return Ok(begun);
        }
        fleet.turn(&mut (), plan.patience)?;
        let ready = std::mem::take(&mut fleet.arrivals.now_ready);
        for socket in &ready {
            fleet.leave(*socket);
        }
        let over = std::mem::take(&mut fleet.arrivals.now_over);
        if !ready.is_empty() || !over.is_empty() {
            last_news = now;
        }
        under_way -= over.len().min(under_way);
        free.extend(over);
        progress.say(|| format!("churn: {} connected", fleet.arrivals.ready));
    }
}
