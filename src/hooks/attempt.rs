//! One request from its start to its end: the payload read, sent, answered.

use super::sender::{Answer, Sender};
use crate::clock::Clock;
use crate::core::delivery::decision::{DeliveryId, Outcome};
use crate::core::delivery::dispatch::Request;
use crate::core::delivery::hook_body;
use crate::store::{EndpointId, Payload, Store};

/// The end of one request.
pub(super) struct Attempted {
    pub(super) request: Request,
    /// What was no longer to be sent.
    pub(super) gone: Vec<DeliveryId>,
    pub(super) answer: Answer,
}

/// Makes one request, of hooks of one endpoint that are in the store.
pub(super) async fn attempt(
    (store, endpoint): (&Store, EndpointId),
    sender: &Sender,
    clock: &Clock,
    request: Request,
    is_batching: bool,
) -> Attempted {
    let not_sent = |error| Answer { outcome: Outcome::NotSent, error };
    let payloads = match store.payloads(endpoint, request.deliveries.clone()).await {
        Ok(payloads) => payloads,
        Err(error) => {
            let answer = not_sent(Some(error.to_string()));
            return Attempted { request, gone: Vec::new(), answer };
        }
    };
    let is_gone = |id: &DeliveryId| payloads.iter().all(|payload| payload.id != *id);
    let gone = request.deliveries.iter().copied().filter(is_gone).collect();
    let answer = match message(payloads, is_batching) {
        Some((webhook_id, body)) => sender.send(&webhook_id, body, clock.wall()).await,
        None => not_sent(None),
    };
    Attempted { request, gone, answer }
}

/// Id and body of one request.
fn message(mut payloads: Vec<Payload>, is_batching: bool) -> Option<(String, String)> {
    if !is_batching {
        return payloads.pop().map(|payload| (payload.webhook_id, payload.body));
    }
    let events: Vec<_> =
        payloads.into_iter().map(|payload| (payload.webhook_id, payload.body)).collect();
    (!events.is_empty()).then(|| (hook_body::batch_id(&events), hook_body::batch(&events)))
}

/// Counts the end of one request.
pub(super) fn count(endpoint: &str, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Failed { .. } => "failed",
        Outcome::Unreachable => "unreachable",
        Outcome::Gone => "gone",
        Outcome::NotSent => return,
    };
    let endpoint = endpoint.to_owned();
    metrics::counter!("userline_hook_attempts_total", "endpoint" => endpoint, "outcome" => outcome)
        .increment(1);
}
