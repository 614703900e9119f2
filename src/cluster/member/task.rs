//! The task: it waits for whatever comes first, and decides nothing.

use super::status_log::StatusLog;
use super::{Apart, EFFECTS_MAX, MemberStatus};
use crate::clock::Clock;
use crate::cluster::codec::{self, ClusterPlace};
use crate::cluster::link::{Advice, LinkError, RedisLink, RedisTarget};
use crate::core::backend::backoff;
use crate::core::cluster::agreement::Difference;
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::node::{Lane, LogQuestion, NodeEffect, NodeMachine, Ticket};
use crate::entropy;
use crate::redis_server::RedisFailure;
use crate::types::Timestamp;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use redis::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// How often the state machine is told that time has passed: its shortest patience is five times that.
const TICK: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to connect. Nodes that are back sooner let the users of the others go when a lease
/// and the hold have passed, so it is shorter than the shortest heartbeat.
const PAUSE_MAX: Duration = Duration::from_millis(900);
/// How long a connection holds that was a good one: those before it count no more. One that is lost as soon as the node is in
/// the cluster must not be opened again at once, and again.
const LASTS: Duration = Duration::from_secs(1);
/// Answers that may take too long in a lease: a node on a dead connection has time for another one.
const ANSWERS_PER_LEASE: u32 = 3;
/// The longest time for an answer.
const PATIENCE_MAX: Duration = Duration::from_secs(5);
/// How long the doorbell waits for new events before it asks again.
const BELL_PATIENCE: Duration = Duration::from_secs(1);
/// A question that changes nothing.
#[derive(Debug)]
pub(super) struct AskedQuestion {
    pub(super) command: Command,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// What is under way on the connection.
enum Asked {
    Command(Ticket, Command),
    Question(LogQuestion, Command, oneshot::Sender<Reply>),
}

type CallDone = (Asked, Result<Value, LinkError>);
type LinkOpened = Result<RedisLink, LinkError>;

/// Questions, effects and status: the ends that the rest of the node has the others of.
pub(super) type Ends =
    (mpsc::Receiver<AskedQuestion>, mpsc::Sender<NodeEffect>, watch::Sender<MemberStatus>);

pub(super) struct MemberTask {
    machine: Arc<Mutex<NodeMachine>>,
    wake: Arc<Notify>,
    place: Arc<ClusterPlace>,
    target: RedisTarget,
    clock: Clock,
    questions: mpsc::Receiver<AskedQuestion>,
    effects: mpsc::Sender<NodeEffect>,
    status: watch::Sender<MemberStatus>,
    /// Effects that nobody took yet.
    waiting: VecDeque<NodeEffect>,
    link: Option<RedisLink>,
    calls: FuturesUnordered<BoxFuture<'static, CallDone>>,
    opening: Option<BoxFuture<'static, LinkOpened>>,
    bell: Option<BoxFuture<'static, LinkOpened>>,
    bell_link: Option<RedisLink>,
    failures: u32,
    opened_at: Timestamp,
    bell_failures: u32,
    next_tick: Timestamp,
    /// What was said of the server.
    advised: Vec<Advice>,
    /// Why a question was refused last.
    refused: Option<LinkError>,
    told: StatusLog,
}

/// What came first.
enum First {
    Woken,
    Question(Option<AskedQuestion>),
    Call(CallDone),
    Opened(LinkOpened),
    Rang(LinkOpened),
    Taken(bool),
    Tick,
}

impl MemberTask {
    pub(super) fn new(
        (machine, wake): (Arc<Mutex<NodeMachine>>, Arc<Notify>),
        place: ClusterPlace,
        target: RedisTarget,
        clock: Clock,
        (questions, effects, status): Ends,
    ) -> Self {
        Self {
            machine,
            wake,
            place: Arc::new(place),
            target,
            next_tick: clock.now(),
            opened_at: clock.now(),
            clock,
            questions,
            effects,
            status,
            waiting: VecDeque::new(),
            link: None,
            calls: FuturesUnordered::new(),
            opening: None,
            bell: None,
            bell_link: None,
            failures: 0,
            bell_failures: 0,
            advised: Vec::new(),
            refused: None,
            told: StatusLog::default(),
        }
    }

