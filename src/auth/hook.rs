//! The backend says who a client is: one signed POST. Who may be asked about now is decided in
//! [`core::auth::hook_gate`](crate::core::auth::hook_gate).

mod answer;
mod question;
mod turn;

use super::Credentials;
use super::refusal::Refusal;
use crate::backend::{BackendCaller, HttpClient, HttpClientError, HttpSettings, NoBody, UrlError};
use crate::clock::Clock;
use crate::config::AuthHookConfig;
use crate::core::auth::hook_gate::{Answered, ClientKey, HandshakeVerdict, HookGate, TrialPlace};
use crate::core::backend::circuit::Failure;
use crate::core::rooms::granting::GrantRules;
use crate::entropy;
use crate::types::{Identity, Timestamp, WallMs};
use answer::AnswerFlaw;
use parking_lot::Mutex;
pub(super) use question::is_told_by;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use turn::HookQueue;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The same trouble is told again after this time.
const SILENCE_BETWEEN: Duration = Duration::from_mins(1);

/// Why the backend cannot be asked at all.
#[derive(Debug, Error)]
pub enum AuthHookError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
    /// The URL cannot be called.
    #[error("auth.hook.url {0}")]
    Url(#[from] UrlError),
}

/// Asks the backend who clients are.
pub(super) struct AuthHook {
    caller: BackendCaller,
    turns: Mutex<HookQueue>,
    rooms: GrantRules,
    clock: Clock,
    /// Whether the backend may say that a client is a guest.
    has_guests: bool,
    /// What was told last of trouble, and when.
    told: Mutex<Option<(String, Timestamp)>>,
}

impl fmt::Debug for AuthHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthHook").finish_non_exhaustive()
    }
}

impl AuthHook {
    pub(super) fn new(
        config: AuthHookConfig,
        (rooms, has_guests): (GrantRules, bool),
        clock: Clock,
    ) -> Result<Self, AuthHookError> {
        let client = HttpClient::new(HttpSettings {
            section: "auth.hook",
            is_https: config.url.starts_with("https:"),
            timeout: config.timeout,
            idle_connections: config.concurrency,
            allow_private: config.allow_private,
            ca: &config.ca,
        })?;
        let caller = BackendCaller::new(client, &config.url, config.secrets)?;
        let turns = Mutex::new(HookQueue::new(HookGate::new(config.concurrency, config.queue)));
        Ok(Self { caller, turns, rooms, clock, has_guests, told: Mutex::default() })
    }

    /// Whether a client may open a connection now.
    pub(super) fn admits_handshake(&self, says_token: bool) -> HandshakeVerdict {
        self.turns.lock().gate.admits_handshake(says_token, self.clock.now())
    }

    /// See [`HookGate::trial_ended`].
    pub(super) fn trial_ended(&self, place: TrialPlace, is_let_in: bool) {
        self.turns.lock().gate.trial_ended(place, is_let_in, self.clock.now());
    }

    /// Who the client is, as the backend says.
    pub(super) async fn identify(
        self: &Arc<Self>,
        credentials: Credentials<'_>,
        now: WallMs,
    ) -> Result<Identity, Refusal> {
        let client = ClientKey(question::client_key(&credentials));
        let mut turn = self.turn(client).await.ok_or(Refusal::Unavailable)?;
        let body = question::render(&credentials, now);
        let result = self.ask(body, now).await;
        let (answered, outcome) = match &result {
            Ok(_) | Err(AnswerFlaw::Anonymous) => (Answered::Well, "accepted"),
            Err(AnswerFlaw::Refused(_)) => (Answered::Well, "refused"),
            Err(AnswerFlaw::Silence(_)) => (Answered::Failed(Failure::Silence), "unreachable"),
            Err(AnswerFlaw::Status { retry_after, .. }) => {
                (Answered::Failed(Failure::Answer { retry_after: *retry_after }), "failed")
            }
            Err(AnswerFlaw::Malformed(_)) => {
                (Answered::Failed(Failure::Answer { retry_after: None }), "failed")
            }
        };
        metrics::counter!("userline_auth_hook_calls_total", "outcome" => outcome).increment(1);
        turn.answered = answered;
        drop(turn);
        result.map_err(|flaw| match flaw {
            AnswerFlaw::Refused(refusal) => Refusal::Backend(refusal),
            AnswerFlaw::Anonymous => Refusal::Anonymous,
            AnswerFlaw::Silence(_) | AnswerFlaw::Status { .. } | AnswerFlaw::Malformed(_) => {
                self.tell(flaw.to_string());
                Refusal::Unavailable
            }
        })
    }

    async fn ask(&self, body: String, now: WallMs) -> Result<Identity, AnswerFlaw> {
        let id = entropy::token("auth_");
        let answer = self.caller.post(&id, body, now).await;
        let answer = answer.map_err(|error| AnswerFlaw::Silence(error.to_string()))?;
        let (status, retry_after) = (answer.status(), answer.retry_after());
        let body = answer.body(ANSWER_BYTES_MAX).await.map_err(|error| match error {
            NoBody::Cut(cut) => AnswerFlaw::Silence(cut.to_string()),
            NoBody::TooLong { .. } => AnswerFlaw::Malformed(error.to_string()),
        })?;
        answer::read(status, retry_after, &body, (&self.rooms, self.has_guests), now)
    }

    /// Says what is wrong: at once if that is new, and else once a minute.
    fn tell(&self, what: String) {
        let now = self.clock.now();
        let mut told = self.told.lock();
        let is_known =
            |(text, at): &(String, Timestamp)| *text == what && now.since(*at) < SILENCE_BETWEEN;
        if told.as_ref().is_some_and(is_known) {
            return;
        }
        tracing::warn!(error = what, "the backend does not say who a client is (auth.hook.url)");
        *told = Some((what, now));
    }
}
