//! All sockets are cut off at once and come back.

#[cfg(test)]
mod tests;

use super::echo::ack_id;
use crate::bench::error::BenchError;
use crate::bench::fleet::{Fleet, FleetObserver};
use crate::bench::load::LoadPlan;
use crate::bench::measure::EventCounts;
use crate::bench::progress::Progress;
use crate::bench::report::{BenchReport, StormFindings};
use crate::bench::run::{KindFindings, LoadRun};
use crate::core::protocol::frame;
use crate::types::saturating_u64;
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Pause between the last connect and the cut, so that the cost of connecting is not measured.
const CALM: Duration = Duration::from_secs(1);
/// Time from an ack to the next ping of the witness.
const PING_EVERY: Duration = Duration::from_millis(5);

/// Connects all sockets, cuts all but one off at once, and measures how they come back. The one that is left pings with
/// `event` all the time: its longest round trip is the longest stall.
pub(crate) fn storm(plan: LoadPlan, event: &str) -> Result<BenchReport, BenchError> {
    let all = plan.sockets;
    let Some(cut) = all.checked_sub(1).filter(|cut| 0 < *cut) else {
        let why = "--sockets must be 2 or more: one is not cut off";
        return Err(BenchError::Usage(why.to_owned()));
    };
    let mut run = LoadRun::try_new(plan, 0)?;
    let LoadRun { fleet, meter, progress } = &mut run;
    let mut crowd = Crowd::new(all, Witness::new(cut, &fleet.plan.prefix, event));
    fleet.connect_all(&mut crowd, progress)?;
    let ready = fleet.arrivals.connected();
    if ready < all {
        let why = fleet.arrivals.trouble.as_deref().unwrap_or_default();
        let why = format!("only {ready} of {all} sockets connected: {why}");
        return Err(BenchError::Unreachable(why));
    }
    let calm = fleet.clock.elapsed() + CALM;
    while fleet.clock.elapsed() < calm {
        crowd.witness.ping(fleet);
        fleet.turn(&mut crowd, PING_EVERY)?;
    }
    crowd.witness.begin();
    meter.begin()?;
    let took = come_back(fleet, &mut crowd, cut, progress)?;
    let cost = run.end()?;
    let fleet = &run.fleet;
    let back = fleet.arrivals.ready;
    let counts = EventCounts {
        sent: saturating_u64(cut),
        delivered: saturating_u64(back),
        lost: saturating_u64(cut.saturating_sub(fleet.arrivals.settled())),
        ..EventCounts::default()
    };
    let found = KindFindings {
        command: "storm",
        connected: back + usize::from(fleet.is_ready(cut)),
        counts,
        took: Some(took),
        latency: None,
        storm: Some(crowd.end(fleet.clock.elapsed())),
    };
    Ok(run.report(cost, found))
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
        while opened < cut && opened - settled < plan.concurrency {
            fleet.open(opened);
            opened += 1;
            crowd.witness.ping(fleet);
        }
        crowd.witness.ping(fleet);
        fleet.turn(crowd, PING_EVERY)?;
        let before = std::mem::replace(&mut settled, fleet.arrivals.settled());
        if before < settled {
            last_news = fleet.clock.elapsed();
        }
        progress.say(|| format!("storm: {settled} of {cut} are back"));
    }
    Ok(last_news.saturating_sub(begun))
}

/// What all sockets are told.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// The session that each socket was told last.
    sessions: Vec<Option<u64>>,
    /// How often it was another one than before.
    new_sessions: usize,
    witness: Witness,
}

impl FleetObserver for Crowd {
    fn packet(&mut self, socket: usize, packet: &[u8], at: Duration) {
        self.witness.hear(socket, packet, at);
        let Some(session) = session(packet) else { return };
        let Some(known) = self.sessions.get_mut(socket) else { return };
        let before = known.replace(session);
        self.new_sessions += usize::from(before.is_some_and(|before| before != session));
    }

    fn answered(&mut self, _: usize, _: u16) {}
}

impl Crowd {
    /// No socket was told anything yet.
    pub(crate) fn new(sockets: usize, witness: Witness) -> Self {
        Self { sessions: vec![None; sockets], new_sessions: 0, witness }
    }

    /// The findings until `now`.
    pub(crate) fn end(&self, now: Duration) -> StormFindings {
        let Witness { acked, longest, sent_at, .. } = &self.witness;
        let unanswered = sent_at.map(|sent_at| now.saturating_sub(sent_at)).unwrap_or_default();
        let longest = (0 < *acked).then_some((*longest).max(unanswered));
        StormFindings {
            longest_stall_us: longest.map(|it| saturating_u64(it.as_micros())),
            new_sessions: self.new_sessions,
        }
    }
}

/// The socket that stays, and pings.
#[derive(Debug)]
pub(crate) struct Witness {
    socket: usize,
    /// Empty for the root namespace, else `/namespace,`.
    prefix: String,
    /// JSON text.
    event: String,
    /// Number of the last ping, and its ack id.
    id: u32,
    sent_at: Option<Duration>,
    acked_at: Duration,
    /// Pings that were acked, and the longest that one took.
    acked: u64,
    longest: Duration,
}

impl Witness {
    /// Pings with `event`.
    pub(crate) fn new(socket: usize, prefix: &str, event: &str) -> Self {
        Self {
            socket,
            prefix: prefix.to_owned(),
            event: Value::from(event).to_string(),
            id: 0,
            sent_at: None,
            acked_at: Duration::ZERO,
            acked: 0,
            longest: Duration::ZERO,
        }
    }

    /// What is measured begins.
    fn begin(&mut self) {
        self.longest = Duration::ZERO;
    }

    /// Pings, if it is time to.
    fn ping(&mut self, fleet: &mut Fleet) {
        let now = fleet.clock.elapsed();
        if self.sent_at.is_some() || now < self.acked_at + PING_EVERY {
            return;
        }
        self.id = self.id.wrapping_add(1);
        self.sent_at = Some(now);
        let packet = format!("42{}{}[{}]", self.prefix, self.id, self.event);
        let mut frames = BytesMut::new();
        frame::put_client_text(&mut frames, packet.as_bytes());
        fleet.send(self.socket, &frames);
    }

    fn hear(&mut self, socket: usize, packet: &[u8], at: Duration) {
        if socket != self.socket || ack_id(packet, &self.prefix) != Some(self.id) {
            return;
        }
        if let Some(sent_at) = self.sent_at.take() {
            (self.acked, self.acked_at) = (self.acked + 1, at);
            self.longest = self.longest.max(at.saturating_sub(sent_at));
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
