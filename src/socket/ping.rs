//! `userline:ping`: acked with its arguments, a round trip for apps and tools.

use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;

/// Acks.
pub(super) fn answer(requests: &Requests, event: &ClientEvent<'_>) {
    requests.ack(event.ack, event.args());
}
