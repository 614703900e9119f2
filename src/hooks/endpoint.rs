//! One receiver, and one request to it from its start to its end: the payload read, sent, answered.

use super::ledger::HookLedger;
use crate::backend::BackendCaller;
use crate::clock::Clock;
use crate::core::delivery::decision::{AttemptOutcome, DeliveryId};
use crate::core::delivery::dispatch::Request;
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{EndpointId, HookPayload};

/// One receiver of hooks, and what is needed to send to it.
#[derive(Debug)]
pub(super) struct HookEndpoint {
    pub(super) id: EndpointId,
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) caller: BackendCaller,
    /// Whether requests hold arrays of events instead of one event.
    pub(super) is_batching: bool,
    pub(super) ledger: HookLedger,
    pub(super) clock: Clock,
}

/// The end of one request.
pub(super) struct FinishedAttempt {
    pub(super) request: Request,
    /// Deliveries of the request that were no longer to be sent.
    pub(super) gone: Vec<DeliveryId>,
    pub(super) result: AttemptResult,
}

/// How a request ended.
pub(super) struct AttemptResult {
    pub(super) outcome: AttemptOutcome,
    /// What went wrong, for people; nothing if all went well.
    pub(super) error: Option<String>,
}

impl HookEndpoint {
    /// Makes one request, of hooks that are in the store.
    pub(super) async fn attempt(&self, request: Request) -> FinishedAttempt {
        let not_sent = |error| AttemptResult { outcome: AttemptOutcome::NotSent, error };
        let payloads = match self.ledger.payloads(self.id, request.deliveries.clone()).await {
            Ok(payloads) => payloads,
            Err(error) => {
                let result = not_sent(Some(error.to_string()));
                return FinishedAttempt { request, gone: Vec::new(), result };
            }
        };
        let is_gone = |id: &DeliveryId| payloads.iter().all(|payload| payload.id != *id);
        let gone = request.deliveries.iter().copied().filter(is_gone).collect();
        let result = match message(payloads, self.is_batching) {
            Some((webhook_id, body)) => self.send(&webhook_id, body).await,
            None => not_sent(None),
        };
        FinishedAttempt { request, gone, result }
    }

    async fn send(&self, webhook_id: &str, body: String) -> AttemptResult {
        match self.caller.post(webhook_id, body, self.clock.wall()).await {
            Ok(answer) => {
                let outcome = AttemptOutcome::of_status(answer.status(), answer.retry_after());
                let error = answer.complaint();
                answer.discard_body().await;
                AttemptResult { outcome, error }
            }
            Err(error) => AttemptResult {
                outcome: AttemptOutcome::Unreachable,
                error: Some(error.to_string()),
            },
        }
    }

    /// Counts the end of one request.
    pub(super) fn count(&self, outcome: AttemptOutcome) {
        let outcome = match outcome {
            AttemptOutcome::Accepted => "accepted",
            AttemptOutcome::Rejected => "rejected",
            AttemptOutcome::Failed { .. } => "failed",
            AttemptOutcome::Unreachable => "unreachable",
            AttemptOutcome::Gone => "gone",
            AttemptOutcome::NotSent => return,
        };
        let labels = [("endpoint", self.name.clone()), ("outcome", outcome.to_owned())];
        metrics::counter!("userline_hook_attempts_total", &labels).increment(1);
    }
}

/// Id and body of one request.
fn message(mut payloads: Vec<HookPayload>, is_batching: bool) -> Option<(String, String)> {
    if !is_batching {
        return payloads.pop().map(|payload| (payload.webhook_id, payload.body));
    }
    let events: Vec<_> =
        payloads.into_iter().map(|payload| (payload.webhook_id, payload.body)).collect();
    (!events.is_empty()).then(|| (hook_body::batch_id(&events), hook_body::batch(&events)))
}
