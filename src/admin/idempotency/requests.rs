//! The requests that have a name of their own: which are under way, and what the last ones were answered.

use crate::admin::error::ApiError;
use crate::admin::error_code::Code;
use crate::clock::Clock;
use crate::config::IdempotencyConfig;
use crate::core::memory::idempotency::{Begin, Fingerprint, Idempotency, IdempotencyLimits};
use bytes::Bytes;
use parking_lot::Mutex;
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