    /// Runs until nobody says anything any more.
    pub(super) async fn run(mut self) {
        loop {
            self.start_what_is_due();
            match self.first().await {
                First::Question(None) | First::Taken(false) => return,
                First::Question(Some(question)) => self.ask(question),
                First::Call(done) => self.done(done),
                First::Opened(opened) => self.opened(opened),
                First::Rang(rung) => self.rang(rung),
                First::Taken(true) | First::Woken | First::Tick => {}
            }
        }
    }

    fn start_what_is_due(&mut self) {
        let now = self.clock.now();
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            let effects = self.machine.lock().tick(now);
            self.waiting.extend(effects);
        }
        if self.link.is_none() && self.opening.is_none() {
            self.opening = Some(open(&self.target, self.patience(), self.failures));
        }
        let Some(link) = self.link.clone() else { return };
        for lane in Lane::ALL {
            if lane == Lane::Read && self.is_behind() {
                continue;
            }
            let next = self.machine.lock().next(lane, now);
            if let Some((ticket, command)) = next {
                self.calls.push(call(&link, &self.place, Asked::Command(ticket, command)));
            }
        }
        if self.bell.is_none() && self.machine.lock().is_attached() && !self.is_behind() {
            let link = self.bell_link.take().filter(|it| it.server().run == link.server().run);
            let opening = open(&self.target, self.patience(), self.bell_failures);
            let Some(read) = self.machine.lock().doorbell() else { return };
            let read = self.place.call(&read);
            self.bell = Some(Box::pin(async move {
                let link = match link {
                    Some(link) => link,
                    None => opening.await?,
                };
                link.wait_for(&read, BELL_PATIENCE).await?;
                Ok(link)
            }));
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE_MAX.min(self.place.lease / ANSWERS_PER_LEASE)
    }

    /// Whether whoever takes the effects is behind: then the log is read no further, and all else goes on.
    fn is_behind(&self) -> bool {
        EFFECTS_MAX < self.waiting.len()
    }

    async fn first(&mut self) -> First {
        tokio::select! {
            () = self.wake.notified() => First::Woken,
            question = self.questions.recv() => First::Question(question),
            Some(done) = self.calls.next() => First::Call(done),
            opened = pending(&mut self.opening) => First::Opened(opened),
            rung = pending(&mut self.bell) => First::Rang(rung),
            permit = self.effects.reserve(), if !self.waiting.is_empty() => {
                let is_taken = permit.is_ok();
                if let (Ok(permit), Some(effect)) = (permit, self.waiting.pop_front()) {
                    permit.send(effect);
                }
                First::Taken(is_taken)
            }
            () = self.clock.sleep_until(self.next_tick) => First::Tick,
        }
    }

    /// Without a connection the answer is dropped, which says that there is none.
    fn ask(&mut self, AskedQuestion { command, answer }: AskedQuestion) {
        let question = self.machine.lock().question();
        if let (Some(question), Some(link)) = (question, &self.link) {
            let asked = Asked::Question(question, command, answer);
            self.calls.push(call(link, &self.place, asked));
        }
    }

    fn done(&mut self, (asked, result): CallDone) {
        let command = match &asked {
            Asked::Command(_, command) | Asked::Question(_, command, _) => command,
        };
        let read = result.and_then(|value| codec::reply(command, &value).map_err(LinkError::from));
        let reply = match read {
            Ok(reply) => reply,
            // What the others do needs no more memory.
            Err(LinkError::Redis(RedisFailure::Full)) if matches!(asked, Asked::Question(..)) => {
                Reply::NoMemory
            }
            // What the node itself has to say is another thing, and goes on.
            Err(error) if matches!(asked, Asked::Question(..)) && error.is_of_one_command() => {
                return self.refused(error);
            }
            Err(error) => return self.lost(error),
        };
        match asked {
            Asked::Command(ticket, command) => {
                let now = self.clock.now();
                let theirs = self.agreed_otherwise(&reply);
                let (effects, is_attached, are_alive) = {
                    let mut machine = self.machine.lock();
                    let effects = machine.reply(ticket, &command, reply, now);
                    (effects, machine.is_attached(), machine.are_strangers_alive())
                };
                self.waiting.extend(effects);
                if let Some((differences, lease)) = theirs {
                    self.report(MemberStatus::Apart(Apart { differences, lease, are_alive }));
                }
                if is_attached {
                    if self.opened_at + LASTS <= now {
                        self.failures = 0;
                    }
                    self.report(MemberStatus::Attached);
                }
            }
            Asked::Question(question, _, answer) => {
                let mut machine = self.machine.lock();
                if machine.is_current(question) {
                    if let Reply::Inboxes(reply) = &reply {
                        machine.saw(reply.number());
                    } else if let Reply::Moved(moved) = &reply {
                        machine.saw(moved.number);
                    }
                    drop(answer.send(reply));
                }
            }
        }
    }

