//! The requests that have a name of their own: which are under way, and what the last ones were answered.

use crate::admin::error::ApiError;
use crate::admin::error_code::Code;
use crate::clock::Clock;
use crate::config::IdempotencyConfig;
use crate::core::memory::idempotency::{Begin, Fingerprint, Idempotency, IdempotencyLimits};
use crate::types::UserId;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// The name of a request, and what it asks for.
pub(in crate::admin) struct RequestKey {
    /// The caller's name and the header's value.
    pub(super) name: String,
    pub(super) fingerprint: Fingerprint,
}

/// The requests with a name. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::admin) struct NamedRequests {
    known: Arc<Mutex<Idempotency<Bytes, watch::Receiver<()>>>>,
    clock: Clock,
}

impl NamedRequests {
    pub(in crate::admin) fn new(config: IdempotencyConfig, clock: Clock) -> Self {
        let IdempotencyConfig { keep, entries_max, bytes_max } = config;
        let limits = IdempotencyLimits { keep, entries_max, bytes_max };
        Self { known: Arc::new(Mutex::new(Idempotency::new(limits))), clock }
    }

    /// Forgets the answers that name a user, as one whom an emit was for or who acked it. Such a request may then be done again.
    pub(in crate::admin) fn erase(&self, user: &UserId) {
        // Most answers do not hold the text at all, and need not be read.
        let text = serde_json::to_string(user.as_str()).unwrap_or_default();
        let holds = |answer: &Bytes| str::from_utf8(answer).is_ok_and(|it| it.contains(&text));
        self.known.lock().erase(|answer| {
            let is_named = |it: &Value| names(it, user.as_str());
            holds(answer) && serde_json::from_slice(answer).is_ok_and(|it| is_named(&it))
        });
    }

    /// The turn to make a request, or its answer, waiting for one that is under way.
    pub(super) async fn begin(
        &self,
        key: RequestKey,
    ) -> Result<Result<RequestTurn, Bytes>, ApiError> {
        let RequestKey { name, fingerprint } = key;
        loop {
            let (ended, wait) = watch::channel(());
            let begun = self.known.lock().begin(&name, fingerprint, wait, self.clock.now());
            match begun {
                Begin::First => {
                    return Ok(Ok(RequestTurn { requests: self.clone(), name, _ended: ended }));
                }
                // Ends when the other turn does, one way or another.
                Begin::UnderWay(mut wait) => while wait.changed().await.is_ok() {},
                Begin::Answered(answer) => return Ok(Err(answer)),
                Begin::Mismatch => {
                    let message = "this Idempotency-Key belongs to a request with another body";
                    return Err(ApiError::new(Code::IdempotencyMismatch, message));
                }
                Begin::Full => {
                    let message = "too many requests with an Idempotency-Key are under way";
                    return Err(ApiError::new(Code::Unavailable, message));
                }
            }
        }
    }
}

/// Whether an answer names a user, as one whom an emit was for or who was asked for an ack.
fn names(answer: &Value, user: &str) -> bool {
    match answer {
        Value::Array(items) => items.iter().any(|it| names(it, user)),
        Value::Object(fields) => fields.iter().any(|(field, value)| match field.as_str() {
            "users" => value.get(user).is_some(),
            "user" => value == user,
            // What clients have said.
            "args" => false,
            _ => names(value, user),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The turn to make a request. Dropped without an answer, it is another's turn.
pub(super) struct RequestTurn {
    requests: NamedRequests,
    name: String,
    /// Tells those who wait, when it is dropped.
    _ended: watch::Sender<()>,
}

impl RequestTurn {
    pub(super) fn answer(self, answer: &Bytes) {
        let now = self.requests.clock.now();
        self.requests.known.lock().finish(&self.name, answer.clone(), answer.len(), now);
    }
}

impl Drop for RequestTurn {
    fn drop(&mut self) {
        self.requests.known.lock().abandon(&self.name);
    }
}
