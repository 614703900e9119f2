//! The backend is asked whether a client may do something, where a rule over what it was granted cannot say.
//!
//! ```text
//!   ask ─► Schedule ─► its turn: POST ─► allowed, or not
//!            └─► too much waits, it has waited too long, the backend is down: nothing is allowed
//! ```
//!
//! Which question is next, and how many may wait, [`core::forwarding`](crate::core::forwarding) decides, as for events.

mod turn;

use crate::backend::{BackendCaller, HttpClient, HttpClientError, HttpSettings, NoBody, UrlError};
use crate::clock::Clock;
use crate::config::PermissionsConfig;
use crate::core::forwarding::body::EventSender;
use crate::core::forwarding::reply::{ReplyKind, likely_cause};
use crate::core::forwarding::schedule::{Schedule, ScheduleBounds};
use crate::core::permission::answer::{self, PermissionAnswer};
use crate::core::permission::question::{Wish, render};
use crate::entropy;
use crate::registry::Socket;
use crate::types::{Timestamp, UserId};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use turn::AskingTurn;

/// Bytes of an answer: more than the longest ids of as many users as one question names.
const ANSWER_BYTES_MAX: usize = 1_000_000;
/// One user's questions, from however many clients, are a quarter of those that wait, or the others would be refused.
const QUEUE_SHARES: usize = 8;
/// The same trouble is told again after this time.
const SILENCE_BETWEEN: Duration = Duration::from_mins(1);

/// Why the backend cannot be asked at all.
#[derive(Debug, Error)]
pub enum PermissionsError {
    /// The URL cannot be called.
    #[error("permissions.url {0}")]
    Url(#[from] UrlError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
}

/// Why nothing is allowed, though the backend did not say no. The text is for the client: it tells nothing of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAnswered {
    /// Too many questions wait, or this one has waited too long.
    #[error("too many questions wait for an answer")]
    Overloaded,
    /// The backend cannot be reached, or is not well.
    #[error("the backend does not answer")]
    Unavailable,
    /// The backend did not answer in time.
    #[error("the backend did not answer in time")]
    Timeout,
    /// What it answered is no answer.
    #[error("the backend's answer cannot be used")]
    BadAnswer,
    /// The socket is gone, or another user's by now.
    #[error("the client is not the one that asked any more")]
    OtherClient,
}

impl NotAnswered {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable => "backend_unavailable",
            Self::Timeout => "backend_timeout",
            Self::BadAnswer => "backend_answer_invalid",
            Self::OtherClient => "not_allowed",
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable | Self::Timeout => "failed",
            Self::BadAnswer => "invalid",
            Self::OtherClient => "gone",
        }
    }
}

/// Asks the backend what clients may do. Cheap to clone; clones share the queue.
#[derive(Debug, Clone)]
pub struct Permissions(Arc<Asking>);

#[derive(Debug)]
struct Asking {
    config: PermissionsConfig,
    caller: BackendCaller,
    /// Those who wait for their turn to ask.
    schedule: Mutex<Schedule<oneshot::Sender<AskingTurn>>>,
    /// What was told last of answers that are none, and when.
    told: Mutex<Option<(String, Timestamp)>>,
    /// Bytes that requests may hold which wait for an answer.
    room: Arc<Semaphore>,
    clock: Clock,
}

/// Room for the bytes of a request that waits, until this is dropped.
#[derive(Debug)]
pub struct HeldRoom {
    _bytes: OwnedSemaphorePermit,
}

impl Permissions {
    /// The backend is asked as `config` says.
    pub fn new(config: &PermissionsConfig, clock: Clock) -> Result<Self, PermissionsError> {
        let client = HttpClient::new(HttpSettings {
            section: "permissions",
            timeout: config.timeout,
            idle_connections: config.concurrency,
            allow_private: config.allow_private,
            is_https: config.backend.url.starts_with("https:"),
            ca: &config.ca,
        })?;
        let secrets = config.backend.secrets.clone();
        let caller = BackendCaller::new(client, &config.backend.url, secrets)?;
        let schedule = Schedule::new(ScheduleBounds {
            calls: config.concurrency,
            calls_per_user: config.concurrency_per_user,
            waiting: config.queue,
            // Twice that is waited for, at most: three quarters of the queue are others'.
            waiting_per_user: (config.queue / QUEUE_SHARES).max(1),
            bytes: usize::MAX,
            wait: config.wait,
        });
        let (schedule, told) = (Mutex::new(schedule), Mutex::default());
        let room = Arc::new(Semaphore::new(config.queue_bytes));
        let config = config.clone();
        Ok(Self(Arc::new(Asking { config, caller, schedule, told, room, clock })))
    }

