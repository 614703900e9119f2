//! Events of clients that the backend answers: forwarded as signed POSTs, whose answers become the acks.
//!
//! ```text
//!   listener ─► offer ─► Schedule ─► call: POST, perhaps again ─► emits of the answer ─► the client's ack
//!      ▲                    │
//!      └── held back ◄──────┘ while too much waits
//! ```
//!
//! Which event is next, and how much may wait, [`core::forwarding`](crate::core::forwarding) decides. Every event that is
//! taken ends with an ack or an error, if its client asked for one.

mod answering;
mod call;
mod failure;
mod held_back;
mod pending;

pub use failure::EventFailure;

use super::messages::Messages;
use crate::backend::{BackendCaller, HttpClient, HttpClientError, HttpSettings, UrlError};
use crate::clock::Clock;
use crate::config::{EventsConfig, LimitsConfig};
use crate::core::backend::circuit::Failure;
use crate::core::forwarding::reply::likely_cause;
use crate::core::forwarding::schedule::{
    CallPlace, NotTaken, OfferedEvent, Schedule, ScheduleBounds,
};
use crate::core::protocol::inbound::ClientEvent;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::{Namespace, UserId};
use answering::Answering;
use call::CallUnderWay;
use held_back::HeldBack;
use parking_lot::Mutex;
use pending::PendingEvent;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;

/// The section of the configuration; errors name its keys.
const SECTION: &str = "events";
/// How often events that have waited too long are looked for, while any wait.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);

/// Why events cannot be forwarded at all.
#[derive(Debug, Error)]
pub enum ForwardingError {
    /// The URL cannot be called.
    #[error("events.url {0}")]
    Url(#[from] UrlError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
}

/// What forwarding needs of the rest.
#[derive(Debug)]
pub struct ForwardingParts {
    /// Send what answers emit.
    pub messages: Arc<Messages>,
    /// The namespaces that exist.
    pub namespaces: Arc<[Namespace]>,
    /// The longest `ttl` of what answers emit.
    pub ttl_max: Duration,
    /// An answer has at most as many bytes as a packet of a client.
    pub limits: LimitsConfig,
    /// When things happen.
    pub clock: Clock,
    /// Run the calls.
    pub tasks: Tasks,
}

/// Forwards events of clients. Cheap to clone; clones share the queue.
#[derive(Debug, Clone)]
pub struct ClientEvents(Arc<Forwarding>);

#[derive(Debug)]
struct Forwarding {
    config: EventsConfig,
    caller: BackendCaller,
    answering: Answering,
    queue: Mutex<EventQueue>,
    /// Statuses of refusals that the log has told of.
    refusals_told: Mutex<BTreeSet<u16>>,
    /// Wakes the look for what has waited too long, when there is something that waits.
    waits: Notify,
    clock: Clock,
    tasks: Tasks,
}

#[derive(Debug)]
struct EventQueue {
    schedule: Schedule<PendingEvent>,
    held_back: HeldBack,
}

impl ClientEvents {
    /// Events are forwarded as `config` says; `None` if it names no backend.
    pub fn start(
        config: &EventsConfig,
        parts: ForwardingParts,
    ) -> Result<Option<Self>, ForwardingError> {
        let Some(backend) = &config.backend else { return Ok(None) };
        let client = HttpClient::new(HttpSettings {
            section: SECTION,
            timeout: config.timeout,
            idle_connections: config.concurrency,
            allow_private: config.allow_private,
            is_https: backend.url.starts_with("https:"),
            ca: &config.ca,
        })?;
        let caller = BackendCaller::new(client, &backend.url, backend.secrets.clone())?;
        let schedule = Schedule::new(ScheduleBounds {
            calls: config.concurrency,
            calls_per_user: config.concurrency_per_user,
            waiting: config.queue,
            waiting_per_user: config.queue_per_user,
            bytes: config.queue_bytes,
            wait: config.wait,
        });
        let ForwardingParts { messages, namespaces, ttl_max, limits, clock, tasks } = parts;
        let forwarding = Arc::new(Forwarding {
            config: config.clone(),
            caller,
            answering: Answering {
                messages,
                namespaces,
                ttl_max,
                may_emit: config.may_emit.clone(),
                bytes_max: limits.payload_bytes,
            },
            queue: Mutex::new(EventQueue { schedule, held_back: HeldBack::default() }),
            refusals_told: Mutex::default(),
            waits: Notify::new(),
            clock,
            tasks: tasks.clone(),
        });
        tasks.spawn("events.expiry", Arc::clone(&forwarding).run_expiry());
        Ok(Some(Self(forwarding)))
    }

    /// Whether events of this name are forwarded that clients send in `namespace`.
    pub fn forwards(&self, namespace: &Namespace, name: &str) -> bool {
        self.0.config.forwards(namespace, name)
    }

