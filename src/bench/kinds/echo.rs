//! Events of the clients, answered with an ack.

use crate::bench::error::BenchError;
use crate::bench::fleet::{Fleet, FleetObserver};
use crate::bench::load::{LoadPlan, Marker, Pace};
use crate::bench::measure::{EventCounts, Latency};
use crate::bench::progress::Progress;
use crate::bench::report::BenchReport;
use crate::bench::run::{KindFindings, LoadRun};
use crate::core::protocol::frame;
use crate::types::saturating_u64;
use bytes::BytesMut;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

/// What is sent back and forth.
#[derive(Debug)]
pub(crate) struct EchoSettings {
    /// Name of an event that the server acks.
    pub(crate) event: String,
    /// At most so many a second, all together.
    pub(crate) rate: Option<usize>,
}

/// One socket's round trip.
#[derive(Debug, Clone, Copy, Default)]
struct Trip {
    /// Number of the last event that was sent, from 1; its ack id.
    id: u32,
    /// When it was sent; none if it is acked.
    sent_at: Option<Duration>,
}

/// All round trips.
#[derive(Debug)]
struct Trips {
    /// Empty for the root namespace, else `/namespace,`.
    prefix: String,
    /// By socket.
    each: Vec<Trip>,
    counts: EventCounts,
    latency: Latency,
    last: Duration,
    under_way: usize,
    /// Sockets that may send.
    free: VecDeque<usize>,
}

impl FleetObserver for Trips {
    fn packet(&mut self, socket: usize, packet: &[u8], at: Duration) {
        let Some(id) = ack_id(packet, &self.prefix) else { return };
        let Some(trip) = self.each.get_mut(socket) else { return };
        self.last = at;
        match trip.sent_at {
            Some(sent_at) if trip.id == id => {
                trip.sent_at = None;
                self.counts.delivered += 1;
                self.latency.record(at.saturating_sub(sent_at));
                self.under_way -= 1;
                self.free.push_back(socket);
            }
            Some(_) | None if id <= trip.id => self.counts.duplicates += 1,
            Some(_) | None => self.counts.misdirected += 1,
        }
    }

    fn answered(&mut self, _: usize, _: u16) {}
}

/// Lets every socket send an event, and the next one when the ack is there.
pub(crate) fn echo(plan: LoadPlan, settings: EchoSettings) -> Result<BenchReport, BenchError> {
    let (warmup, duration) = (plan.warmup, plan.duration);
    let mut run = LoadRun::try_new(plan, 0)?;
    run.connect_all()?;
    let LoadRun { fleet, meter, progress } = &mut run;
    let mut echo = Echo {
        event: Value::from(settings.event).to_string(),
        rate: settings.rate,
        payload: Vec::new(),
        packet: Vec::new(),
        frame: BytesMut::new(),
        trips: Trips {
            prefix: fleet.plan.prefix.clone(),
            each: vec![Trip::default(); fleet.plan.sockets],
            counts: EventCounts::default(),
            latency: Latency::try_new()?,
            last: Duration::ZERO,
            under_way: 0,
            free: (0..fleet.plan.sockets).filter(|socket| fleet.is_ready(*socket)).collect(),
        },
    };
    if !warmup.is_zero() {
        echo.phase(fleet, warmup, progress)?;
    }
    echo.trips.restart();
    meter.begin()?;
    let begun = fleet.clock.elapsed();
    echo.phase(fleet, duration, progress)?;
    let cost = run.end()?;
    let Trips { mut counts, latency, last, under_way, .. } = echo.trips;
    counts.lost += saturating_u64(under_way);
    let found = KindFindings {
        command: "echo",
        connected: run.fleet.arrivals.connected(),
        counts,
        took: Some(last.saturating_sub(begun)),
        latency: Some(&latency),
        storm: None,
    };
    Ok(run.report(cost, found))
}

struct Echo {
    /// JSON text.
    event: String,
    rate: Option<usize>,
    payload: Vec<u8>,
    packet: Vec<u8>,
    frame: BytesMut,
    trips: Trips,
}

impl Echo {
    /// Goes back and forth for so long, then waits for the last acks, or until none comes any more.
    fn phase(
        &mut self,
        fleet: &mut Fleet,
        duration: Duration,
        progress: &mut Progress,
    ) -> Result<(), BenchError> {
        let begun = fleet.clock.elapsed();
        let mut pace = Pace::new(self.rate, begun);
        loop {
            let now = fleet.clock.elapsed();
            if now < begun + duration {
                self.send_due(fleet, &mut pace, now);
            } else if self.trips.under_way == 0
                || self.trips.last.max(begun + duration) + fleet.plan.patience < now
            {
                return Ok(());
            }
            fleet.turn(&mut self.trips, pace.wait(now))?;
            progress.say(|| format!("echo: {} round trips", self.trips.counts.delivered));
        }
    }

    fn send_due(&mut self, fleet: &mut Fleet, pace: &mut Pace, now: Duration) {
        while pace.is_due(now) {
            let Some(socket) = self.trips.free.pop_front() else { return };
            pace.count();
            self.send(fleet, socket);
        }
    }

    fn send(&mut self, fleet: &mut Fleet, socket: usize) {
        let Some(trip) = self.trips.each.get_mut(socket).filter(|_| fleet.is_ready(socket)) else {
            return;
        };
        let at = fleet.clock.elapsed();
        trip.id += 1;
        trip.sent_at = Some(at);
        let id = trip.id;
        self.trips.counts.sent += 1;
        self.trips.under_way += 1;
        let stream = u32::try_from(socket).unwrap_or(u32::MAX);
        Marker { stream, seq: id, at }.write(fleet.plan.bytes, &mut self.payload);
        self.packet.clear();
        // Writing to memory does not fail.
        write!(self.packet, "42{}{id}[{},\"", fleet.plan.prefix, self.event).ok();
        self.packet.extend_from_slice(&self.payload);
        self.packet.extend_from_slice(b"\"]");
        self.frame.clear();
        frame::put_client_text(&mut self.frame, &self.packet);
        fleet.send(socket, &self.frame);
    }
}

impl Trips {
    /// What counts for the rates begins anew; what was given up in the warm-up stays lost.
    fn restart(&mut self) {
        self.counts.lost += saturating_u64(self.under_way);
        self.under_way = 0;
        for trip in &mut self.each {
            trip.sent_at = None;
        }
        (self.counts.sent, self.counts.delivered) = (0, 0);
        self.latency.clear();
    }
}

/// The id of an ack packet `43/namespace,id[…]`.
pub(crate) fn ack_id(packet: &[u8], prefix: &str) -> Option<u32> {
    let rest = packet.strip_prefix(b"43")?.strip_prefix(prefix.as_bytes())?;
    let mut digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    digits.try_fold(0_u32, |id, byte| id.checked_mul(10)?.checked_add(u32::from(byte - b'0')))
}
