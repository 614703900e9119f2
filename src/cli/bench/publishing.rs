//! Publishing over HTTP while all sockets listen: the common part of `fanout` and `target`.

use super::args::{PublishArgs, SocketArgs};
use super::deliveries::{Audience, Deliveries};
use super::fleet::{self, Fleet};
use super::http::Post;
use super::marker::Marker;
use super::meter::Meter;
use super::pace::Pace;
use super::plan::Plan;
use super::progress::Progress;
use super::report::{Findings, Report};
use super::template::Values;
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::types::{Seq, saturating_u64};
use std::sync::Arc;
use std::time::Duration;

/// Most numberings that are followed at once: sockets times publishers.
const SEQUENCES_MAX: usize = 20_000_000;

/// What is published.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: &'static str,
    pub(super) audience: Audience,
    pub(super) eagerness: Eagerness,
    pub(super) publishers: usize,
    pub(super) rate: Option<usize>,
    /// The body for userline.
    pub(super) body: &'static str,
}

/// When the next event is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eagerness {
    /// When the one before was answered and has come to everybody.
    Delivered,
    /// When the one before of the same publisher was answered.
    Answered,
}

struct Run {
    plan: Arc<Plan>,
    order: Order,
    post: Post,
    watch: Deliveries,
    /// Events published, by stream.
    sent: Vec<u32>,
    /// Whom each publisher sends to next, among its own users.
    turns: Vec<usize>,
    /// Deliveries that should come of all that was published.
    expected: u64,
    payload: Vec<u8>,
    body: Vec<u8>,
    request: Vec<u8>,
}

/// Connects the sockets, publishes, and tells what came of it.
pub(super) fn run(
    sockets: &SocketArgs,
    publish: &PublishArgs,
    plan: Plan,
    order: Order,
) -> Result<(), Failure> {
    let (endpoint, post) = publish.post(order.body)?;
    if order.audience == Audience::Everybody
        && SEQUENCES_MAX < plan.sockets.saturating_mul(order.publishers)
    {
        let why = format!("--sockets times --publishers must be at most {SEQUENCES_MAX}");
        return Err(Failure::Usage(why));
    }
    fleet::raise_file_limit(plan.sockets.saturating_add(order.publishers))?;
    let (plan, clock) = (Arc::new(plan), Clock::start(Seq(0)));
    let mut meter = Meter::try_new(sockets.pid(), &clock)?;
    let mut progress = Progress::new(clock.clone());
    let mut fleet = Fleet::try_new(Arc::clone(&plan), clock)?;
    fleet.connect_all(&mut (), &mut progress)?;
    fleet.add_publishers(&endpoint, order.publishers);
    let present: Vec<usize> = (0..plan.sockets).filter(|it| fleet.is_ready(*it)).collect();
    let command = order.command;
    let mut run = Run::try_new(Arc::clone(&plan), order, post)?;
    if !plan.warmup.is_zero() {
        run.phase(&mut fleet, plan.warmup, &mut progress)?;
        run.has_effect()?;
    }
    run.watch.restart();
    meter.begin()?;
    let begun = fleet.clock.elapsed();
    run.phase(&mut fleet, plan.duration, &mut progress)?;
    run.has_effect()?;
    let cost = meter.end()?;
    progress.end();
    let Run { watch, sent, .. } = run;
    let mut counts = watch.counts;
    counts.lost = present.iter().map(|socket| watch.lost(*socket, &sent)).sum();
    let findings = Findings {
        command,
        sockets: plan.sockets,
        connected: present.iter().filter(|socket| fleet.is_ready(**socket)).count(),
        arrivals: &fleet.arrivals,
        counts,
        took: watch.last.saturating_sub(begun),
        latency: watch.latency.quantiles(),
        cost,
        storm: None,
    };
    Report::new(findings).show(sockets.manner())
}

impl Run {
    fn try_new(plan: Arc<Plan>, order: Order, post: Post) -> Result<Self, Failure> {
        let streams = match order.audience {
            Audience::Everybody => order.publishers,
            Audience::OneUser => plan.users,
        };
        let watch =
            Deliveries::try_new(order.audience, plan.sockets, plan.users, order.publishers)?;
        Ok(Self {
            watch,
            sent: vec![0; streams],
            turns: (0..order.publishers).collect(),
            expected: 0,
            payload: Vec::new(),
            body: Vec::new(),
            request: Vec::new(),
            plan,
            order,
            post,
        })
    }

