//! The task of one endpoint: between the store, the dispatcher's rules and the network.

use super::endpoint::{FinishedAttempt, HookEndpoint};
use super::ledger::WaitingError;
use super::status::{EndpointReport, LastError};
use crate::config::HooksConfig;
use crate::core::delivery::clock_step::ClockStepGuard;
use crate::core::delivery::decision::{DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook};
use crate::core::delivery::dispatch::{Dispatch, DispatchSettings, Health, Offer};
use crate::core::delivery::outbox::{NextHook, Settlement};
use crate::entropy;
use crate::store::Closed;
use crate::types::{Moment, Timestamp, WallMs};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Rows read from the store at once.
const SLICE: u32 = 1000;
/// Pause after the store could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// What the task of an endpoint is told to do.
#[derive(Debug)]
pub(super) enum EndpointCommand {
    Hurry,
    Drain { stop_starting: Timestamp, stop_waiting: Timestamp, done: oneshot::Sender<()> },
}

pub(super) struct EndpointTask {
    pub(super) endpoint: Arc<HookEndpoint>,
    pub(super) clock_steps: ClockStepGuard,
    pub(super) settings: DispatchSettings,
    pub(super) dispatch: Dispatch,
    /// Every undelivered row up to here has been offered to the dispatcher.
    pub(super) cursor: DeliveryId,
    /// There may be rows behind the cursor.
    pub(super) is_behind: bool,
    /// There may be new ones.
    pub(super) has_news: bool,
    /// The store could not be read; try again then.
    pub(super) read_again: Option<Timestamp>,
    pub(super) attempts: FuturesUnordered<BoxFuture<'static, FinishedAttempt>>,
    /// Decisions to record, while earlier ones are being recorded.
    pub(super) unsettled: Vec<Settlement>,
    pub(super) settling: Option<BoxFuture<'static, Result<Vec<NextHook>, Closed>>>,
    /// `None` once every handle that could send a command is gone.
    pub(super) commands: Option<mpsc::Receiver<EndpointCommand>>,
    draining: Option<Draining>,
    pub(super) report: watch::Sender<EndpointReport>,
    /// Undelivered hooks when the task last looked.
    pub(super) backlog: u64,
    pub(super) last_error: Option<LastError>,
}

struct Draining {
    stop_starting: Timestamp,
    stop_waiting: Timestamp,
    /// Dropped, and so answered, when the task ends.
    _done: oneshot::Sender<()>,
}

/// Why the task woke up.
enum WakeReason {
    Time,
    Committed,
    Attempt(Option<FinishedAttempt>),
    Settled(Result<Vec<NextHook>, Closed>),
    Command(Option<EndpointCommand>),
}

impl EndpointTask {
    pub(super) fn new(
        endpoint: HookEndpoint,
        config: &HooksConfig,
        commands: mpsc::Receiver<EndpointCommand>,
        report: watch::Sender<EndpointReport>,
    ) -> Self {
        let settings = DispatchSettings {
            concurrency: config.concurrency,
            batch_max: config.batch_max,
            reject_after: config.reject_after,
            retry_for: config.retry_for,
        };
        Self {
            endpoint: Arc::new(endpoint),
            clock_steps: ClockStepGuard::new(config.retry_for),
            dispatch: Dispatch::new(settings),
            settings,
            cursor: DeliveryId(0),
            is_behind: true,
            has_news: true,
            read_again: None,
            attempts: FuturesUnordered::new(),
            unsettled: Vec::new(),
            settling: None,
            commands: Some(commands),
            draining: None,
            report,
            backlog: 0,
            last_error: None,
        }
    }

    /// Runs until it is drained or the store is closed; where nodes share the work, whenever it is this one's turn.
    pub(super) async fn run(mut self) {
        while let Some(may_lose) = self.turn().await {
            self.deliver().await;
            if self.draining.is_some() {
                self.endpoint.ledger.give(self.endpoint.id).await;
                return;
            }
            if !may_lose {
                return;
            }
            tracing::info!(endpoint = %self.endpoint.name, "another node delivers hooks now");
            self.forget();
        }
    }

    async fn deliver(&mut self) {
        let mut committed = self.endpoint.ledger.news();
        loop {
            if committed.has_changed().unwrap_or(false) {
                committed.mark_unchanged();
                (self.is_behind, self.has_news) = (true, true);
            }
            if self.load().await.is_break() {
                break;
            }
            self.start_attempts();
            self.start_settling();
            self.backlog = self.endpoint.ledger.backlog(self.endpoint.id).await;
            self.tell();
            if self.is_drained() {
                break;
            }
            let reason = self.wait(&mut committed).await;
            if self.react(reason).is_break() {
                break;
            }
        }
    }

