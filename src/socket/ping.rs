//! `userline:ping`: acked with its arguments, buffers included; a round trip for apps and tools.

use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;

/// Acks.
pub(super) fn answer(requests: &Requests, event: &ClientEvent<'_>) {
    requests.ack_with(event.ack, event.args(), event.buffers);
}
