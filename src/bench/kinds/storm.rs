//! All sockets are cut off at once and come back.

mod bystander;
#[cfg(test)]
mod tests;

use crate::bench::error::BenchError;
use crate::bench::fleet::{Fleet, FleetObserver};
use crate::bench::load::LoadPlan;
use crate::bench::measure::{EventCounts, Quantiles};
use crate::bench::progress::Progress;
use crate::bench::report::{BenchReport, StormFindings};
use crate::bench::run::{KindFindings, LoadRun};
use crate::client::ClientEnd;
use crate::types::saturating_u64;
use bystander::Bystander;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Pause between the last connect and the cut, so that the cost of connecting is not measured.
const CALM: Duration = Duration::from_secs(1);
/// Longest wait for something to happen.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// Sockets that are opened before those that are open are looked after.
const OPENED_AT_ONCE: usize = 64;

/// Connects all sockets, cuts all but one off at once, and measures how they come back. The one that is left pings with
/// `event` all the time: how long that takes is what a bystander sees.
pub(crate) fn storm(plan: LoadPlan, event: &str) -> Result<BenchReport, BenchError> {
    let all = plan.sockets;
    let Some(cut) = all.checked_sub(1).filter(|cut| 0 < *cut) else {
        let why = "--sockets must be 2 or more: one is not cut off";
        return Err(BenchError::Usage(why.to_owned()));
    };
    let mut run = LoadRun::try_new(plan, 1)?;
    let LoadRun { fleet, meter, progress } = &mut run;
    let bystander = Bystander::connect(Arc::clone(&fleet.plan), fleet.clock.clone(), cut, event)?;
    let mut crowd = Crowd::new(cut);
    fleet.connect_first(cut, &mut crowd, progress)?;
    let ready = fleet.arrivals.connected();
    if ready < cut {
        let why = fleet.arrivals.trouble.as_deref().unwrap_or_default();
        let why = format!("only {ready} of {cut} sockets connected: {why}");
        return Err(BenchError::Unreachable(why));
    }
    let calm = fleet.clock.elapsed() + CALM;
    while fleet.clock.elapsed() < calm {
        fleet.turn(&mut crowd, WAIT_MAX)?;
    }
    meter.begin()?;
    let (took, bystander) = meanwhile(bystander, || come_back(fleet, &mut crowd, cut, progress))?;
    let cost = run.end()?;
    let stays = bystander.is_connected();
    if !stays {
        let gone = ClientEnd::Closed("the one that was not cut off".to_owned());
        run.fleet.arrivals.ended(cut, gone);
    }
    let back = run.fleet.arrivals.ready;
    let counts = EventCounts {
        sent: saturating_u64(cut),
        delivered: saturating_u64(back),
        lost: saturating_u64(cut.saturating_sub(run.fleet.arrivals.settled())),
        ..EventCounts::default()
    };
    let found = KindFindings {
        command: "storm",
        connected: back + usize::from(stays),
        counts,
        took: Some(took),
        latency: None,
        storm: Some(crowd.end(bystander.quantiles())),
    };
    Ok(run.report(cost, found))
}

/// Does this while the bystander pings.
fn meanwhile<T>(
    bystander: Bystander,
    act: impl FnOnce() -> Result<T, BenchError>,
) -> Result<(T, Bystander), BenchError> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pinging = scope.spawn(|| bystander.ping_until(&is_over));
        let acted = act();
        is_over.store(true, Ordering::Relaxed);
        let joined = pinging.join().map_err(|_| {
            BenchError::system("pinging")(io::Error::other("the thread has panicked"))
        })?;
        Ok((acted?, joined?))
    })
}

/// Cuts off the first `cut` sockets and lets them come back, until all are there or nothing happens any more. Returns
/// how long that took.
fn come_back(
    fleet: &mut Fleet,
    crowd: &mut Crowd,
    cut: usize,
    progress: &mut Progress,
) -> Result<Duration, BenchError> {
    let plan = Arc::clone(&fleet.plan);
    let begun = fleet.clock.elapsed();
    (0..cut).for_each(|socket| fleet.cut(socket));
    fleet.arrivals.restart();
    let (mut opened, mut settled, mut last_news) = (0, 0, begun);
    while settled < cut && fleet.clock.elapsed() <= last_news + plan.patience {
        let due = cut.min(settled + plan.concurrency).min(opened + OPENED_AT_ONCE);
        (opened..due).for_each(|socket| fleet.open(socket));
        let is_opening = opened < due;
        opened = opened.max(due);
        fleet.turn(crowd, if is_opening { Duration::ZERO } else { WAIT_MAX })?;
        let before = std::mem::replace(&mut settled, fleet.arrivals.settled());
        if before < settled {
            last_news = fleet.clock.elapsed();
        }
        progress.say(|| format!("storm: {settled} of {cut} are back"));
    }
    Ok(last_news.saturating_sub(begun))
}

/// What those are told who are cut off.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// The session that each socket was told last.
    sessions: Vec<Option<u64>>,
    /// How often it was another one than before.
    new_sessions: usize,
}

impl FleetObserver for Crowd {
    fn packet(&mut self, socket: usize, packet: &[u8], _: Duration) {
        let Some(session) = session(packet) else { return };
        let Some(known) = self.sessions.get_mut(socket) else { return };
        let before = known.replace(session);
        self.new_sessions += usize::from(before.is_some_and(|before| before != session));
    }

    fn answered(&mut self, _: usize, _: u16) {}
}

impl Crowd {
    /// No socket was told anything yet.
    pub(crate) fn new(sockets: usize) -> Self {
        Self { sessions: vec![None; sockets], new_sessions: 0 }
    }

    /// The findings, with those of the bystander.
    pub(crate) fn end(&self, bystander_us: Option<Quantiles>) -> StormFindings {
        StormFindings {
            longest_stall_us: bystander_us.map(|it| it.max),
            bystander_us,
            new_sessions: self.new_sessions,
        }
    }
}

/// The session in a `userline:session`.
fn session(packet: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct SessionEvent {
        session: u64,
    }
    let packet = std::str::from_utf8(packet).ok().filter(|it| it.starts_with("42"))?;
    let (_, data) = packet.split_once(r#"["userline:session","#)?;
    let mut values = serde_json::Deserializer::from_str(data).into_iter::<SessionEvent>();
    Some(values.next()?.ok()?.session)
}
