//! `userline:watch`: acked like `userline:presence`; from then on the client is told of every change, until it says
//! `userline:unwatch`, or is gone.

use super::presence::{ack_online, required_users, users};
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::watching::{MayNotSee, Permitted};
use crate::types::UserId;
use serde_json::json;
use serde_json::value::to_raw_value;
use std::sync::Arc;

pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let users = required_users(event.args())?;
    let watching = &requests.parts().watching;
    if !watching.asks() && !watching.is_of_many_nodes() {
        return watch(requests, event.ack, (&users, Permitted::default()));
    }
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_in_line("socket.watch", event, async move |_turn| {
        let (watching, socket) = (&asked.parts().watching, asked.socket());
        // First, so that nobody is asked for nothing.
        watching.may_watch(socket, &users)?;
        let permitted = watching.ask(socket, &users).await.map_err(MayNotSee::from)?;
        // As long as it is held, what is known of them stays so.
        let _known = watching.know(&users).await?;
        watch(&asked, ack, (&users, permitted))
    })
}

fn watch(
    requests: &Requests,
    ack: Option<u64>,
    (users, permitted): (&[UserId], Permitted),
) -> Result<(), RequestError> {
    let tell = |online: Vec<&str>| ack_online(requests, ack, online);
    requests.parts().watching.watch(requests.socket(), users, permitted, tell)?
}

/// Behind what is in line: a client that watches and stops it at once watches nobody.
pub(super) fn end(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let users = users(event.args())?;
    if requests.questions.is_line_free() {
        return unwatch(requests, event.ack, users.as_deref());
    }
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_in_line("socket.unwatch", event, async move |_turn| {
        unwatch(&asked, ack, users.as_deref())
    })
}

fn unwatch(
    requests: &Requests,
    ack: Option<u64>,
    users: Option<&[UserId]>,
) -> Result<(), RequestError> {
    requests.parts().watching.unwatch(requests.socket(), users)?;
    let nothing = to_raw_value(&json!({}));
    requests.ack(ack, &[&nothing.map_err(|error| RequestError::damaged(&error))?]);
    Ok(())
}