    /// In what those who are there differ, if that keeps this node out; what only should be the same is a warning.
    fn agreed_otherwise(&self, reply: &Reply) -> Option<(Vec<Difference>, Duration)> {
        let differences = |theirs: &[(String, String)]| self.place.agreement.differences(theirs);
        if let Reply::Attached(attached) = reply {
            for difference in differences(&attached.differs) {
                tracing::warn!(%difference, "this node and one that came before are not set up alike");
            }
        }
        let Reply::Apart(dissent) = reply else { return None };
        Some((differences(&dissent.differs), dissent.lease.max(self.place.lease)))
    }

    /// A question gets no answer. Says so once, until another one is refused for another reason.
    fn refused(&mut self, error: LinkError) {
        if self.refused.as_ref() != Some(&error) {
            tracing::warn!(%error, "Redis of the cluster does not answer a question");
            self.refused = Some(error);
        }
    }

    /// The connection is given up, with all that is under way on it.
    fn lost(&mut self, error: LinkError) {
        self.link = None;
        self.calls.clear();
        self.machine.lock().disconnected();
        self.failures = self.failures.saturating_add(1);
        self.report(MemberStatus::Degraded(Some(error)));
    }

    fn opened(&mut self, opened: LinkOpened) {
        match opened {
            Ok(link) => {
                self.advise(link.server().advice());
                self.machine.lock().connected(Arc::clone(&link.server().run));
                self.opened_at = self.clock.now();
                self.link = Some(link);
            }
            Err(error) => self.lost(error),
        }
    }

    /// Says once what should be set otherwise.
    fn advise(&mut self, advice: Vec<Advice>) {
        for advice in advice.iter().filter(|it| !self.advised.contains(it)) {
            let what = advice.what;
            tracing::warn!(what, command = advice.command, "Redis of the cluster");
        }
        self.advised = advice;
    }

    fn rang(&mut self, rung: LinkOpened) {
        match rung {
            Ok(link) => {
                self.bell_failures = 0;
                self.bell_link = Some(link);
                self.machine.lock().ring();
            }
            // What is new is read now and then all the same.
            Err(_) => self.bell_failures = self.bell_failures.saturating_add(1),
        }
    }

    /// Says so once if it has changed.
    fn report(&mut self, status: MemberStatus) {
        let is_attached = status == MemberStatus::Attached;
        metrics::gauge!("userline_cluster_attached").set(u32::from(is_attached));
        let holds = self.opened_at + LASTS <= self.clock.now();
        self.told.tell(&self.status.borrow(), &status, holds);
        self.status.send_if_modified(|last| {
            let has_changed = *last != status;
            *last = status;
            has_changed
        });
    }
}

/// Opens a connection: at once after one that worked, and a little later after more failures in a row.
fn open(target: &RedisTarget, patience: Duration, failures: u32) -> BoxFuture<'static, LinkOpened> {
    let target = target.clone();
    let random = entropy::number().unwrap_or(u32::MAX);
    let later = || backoff::delay(failures - 1, random).min(PAUSE_MAX);
    let pause = if failures <= 1 { Duration::ZERO } else { later() };
    Box::pin(async move {
        tokio::time::sleep(pause).await;
        RedisLink::open(&target, patience).await
    })
}

fn call(link: &RedisLink, place: &Arc<ClusterPlace>, asked: Asked) -> BoxFuture<'static, CallDone> {
    let (link, place) = (link.clone(), Arc::clone(place));
    Box::pin(async move {
        let call = match &asked {
            Asked::Command(_, command) | Asked::Question(_, command, _) => place.call(command),
        };
        let result = link.call(&call).await;
        (asked, result)
    })
}

/// Waits for what is there, and takes it away; for ever if nothing is.
async fn pending<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(waiting) = future else { return std::future::pending().await };
    let result = waiting.await;
    *future = None;
    result
}