    /// Publishes for so long, then waits until all has come, or nothing comes any more.
    fn phase(
        &mut self,
        fleet: &mut Fleet,
        duration: Duration,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let begun = fleet.clock.elapsed();
        let end = begun + duration;
        let mut pace = Pace::new(self.order.rate, begun);
        let mut news = (0, 0);
        let mut last_news = begun;
        loop {
            let now = fleet.clock.elapsed();
            let before =
                std::mem::replace(&mut news, (self.watch.delivered, self.watch.idle.len()));
            if before != news {
                last_news = now;
            }
            let is_stuck = last_news + self.plan.patience < now;
            let is_all_here = self.expected <= self.watch.delivered;
            if now < end {
                if is_stuck {
                    // What is missing is lost; the next may fare better.
                    self.expected = self.watch.delivered;
                    last_news = now;
                }
                self.publish_due(fleet, &mut pace, now);
            } else if is_stuck || (is_all_here && self.watch.idle.len() == self.order.publishers) {
                return Ok(());
            }
            fleet.turn(&mut self.watch, pace.wait(now))?;
            progress.say(|| {
                format!("{}: {} delivered", self.order.command, self.watch.counts.delivered)
            });
        }
    }

    fn publish_due(&mut self, fleet: &mut Fleet, pace: &mut Pace, now: Duration) {
        // A publisher whose connection breaks is idle at once: each gets one turn.
        for _ in 0..self.watch.idle.len() {
            let is_free = match self.order.eagerness {
                Eagerness::Delivered => self.expected <= self.watch.delivered,
                Eagerness::Answered => true,
            };
            if !is_free || !pace.is_due(now) {
                return;
            }
            let Some(publisher) = self.watch.idle.pop() else { return };
            pace.count();
            self.publish(fleet, publisher);
        }
    }

    fn publish(&mut self, fleet: &mut Fleet, publisher: usize) {
        let (stream, receivers) = match self.order.audience {
            Audience::Everybody => (publisher, fleet.arrivals.connected()),
            Audience::OneUser => {
                let user = self.next_user(publisher);
                let sockets = (user..self.plan.sockets).step_by(self.plan.users.max(1));
                (user, sockets.filter(|socket| fleet.is_ready(*socket)).count())
            }
        };
        let Some(next) = self.sent.get_mut(stream) else { return };
        let seq = *next;
        *next += 1;
        self.expected += saturating_u64(receivers);
        self.watch.counts.sent += 1;
        let user = match self.order.audience {
            Audience::Everybody => String::new(),
            Audience::OneUser => self.plan.user_name(stream),
        };
        let number = u32::try_from(stream).unwrap_or(u32::MAX);
        let marker = Marker { stream: number, seq, at: fleet.clock.elapsed() };
        marker.write(self.plan.bytes, &mut self.payload);
        let payload = &self.payload;
        let values = Values { n: stream, user: &user, seq, payload, ..Values::default() };
        self.post.render(values, &mut self.body, &mut self.request);
        fleet.publish(publisher, &self.request, &mut self.watch);
    }

    /// The users are dealt out to the publishers, so that the events of one user have an order.
    fn next_user(&mut self, publisher: usize) -> usize {
        let Some(turn) = self.turns.get_mut(publisher) else { return 0 };
        let user = *turn;
        *turn = user + self.order.publishers;
        if self.plan.users <= *turn {
            *turn = publisher;
        }
        user
    }

    /// Fails if nothing came because nothing could be published.
    fn has_effect(&self) -> Result<(), Failure> {
        match self.watch.bad_status {
            Some(0) if self.watch.delivered == 0 => {
                Err(Failure::Unreachable("no answer to the publishers (--publish-url)".to_owned()))
            }
            Some(status) if self.watch.delivered == 0 => {
                Err(Failure::Refused(format!("publishing was answered with status {status}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}
