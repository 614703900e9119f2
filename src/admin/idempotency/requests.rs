//! The requests that have a name of their own: which are under way, and what the last ones were answered.

use crate::admin::error::ApiError;
use crate::admin::error_code::Code;
use crate::clock::Clock;
use crate::cluster::{AnswerBegin, AnswerTurn, ClusterAnswers};
use crate::config::IdempotencyConfig;
use crate::core::memory::idempotency::{Begin, Fingerprint, Idempotency, IdempotencyLimits};
use crate::types::UserId;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    /// Those of all nodes, if there are others.
    shared: Option<ClusterAnswers>,
    clock: Clock,
}

impl NamedRequests {
    pub(in crate::admin) fn new(
        config: IdempotencyConfig,
        shared: Option<ClusterAnswers>,
        clock: Clock,
    ) -> Self {
        let IdempotencyConfig { keep, entries_max, bytes_max } = config;
        let limits = IdempotencyLimits { keep, entries_max, bytes_max };
        Self { known: Arc::new(Mutex::new(Idempotency::new(limits))), shared, clock }
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
        let turn = match self.begin_here(&key).await? {
            Ok(turn) => turn,
            Err(answer) => return Ok(Err(answer)),
        };
        let Some(shared) = &self.shared else { return Ok(Ok(turn)) };
        // Names are digests there: what is in them is the caller's.
        let (name, fingerprint) = (digest(&SHA256, key.name.as_bytes()), key.fingerprint);
        let text = |bytes: &[u8]| Arc::from(URL_SAFE_NO_PAD.encode(bytes));
        match shared.begin(text(name.as_ref()), text(&fingerprint)).await? {
            AnswerBegin::First(shared) => Ok(Ok(RequestTurn { shared: Some(shared), ..turn })),
            AnswerBegin::Answered(answer) => {
                turn.keep(&answer);
                Ok(Err(answer))
            }
            AnswerBegin::Mismatch => Err(mismatch()),
            AnswerBegin::Full => Err(full()),
        }
    }

    /// The same, as far as this node knows.
    async fn begin_here(&self, key: &RequestKey) -> Result<Result<RequestTurn, Bytes>, ApiError> {
        let RequestKey { name, fingerprint } = key;
        loop {
            let (ended, wait) = watch::channel(());
            let begun = self.known.lock().begin(name, *fingerprint, wait, self.clock.now());
            match begun {
                Begin::First => {
                    let here =
                        TurnHere { requests: self.clone(), name: name.clone(), _ended: ended };
                    return Ok(Ok(RequestTurn { here, shared: None }));
                }
                // Ends when the other turn does, one way or another.
                Begin::UnderWay(mut wait) => while wait.changed().await.is_ok() {},
                Begin::Answered(answer) => return Ok(Err(answer)),
                Begin::Mismatch => return Err(mismatch()),
                Begin::Full => return Err(full()),
            }
        }
    }
}

fn mismatch() -> ApiError {
    let message = "this Idempotency-Key belongs to a request with another body";
    ApiError::new(Code::IdempotencyMismatch, message)
}

fn full() -> ApiError {
    let message = "too many requests with an Idempotency-Key are under way";
    ApiError::new(Code::Unavailable, message)
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
    here: TurnHere,
    shared: Option<AnswerTurn>,
}

/// The turn, among those who ask this node.
struct TurnHere {
    requests: NamedRequests,
    name: String,
    /// Tells those who wait, when it is dropped.
    _ended: watch::Sender<()>,
}

impl RequestTurn {
    /// The request was made: its answer is remembered, first where all nodes see it.
    pub(super) async fn answer(mut self, answer: &Bytes) {
        if let Some(shared) = self.shared.take() {
            shared.finish(answer.clone()).await;
        }
        self.keep(answer);
    }

    fn keep(self, answer: &Bytes) {
        let NamedRequests { known, clock, .. } = &self.here.requests;
        known.lock().finish(&self.here.name, answer.clone(), answer.len(), clock.now());
    }
}

impl Drop for TurnHere {
    fn drop(&mut self) {
        self.requests.known.lock().abandon(&self.name);
    }
}
