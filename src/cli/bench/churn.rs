//! `userline bench churn`: sockets that come and leave again, all the time.

use super::args::{SocketArgs, TimeArgs};
use super::fleet::{self, Fleet};
use super::meter::Meter;
use super::progress::Progress;
use super::report::{Counts, Findings, Report};
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::types::{Seq, saturating_u64};
use clap::Args;
use std::collections::VecDeque;
use std::sync::Arc;

/// Connect and leave, over and over; --concurrency sockets at once, --sockets different ones
#[derive(Debug, Args)]
pub(in crate::cli) struct ChurnArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub(super) fn run(args: &ChurnArgs) -> Result<(), Failure> {
    let (plan, clock) = (Arc::new(args.sockets.plan(args.time.duration)?), Clock::start(Seq(0)));
    fleet::raise_file_limit(plan.sockets)?;
    let meter = Meter::try_new(args.sockets.pid(), &clock)?;
    let mut progress = Progress::new(clock.clone());
    let mut fleet = Fleet::try_new(Arc::clone(&plan), clock)?;
    let begun = turn_over(&mut fleet, &mut progress)?;
    let cost = meter.end()?;
    progress.end();
    let arrivals = &fleet.arrivals;
    let counts = Counts {
        sent: saturating_u64(begun),
        delivered: saturating_u64(arrivals.ready),
        // Neither refused nor ready: there was no answer. Neither left nor disconnected: the server did not close.
        lost: saturating_u64(begun.saturating_sub(arrivals.settled()))
            + saturating_u64(arrivals.ready.saturating_sub(arrivals.left + arrivals.disconnected)),
        ..Counts::default()
    };
    let findings = Findings {
        command: "churn",
        sockets: plan.sockets,
        connected: arrivals.ready,
        arrivals,
        counts,
        took: cost.took,
        latency: arrivals.latency.quantiles(),
        cost,
        storm: None,
    };
    arrivals.has_any()?;
    Report::new(findings).show(args.sockets.manner())
}

/// Opens a socket for each that is over, until the time is up; then waits for the last ones. Returns how many were
/// opened.
fn turn_over(fleet: &mut Fleet, progress: &mut Progress) -> Result<usize, Failure> {
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