    /// How long an answer is good that does not say so itself.
    pub fn good_for(&self) -> Duration {
        self.0.config.good_for
    }

    /// Takes room for a request of so many bytes that waits for an answer, or behind one that does.
    pub fn hold(&self, bytes: usize) -> Result<HeldRoom, NotAnswered> {
        let bytes = u32::try_from(bytes).map_err(|_| NotAnswered::Overloaded)?;
        let held = Arc::clone(&self.0.room).try_acquire_many_owned(bytes);
        held.map(|bytes| HeldRoom { _bytes: bytes }).map_err(|_| NotAnswered::Overloaded)
    }

    /// Questions that nobody waits for, at once: clients have the others.
    pub fn at_once_by_itself(&self) -> usize {
        (self.0.config.concurrency / 2).max(1)
    }

    /// Whether the client of `socket` may do what it wants, as the backend says. What is answered is about the socket as it is
    /// then: if it is gone by then, or another user's, nothing is allowed.
    pub async fn ask(
        &self,
        socket: &Socket,
        wish: Wish<'_>,
    ) -> Result<PermissionAnswer, NotAnswered> {
        let user = socket.user().clone();
        let answered = self.0.ask(socket, &user, wish).await;
        let is_same = socket.is_joined() && *socket.user() == user;
        let answered =
            answered.and_then(|it| if is_same { Ok(it) } else { Err(NotAnswered::OtherClient) });
        let outcome = match &answered {
            Ok(it) if it.allowed.is_nothing() => "denied",
            Ok(_) => "allowed",
            Err(failure) => failure.outcome(),
        };
        let labels = [("ask", wish.name()), ("outcome", outcome)];
        metrics::counter!("userline_permission_questions_total", &labels).increment(1);
        answered
    }
}

impl Asking {
    async fn ask(
        self: &Arc<Self>,
        socket: &Socket,
        user: &UserId,
        wish: Wish<'_>,
    ) -> Result<PermissionAnswer, NotAnswered> {
        let turn = self.turn(user).await?;
        let id = entropy::token("perm_");
        let now = self.clock.wall();
        // Now, so that it says who asks as it is now.
        let body = {
            let (rooms, grants) = (socket.rooms(), socket.grants());
            let from = EventSender {
                user,
                socket: socket.id,
                device: socket.device.as_ref(),
                rooms: &rooms,
                data: grants.data.as_deref(),
            };
            render(&id, wish, &socket.namespace, &from, now)
        };
        let answer = match self.caller.post(&id, body, now).await {
            Ok(answer) => answer,
            Err(error) => return Err(turn.silence(&error)),
        };
        let status = answer.status();
        match ReplyKind::of_status(status, answer.retry_after()) {
            ReplyKind::Failed(failure) => {
                let why = answer.complaint().unwrap_or_default();
                answer.discard_body().await;
                turn.end_badly(failure, &why);
                return Err(NotAnswered::Unavailable);
            }
            ReplyKind::Refused => {
                answer.discard_body().await;
                turn.end_well();
                let likely = likely_cause(status).unwrap_or("a no is {\"allow\": false} with 200");
                return Err(self.unusable(format!("status {status}: {likely}")));
            }
            ReplyKind::Answered => {}
        }
        let body = match answer.body(ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(NoBody::Cut(cut)) => return Err(turn.silence(&cut)),
            Err(long @ NoBody::TooLong { .. }) => {
                turn.end_well();
                return Err(self.unusable(long.to_string()));
            }
        };
        turn.end_well();
        answer::parse(&body, wish.users()).map_err(|flaw| self.unusable(flaw.to_string()))
    }

    /// Says what is wrong with answers: at once if that is new, and else once a minute.
    fn unusable(&self, why: String) -> NotAnswered {
        let now = self.clock.now();
        let mut told = self.told.lock();
        let is_known =
            |(text, at): &(String, Timestamp)| *text == why && now.since(*at) < SILENCE_BETWEEN;
        if !told.as_ref().is_some_and(is_known) {
            tracing::warn!(why, "what permissions.url answers cannot be used");
            *told = Some((why, now));
        }
        NotAnswered::BadAnswer
    }
}

#[cfg(test)]
mod tests;
