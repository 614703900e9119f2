//! `userline:refresh`: newer credentials of the same user, like the `auth` of a CONNECT; acked with when they end.

use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::admission::ConnectError;
use crate::types::Reason;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

#[derive(Serialize)]
struct RefreshReply {
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

/// Begins to find out who brings them: an issuer or the backend may have to be asked.
pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let auth: Option<Box<RawValue>> = match event.args() {
        [] => None,
        [auth] => Some((*auth).to_owned()),
        _ => return Err(RequestError::invalid("one argument is expected, an object")),
    };
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_later("socket.refresh", ack, async move {
        answer(&asked, ack, auth.as_deref()).await
    })
}

async fn answer(
    requests: &Requests,
    ack: Option<u64>,
    auth: Option<&RawValue>,
) -> Result<(), RequestError> {
    let socket = requests.socket();
    match requests.parts().admission.refresh(socket, auth).await {
        Ok((expires_at, resume)) => {
            let answer = RefreshReply { expires_at: expires_at.map(|it| it.0), resume };
            let answer = to_raw_value(&answer);
            requests.ack(ack, &[&answer.map_err(|error| RequestError::damaged(&error))?]);
        }
        Err(error) => {
            requests.refuse(ack, &RequestError::new(error.code(), &error));
            // Whoever it is now must not stay as who it was.
            if matches!(error, ConnectError::OtherUser) {
                socket.connection.finish(Reason::UserMismatch);
            }
        }
    }
    Ok(())
}