    async fn wait(&mut self, committed: &mut watch::Receiver<u64>) -> WakeReason {
        let wake_at = self.wake_at();
        let sleep = async {
            match wake_at {
                Some(at) => self.endpoint.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let settled = async {
            match &mut self.settling {
                Some(settling) => settling.await,
                None => std::future::pending().await,
            }
        };
        let command = async {
            match &mut self.commands {
                Some(commands) => commands.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = self.attempts.next(), if !self.attempts.is_empty() => WakeReason::Attempt(done),
            next = settled => WakeReason::Settled(next),
            command = command => WakeReason::Command(command),
            _ = committed.changed() => WakeReason::Committed,
            () = sleep => WakeReason::Time,
        }
    }

    fn react(&mut self, reason: WakeReason) -> ControlFlow<()> {
        match reason {
            WakeReason::Time | WakeReason::Attempt(None) => {}
            WakeReason::Committed => (self.is_behind, self.has_news) = (true, true),
            WakeReason::Attempt(Some(finished)) => self.take_attempt(finished),
            WakeReason::Settled(Ok(next)) => self.take_next(next),
            WakeReason::Command(Some(EndpointCommand::Hurry)) => {
                self.dispatch.hurry(self.endpoint.clock.now());
            }
            WakeReason::Command(Some(EndpointCommand::Drain {
                stop_starting,
                stop_waiting,
                done,
            })) => {
                self.draining = Some(Draining { stop_starting, stop_waiting, _done: done });
            }
            WakeReason::Command(None) => self.commands = None,
            WakeReason::Settled(Err(Closed)) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// Reads one slice of hooks that the dispatcher does not know yet, and offers it.
    async fn load(&mut self) -> ControlFlow<()> {
        if let Some(replayed) = self.endpoint.ledger.take_rewind(self.endpoint.id) {
            self.cursor = self.cursor.min(DeliveryId(replayed.0.saturating_sub(1)));
            self.is_behind = true;
            self.dispatch.enable();
        }
        let is_waiting = self.read_again.is_some_and(|at| self.endpoint.clock.now() < at);
        let wants_more = self.dispatch.wants_more();
        let looks = self.has_news && self.endpoint.ledger.must_be_watched();
        if is_waiting || !(self.is_behind && wants_more || looks) {
            return ControlFlow::Continue(());
        }
        self.has_news = false;
        let heads = match self.read_slice(if wants_more { SLICE } else { 0 }).await {
            Ok(heads) => heads,
            Err(WaitingError::Ended) => return ControlFlow::Break(()),
            Err(error) => {
                // Once: it is tried each second, for as long as a store or a cluster may be away.
                if self.read_again.is_none() {
                    let name = &self.endpoint.name;
                    tracing::warn!(endpoint = %name, %error, "cannot read the hooks for `{name}`, will try again");
                }
                self.read_again = Some(self.endpoint.clock.now() + READ_PAUSE);
                return ControlFlow::Continue(());
            }
        };
        self.read_again = None;
        if !wants_more {
            return ControlFlow::Continue(());
        }
        self.is_behind = u32::try_from(heads.len()).is_ok_and(|n| n == SLICE);
        let at = self.moment();
        for head in heads {
            let id = head.id;
            match self.dispatch.offer(head, at) {
                Offer::Taken => self.cursor = id,
                Offer::NoRoom => {
                    self.is_behind = true;
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads the next slice, and polls the attempts meanwhile. Attempts read from the store too, and a reader that has
    /// been given its turn but is not polled would keep it for ever.
    async fn read_slice(&mut self, limit: u32) -> Result<Vec<PendingHook>, WaitingError> {
        let ledger = self.endpoint.ledger.clone();
        let mut reading = std::pin::pin!(ledger.pending(self.endpoint.id, self.cursor, limit));
        loop {
            tokio::select! {
                heads = &mut reading => return heads,
                Some(done) = self.attempts.next() => self.take_attempt(done),
            }
        }
    }

    fn start_attempts(&mut self) {
        let now = self.endpoint.clock.now();
        if self.draining.as_ref().is_some_and(|draining| draining.stop_starting <= now) {
            return;
        }
        while let Some(request) = self.dispatch.next_request(now) {
            let endpoint = Arc::clone(&self.endpoint);
            self.attempts.push(Box::pin(async move { endpoint.attempt(request).await }));
        }
    }

    fn take_attempt(&mut self, finished: FinishedAttempt) {
        let FinishedAttempt { request, gone, result } = finished;
        self.endpoint.count(result.outcome);
        let before = self.dispatch.health();
        let now = self.endpoint.clock.now();
        let mut decisions = self.dispatch.vanished(request.id, &gone);
        // Without randomness from the system the longest back-off is the safe one.
        let mut random = || entropy::number().unwrap_or(u32::MAX);
        decisions.extend(self.dispatch.answer(request.id, result.outcome, now, &mut random));
        if let Some(text) = &result.error {
            self.last_error =
                Some(LastError { at: self.endpoint.clock.wall(), text: text.clone() });
        }
        for decision in decisions {
            self.record(decision, result.error.clone());
        }
        self.log_change(before, result.error.as_deref());
    }

    fn record(&mut self, decision: DeliveryDecision, error: Option<String>) {
        let (at, now) = (self.endpoint.clock.wall(), self.endpoint.clock.now());
        let next_attempt = match decision.verdict {
            DeliveryVerdict::Retry { at: due } => Some(wall_time(at, now, due)),
            DeliveryVerdict::Delivered | DeliveryVerdict::Dead(_) | DeliveryVerdict::Skipped => {
                None
            }
        };
        if let DeliveryVerdict::Dead(death) = decision.verdict {
            let (name, id) = (&self.endpoint.name, decision.id);
            metrics::counter!("userline_hooks_dead_total", "endpoint" => name.clone()).increment(1);
            tracing::warn!(
                endpoint = %name, delivery.id = %id, attempts = decision.attempts, ?death,
                error = error.as_deref(), "a hook for `{name}` is a dead letter"
            );
        }
        self.unsettled.push(Settlement { decision, at, next_attempt, error });
    }

    fn log_change(&self, before: Health, error: Option<&str>) {
        let (name, after) = (&self.endpoint.name, self.dispatch.health());
        if before == after {
            return;
        }
        let waiting = self.backlog;
        match after {
            Health::Disabled => tracing::error!(
                endpoint = %name, waiting,
                "`{name}` answered 410, it wants no more hooks: {waiting} wait until a replay, a wake-up or a restart"
            ),
            Health::Open => tracing::warn!(
                endpoint = %name, waiting, error, "`{name}` is failing: hooks wait until it is back"
            ),
            Health::Ok | Health::Failing if before == Health::Open => {
                tracing::info!(endpoint = %name, waiting, "`{name}` is back");
            }
            Health::Ok | Health::Failing => {}
        }
    }

    /// Records what was decided since the last time, in one go.
    fn start_settling(&mut self) {
        if self.settling.is_none() && !self.unsettled.is_empty() {
            let (ledger, id) = (self.endpoint.ledger.clone(), self.endpoint.id);
            let settlements = std::mem::take(&mut self.unsettled);
            self.settling = Some(Box::pin(async move { ledger.settle(id, settlements).await }));
        }
    }

    fn take_next(&mut self, next: Vec<NextHook>) {
        self.settling = None;
        let at = self.moment();
        for NextHook { user, head } in next {
            if let Some(decision) = self.dispatch.advance(&user, head, at) {
                self.record(decision, None);
            }
        }
    }

    /// The time by which the age of hooks is counted: a wall clock that is set forward makes none of them too old.
    fn moment(&mut self) -> Moment {
        let moment = self.endpoint.clock.moment();
        Moment { wall: self.clock_steps.tell(moment.wall, moment.now).at, ..moment }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let now = self.endpoint.clock.now();
        let drain = self.draining.as_ref();
        let drain_ends = drain.map(|it| it.stop_waiting);
        let starts = drain.is_none_or(|it| now < it.stop_starting);
        let attempt = self.dispatch.wake_at(now).filter(|_| starts);
        let reads = self.is_behind && self.dispatch.wants_more();
        let read = reads.then(|| self.read_again.unwrap_or(now));
        [attempt, read, drain_ends].into_iter().flatten().min()
    }

    /// Whether nothing is left to do, or to wait for, before the stop.
    fn is_drained(&self) -> bool {
        let Some(draining) = &self.draining else { return false };
        let now = self.endpoint.clock.now();
        let may_start = now < draining.stop_starting;
        let is_due = may_start && self.wake_at().is_some_and(|at| at <= now);
        let is_busy = !self.attempts.is_empty() || self.settling.is_some() || is_due;
        draining.stop_waiting <= now || !is_busy
    }

    pub(super) fn tell(&self) {
        let backlog = u32::try_from(self.backlog).unwrap_or(u32::MAX);
        metrics::gauge!("userline_hook_backlog", "endpoint" => self.endpoint.name.clone())
            .set(backlog);
        let health = self.dispatch.health();
        let is_disabled = u32::from(health == Health::Disabled);
        metrics::gauge!("userline_hook_endpoint_disabled", "endpoint" => self.endpoint.name.clone())
            .set(is_disabled);
        let (wall, now) = (self.endpoint.clock.wall(), self.endpoint.clock.now());
        self.report.send_replace(EndpointReport {
            health,
            in_flight: self.dispatch.in_flight(),
            last_error: self.last_error.clone(),
            next_attempt: self.dispatch.wake_at(now).map(|at| wall_time(wall, now, at)),
        });
    }
}

/// When `due` will be by the wall clock, if nobody sets it.
fn wall_time(wall: WallMs, now: Timestamp, due: Timestamp) -> WallMs {
    WallMs(wall.0.saturating_add(due.0.saturating_sub(now.0)))
}
