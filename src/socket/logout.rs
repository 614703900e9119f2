//! `userline:logout`: the client leaves for good; acked with `{}` when its resume tokens do not count any more, on disk as well.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Nothing can be said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogoutArgument {}

/// Begins to write it down.
pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let LogoutArgument {} = argument::read(event.args())?;
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_later("socket.logout", ack, async move {
        let control = &asked.parts().control;
        control
            .revoke_resume(asked.socket())
            .await
            .map_err(|error| RequestError::new("unavailable", error))?;
        let answer = RawValue::from_string("{}".to_owned());
        asked.ack(ack, &[&answer.map_err(|error| RequestError::damaged(&error))?]);
        control.see_off(asked.socket());
        Ok(())
    })
}
