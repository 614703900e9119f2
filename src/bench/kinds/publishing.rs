//! Publishing over HTTP while all sockets listen: events for everybody (`fanout`) or for one user after the other
//! (`target`).

mod deliveries;
mod sequence;
#[cfg(test)]
mod tests;

pub(crate) use deliveries::Receivers;

use crate::bench::error::BenchError;
use crate::bench::fleet::Fleet;
use crate::bench::load::{LoadPlan, Marker, Pace, PostTemplate, ServerAddress, TemplateValues};
use crate::bench::progress::Progress;
use crate::bench::report::BenchReport;
use crate::bench::run::{KindFindings, LoadRun};
use crate::types::saturating_u64;
use deliveries::DeliveryCheck;
use std::sync::Arc;
use std::time::Duration;

/// Most numberings that are followed at once: sockets times publishers.
const SEQUENCES_MAX: usize = 20_000_000;

/// What is published, and by how many.
#[derive(Debug)]
pub(crate) struct PublishingSettings {
    pub(crate) command: &'static str,
    pub(crate) receivers: Receivers,
    pub(crate) eagerness: Eagerness,
    pub(crate) publishers: usize,
    /// At most so many a second, all together.
    pub(crate) rate: Option<usize>,
    /// Where to publish.
    pub(crate) server: ServerAddress,
    pub(crate) post: PostTemplate,
}

/// When the next event is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    /// When the one before was answered and has come to everybody.
    Delivered,
    /// When the one before of the same publisher was answered.
    Answered,
}

struct PublishingRun {
    plan: Arc<LoadPlan>,
    settings: PublishingSettings,
    watch: DeliveryCheck,
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
pub(crate) fn publish(
    plan: LoadPlan,
    settings: PublishingSettings,
) -> Result<BenchReport, BenchError> {
    let PublishingSettings { command, receivers, publishers, .. } = settings;
    let sequences = plan.sockets.saturating_mul(publishers);
    if receivers == Receivers::Everybody && SEQUENCES_MAX < sequences {
        let why = format!("--sockets times --publishers must be at most {SEQUENCES_MAX}");
        return Err(BenchError::Usage(why));
    }
    let (warmup, duration) = (plan.warmup, plan.duration);
    let mut run = LoadRun::try_new(plan, publishers)?;
    run.connect_all()?;
    let LoadRun { fleet, meter, progress } = &mut run;
    fleet.add_publishers(&settings.server, publishers);
    let present: Vec<usize> = (0..fleet.plan.sockets).filter(|it| fleet.is_ready(*it)).collect();
    let mut publishing = PublishingRun::try_new(Arc::clone(&fleet.plan), settings)?;
    if !warmup.is_zero() {
        publishing.phase(fleet, warmup, progress)?;
        publishing.has_effect()?;
    }
    publishing.watch.restart();
    meter.begin()?;
    let begun = fleet.clock.elapsed();
    publishing.phase(fleet, duration, progress)?;
    publishing.has_effect()?;
    let cost = run.end()?;
    let PublishingRun { watch, sent, .. } = publishing;
    let mut counts = watch.counts;
    counts.lost = present.iter().map(|socket| watch.lost(*socket, &sent)).sum();
    let found = KindFindings {
        command,
        connected: present.iter().filter(|socket| run.fleet.is_ready(**socket)).count(),
        counts,
        took: Some(watch.last.saturating_sub(begun)),
        latency: Some(&watch.latency),
        storm: None,
    };
    Ok(run.report(cost, found))
}

impl PublishingRun {
    fn try_new(plan: Arc<LoadPlan>, settings: PublishingSettings) -> Result<Self, BenchError> {
        let PublishingSettings { receivers, publishers, .. } = settings;
        let streams = match receivers {
            Receivers::Everybody => publishers,
            Receivers::OneUser => plan.users,
        };
        let watch = DeliveryCheck::try_new(receivers, plan.sockets, plan.users, publishers)?;
        Ok(Self {
            watch,
            sent: vec![0; streams],
            turns: (0..publishers).collect(),
            expected: 0,
            payload: Vec::new(),
            body: Vec::new(),
            request: Vec::new(),
            plan,
            settings,
        })
    }

    /// Publishes for so long, then waits until all has come, or nothing comes any more.
    fn phase(
        &mut self,
        fleet: &mut Fleet,
        duration: Duration,
        progress: &mut Progress,
    ) -> Result<(), BenchError> {
        let begun = fleet.clock.elapsed();
        let end = begun + duration;
        let mut pace = Pace::new(self.settings.rate, begun);
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
            } else if is_stuck || (is_all_here && self.watch.idle.len() == self.settings.publishers)
            {
                return Ok(());
            }
            fleet.turn(&mut self.watch, pace.wait(now))?;
            progress.say(|| {
                format!("{}: {} delivered", self.settings.command, self.watch.counts.delivered)
            });
        }
    }

    fn publish_due(&mut self, fleet: &mut Fleet, pace: &mut Pace, now: Duration) {
        // A publisher whose connection breaks is idle at once: each gets one turn.
        for _ in 0..self.watch.idle.len() {
            let is_free = match self.settings.eagerness {
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
        let (stream, receivers) = match self.settings.receivers {
            Receivers::Everybody => (publisher, fleet.arrivals.connected()),
            Receivers::OneUser => {
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
        let user = match self.settings.receivers {
            Receivers::Everybody => String::new(),
            Receivers::OneUser => self.plan.user_name(stream),
        };
        let number = u32::try_from(stream).unwrap_or(u32::MAX);
        let marker = Marker { stream: number, seq, at: fleet.clock.elapsed() };
        marker.write(self.plan.bytes, &mut self.payload);
        let payload = &self.payload;
        let values =
            TemplateValues { n: stream, user: &user, seq, payload, ..TemplateValues::default() };
        self.settings.post.render(values, &mut self.body, &mut self.request);
        fleet.publish(publisher, &self.request, &mut self.watch);
    }

    /// The users are dealt out to the publishers, so that the events of one user have an order.
    fn next_user(&mut self, publisher: usize) -> usize {
        let Some(turn) = self.turns.get_mut(publisher) else { return 0 };
        let user = *turn;
        *turn = user + self.settings.publishers;
        if self.plan.users <= *turn {
            *turn = publisher;
        }
        user
    }

    /// Fails if nothing came because nothing could be published.
    fn has_effect(&self) -> Result<(), BenchError> {
        match self.watch.bad_status {
            Some(0) if self.watch.delivered == 0 => Err(BenchError::Unreachable(
                "no answer to the publishers (--publish-url)".to_owned(),
            )),
            Some(status) if self.watch.delivered == 0 => {
                Err(BenchError::Refused(format!("publishing was answered with status {status}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}
