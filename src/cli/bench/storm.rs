//! `userline bench storm`: everybody is cut off at once and comes back.

use super::args::SocketArgs;
use super::echo::ack_id;
use super::fleet::{self, Fleet, Watch};
use super::meter::Meter;
use super::progress::Progress;
use super::report::{Counts, Findings, Report, Storm};
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::core::protocol::frame;
use crate::types::{ClientRequest, Seq, saturating_u64};
use bytes::BytesMut;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long all are let be before the cut, so that what it cost to connect them is over.
const CALM: Duration = Duration::from_secs(1);
/// Time from an ack to the next ping of the witness.
const PING_EVERY: Duration = Duration::from_millis(5);

/// Connect all sockets, cut all but one off at once, and measure how they come back
///
/// The one that is left pings all the time: its longest round trip is the longest stall. Where the server tells each
/// socket its session (`userline:session`), it must be the same afterwards: nobody was offline in between. With
/// `--concurrency` as high as `--sockets` all come back at once.
#[derive(Debug, Args)]
pub(in crate::cli) struct StormArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    /// An event that the server acks
    #[arg(long, default_value = ClientRequest::Ping.name())]
    event: String,
}

pub(super) fn run(args: &StormArgs) -> Result<(), Failure> {
    let (plan, clock) = (Arc::new(args.sockets.plan(Duration::ZERO)?), Clock::start(Seq(0)));
    let Some(cut) = plan.sockets.checked_sub(1).filter(|cut| 0 < *cut) else {
        return Err(Failure::Usage("--sockets must be 2 or more: one is not cut off".to_owned()));
    };
    fleet::raise_file_limit(plan.sockets)?;
    let mut meter = Meter::try_new(args.sockets.pid(), &clock)?;
    let mut progress = Progress::new(clock.clone());
    let mut fleet = Fleet::try_new(Arc::clone(&plan), clock)?;
    let mut crowd = Crowd::new(plan.sockets, Witness::new(cut, &plan.prefix, &args.event));
    fleet.connect_all(&mut crowd, &mut progress)?;
    let (ready, all) = (fleet.arrivals.connected(), plan.sockets);
    if ready < all {
        let why = fleet.arrivals.trouble.as_deref().unwrap_or_default();
        return Err(Failure::Unreachable(format!(
            "only {ready} of {all} sockets connected: {why}"
        )));
    }
    let calm = fleet.clock.elapsed() + CALM;
    while fleet.clock.elapsed() < calm {
        crowd.witness.ping(&mut fleet);
        fleet.turn(&mut crowd, PING_EVERY)?;
    }
    crowd.witness.begin();
    meter.begin()?;
    let took = come_back(&mut fleet, &mut crowd, cut, &mut progress)?;
    let cost = meter.end()?;
    progress.end();
    let back = fleet.arrivals.ready;
    let counts = Counts {
        sent: saturating_u64(cut),
        delivered: saturating_u64(back),
        lost: saturating_u64(cut.saturating_sub(fleet.arrivals.settled())),
        ..Counts::default()
    };
    let findings = Findings {
        command: "storm",
        sockets: plan.sockets,
        connected: back + usize::from(fleet.is_ready(cut)),
        arrivals: &fleet.arrivals,
        counts,
        took,
        latency: fleet.arrivals.latency.quantiles(),
        cost,
        storm: Some(crowd.end(fleet.clock.elapsed())),
    };
    Report::new(findings).show(args.sockets.manner())
}

/// Cuts off the first `cut` sockets and lets them come back, until all are there or nothing happens any more. Returns
/// how long that took.
fn come_back(
    fleet: &mut Fleet,
    crowd: &mut Crowd,
    cut: usize,
    progress: &mut Progress,
) -> Result<Duration, Failure> {
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

/// What all hear.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The session that each socket was told last.
    sessions: Vec<Option<u64>>,
    /// How often it was another one than before.
    new_sessions: usize,
    witness: Witness,
}

impl Watch for Crowd {
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
    /// Nobody has heard anything yet.
    pub(super) fn new(sockets: usize, witness: Witness) -> Self {
        Self { sessions: vec![None; sockets], new_sessions: 0, witness }
    }

    /// What they have seen until `now`.
    pub(super) fn end(&self, now: Duration) -> Storm {
        let Witness { acked, longest, sent_at, .. } = &self.witness;
        let unanswered = sent_at.map(|sent_at| now.saturating_sub(sent_at)).unwrap_or_default();
        let longest = (0 < *acked).then_some((*longest).max(unanswered));
        Storm {
            longest_stall_us: longest.map(|it| saturating_u64(it.as_micros())),
            new_sessions: self.new_sessions,
        }
    }
}

/// The socket that stays, and pings.
#[derive(Debug)]
pub(super) struct Witness {
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
    pub(super) fn new(socket: usize, prefix: &str, event: &str) -> Self {
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
    struct Told {
        session: u64,
    }
    let packet = std::str::from_utf8(packet).ok().filter(|it| it.starts_with("42"))?;
    let (_, data) = packet.split_once(r#"["userline:session","#)?;
    let mut values = serde_json::Deserializer::from_str(data).into_iter::<Told>();
    Some(values.next()?.ok()?.session)
}
