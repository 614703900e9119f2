//! `userline bench connect` and `userline bench idle`: sockets that come, and stay.

use super::args::{SocketArgs, TimeArgs};
use super::fleet::{self, Fleet};
use super::meter::Meter;
use super::progress::Progress;
use super::report::{Counts, Findings, Report};
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::types::{Seq, saturating_u64};
use clap::Args;
use std::sync::Arc;
use std::time::Duration;

/// Connect all sockets and measure what that takes
#[derive(Debug, Args)]
pub(in crate::cli) struct ConnectArgs {
    #[command(flatten)]
    sockets: SocketArgs,
}

/// Connect all sockets, let them be, and measure what that costs
///
/// Memory per connection is what the server has more than before, at the end.
#[derive(Debug, Args)]
pub(in crate::cli) struct IdleArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub(super) fn connect(args: &ConnectArgs) -> Result<(), Failure> {
    let (fleet, meter, progress) = begin(&args.sockets, Duration::ZERO)?;
    finish("connect", &args.sockets, &fleet, &meter, &progress)
}

pub(super) fn idle(args: &IdleArgs) -> Result<(), Failure> {
    let (mut fleet, mut meter, mut progress) = begin(&args.sockets, args.time.duration)?;
    meter.begin()?;
    let begun = fleet.clock.elapsed();
    loop {
        let passed = fleet.clock.elapsed().saturating_sub(begun);
        let Some(left) = args.time.duration.checked_sub(passed) else { break };
        fleet.turn(&mut (), left)?;
        progress.say(|| format!("idle: {} s", passed.as_secs()));
    }
    finish("idle", &args.sockets, &fleet, &meter, &progress)
}

fn begin(sockets: &SocketArgs, duration: Duration) -> Result<(Fleet, Meter, Progress), Failure> {
    let (plan, clock) = (Arc::new(sockets.plan(duration)?), Clock::start(Seq(0)));
    fleet::raise_file_limit(plan.sockets)?;
    let meter = Meter::try_new(sockets.pid(), &clock)?;
    let mut progress = Progress::new(clock.clone());
    let mut fleet = Fleet::try_new(plan, clock)?;
    fleet.connect_all(&mut (), &mut progress)?;
    Ok((fleet, meter, progress))
}

fn finish(
    command: &'static str,
    sockets: &SocketArgs,
    fleet: &Fleet,
    meter: &Meter,
    progress: &Progress,
) -> Result<(), Failure> {
    let cost = meter.end()?;
    progress.end();
    let arrivals = &fleet.arrivals;
    let counts = Counts {
        sent: saturating_u64(arrivals.settled()),
        delivered: saturating_u64(arrivals.ready),
        ..Counts::default()
    };
    let findings = Findings {
        command,
        sockets: fleet.plan.sockets,
        connected: arrivals.connected(),
        arrivals,
        counts,
        took: cost.took,
        latency: arrivals.latency.quantiles(),
        cost,
        storm: None,
    };
    Report::new(findings).show(sockets.manner())
}