    /// Takes an event of a client: it is acked when the backend has answered. An error is for the client at once.
    pub fn forward(
        &self,
        socket: &Arc<Socket>,
        event: &ClientEvent<'_>,
    ) -> Result<(), EventFailure> {
        let Self(forwarding) = self;
        let Forwarding { config, queue, clock, .. } = &**forwarding;
        let pending = PendingEvent::new(socket, event, config, clock.wall())?;
        let offered = OfferedEvent {
            user: socket.user().clone(),
            is_ordered: config.ordered.iter().any(|it| it.matches(&event.name)),
            bytes: pending.bytes(),
            call: pending,
        };
        let now = clock.now();
        let offer = queue.lock().schedule.offer(offered, now);
        offer.map_err(|(why, _)| match why {
            NotTaken::Down => EventFailure::Unavailable,
            NotTaken::Full => EventFailure::Overloaded,
        })?;
        forwarding.begin_calls();
        Ok(())
    }

    /// Whether the client of `socket` may send more; if not, `cx` is woken when it may.
    pub fn poll_ready(&self, socket: &Socket, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.0.queue.lock();
        let EventQueue { schedule, held_back } = &mut *queue;
        if schedule.is_full_for(socket.user()) {
            held_back.by_user(socket.user(), socket.id, cx.waker());
        } else if schedule.room() == 0 {
            held_back.by_all(socket.id, cx.waker());
        } else {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Forwarding {
    /// Begins all calls that may begin now.
    fn begin_calls(self: &Arc<Self>) {
        if self.tasks.stopping().is_cancelled() {
            return;
        }
        let mut started = Vec::new();
        let mut queue = self.queue.lock();
        while let Some(call) = queue.schedule.next(self.clock.now()) {
            started.push(call);
        }
        let waiting = queue.schedule.waiting();
        tell(&queue.schedule);
        drop(queue);
        for call in started {
            let call = CallUnderWay::new(Arc::clone(self), call);
            self.tasks.spawn("events.call", call.run());
        }
        if 0 < waiting {
            self.waits.notify_one();
        }
    }

    /// The backend has answered a call.
    fn note_answer(&self, place: &CallPlace) {
        let mut queue = self.queue.lock();
        let was_down = queue.schedule.is_down();
        queue.schedule.answered(place);
        drop(queue);
        if was_down {
            tracing::info!("events.url answers again");
        }
    }

    /// An attempt has failed. Whether another one may be made; if the backend is down, nothing waits for it any more.
    fn note_failure(&self, place: &CallPlace, failure: Failure, why: &str) -> bool {
        let mut queue = self.queue.lock();
        let was_down = queue.schedule.is_down();
        let may_retry = queue.schedule.failed(place, failure, self.clock.now());
        let given_up = if may_retry { Vec::new() } else { queue.schedule.take_all() };
        drop(queue);
        if !may_retry && !was_down {
            tracing::warn!(
                why,
                "events.url is failing: clients' events are acked with an error until it answers again"
            );
        }
        for event in given_up {
            event.fail(&EventFailure::Unavailable);
        }
        may_retry
    }

    /// A backend that knows nothing of a URL, or asks for a log-in, was not meant: said once for each status.
    fn note_refusal(&self, status: u16) {
        let Some(likely) = likely_cause(status) else { return };
        if self.refusals_told.lock().insert(status) {
            tracing::warn!(
                status,
                likely,
                "events.url refuses events; further ones are only counted"
            );
        }
    }

    /// A call has ended: clients that were held back may go on, and the next ones begin.
    fn end_call(self: &Arc<Self>, place: &CallPlace) {
        self.queue.lock().schedule.ended(place);
        self.go_on(Some(&place.user));
    }

    /// Lets clients go on for whom there is room, those of `user` first.
    fn go_on(self: &Arc<Self>, user: Option<&UserId>) {
        self.begin_calls();
        let mut queue = self.queue.lock();
        let EventQueue { schedule, held_back } = &mut *queue;
        let freed = user.filter(|it| !schedule.is_full_for(it));
        let woken = held_back.release(freed, schedule.room());
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Acks what has waited too long with an error, as long as it runs.
    async fn run_expiry(self: Arc<Self>) {
        loop {
            self.waits.notified().await;
            loop {
                self.clock.sleep_until(self.clock.now() + EXPIRY_INTERVAL).await;
                let mut queue = self.queue.lock();
                let expired = queue.schedule.expire(self.clock.now());
                let is_done = queue.schedule.waiting() == 0 && queue.held_back.is_empty();
                drop(queue);
                for event in expired {
                    event.fail(&EventFailure::Overloaded);
                }
                self.go_on(None);
                if is_done {
                    break;
                }
            }
        }
    }
}

fn tell(schedule: &Schedule<PendingEvent>) {
    let gauge = |count| u32::try_from(count).unwrap_or(u32::MAX);
    metrics::gauge!("userline_client_events_waiting").set(gauge(schedule.waiting()));
    metrics::gauge!("userline_client_event_calls").set(gauge(schedule.calls()));
}
