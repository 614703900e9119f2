//! `userline:watch`: acked like `userline:presence`; from then on the client is told of every change, until it says
//! `userline:unwatch`, or is gone.

use super::presence::{ack_online, required_users, users};
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use serde_json::json;
use serde_json::value::to_raw_value;

pub(super) fn begin(requests: &Requests, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let users = required_users(event.args())?;
    let answer = |online: Vec<&str>| ack_online(requests, event.ack, online);
    requests.parts().watching.watch(requests.socket(), &users, answer)?
}

pub(super) fn end(requests: &Requests, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let users = users(event.args())?;
    requests.parts().watching.unwatch(requests.socket(), users.as_deref())?;
    let nothing = to_raw_value(&json!({}));
    requests.ack(event.ack, &[&nothing.map_err(|error| RequestError::damaged(&error))?]);
    Ok(())
}
