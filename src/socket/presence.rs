//! `userline:presence`: acked with those of some users who are online, as far as the client may see them.
//!
//! Whoever is offline and whoever is out of reach is left out alike.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::watching::{FoundUsers, MayNotSee, Permitted};
use crate::types::UserId;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// Users in one request.
const USERS_MAX: usize = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UsersArgument {
    users: Option<Vec<String>>,
}

#[derive(Serialize)]
struct OnlineView<'a> {
    online: Vec<&'a str>,
}

pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let users = required_users(event.args())?;
    let watching = &requests.parts().watching;
    if !watching.asks() && !watching.is_of_many_nodes() {
        let found = FoundUsers::default();
        let online = watching.online(requests.socket(), (&users, &found), &Permitted::default())?;
        return ack_online(requests, event.ack, online);
    }
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_in_line("socket.presence", event, async move |_turn| {
        let (watching, socket) = (&asked.parts().watching, asked.socket());
        let permitted = watching.ask(socket, &users).await.map_err(MayNotSee::from)?;
        let found = watching.find(&users).await?;
        let online = watching.online(socket, (&users, &found), &permitted)?;
        ack_online(&asked, ack, online)
    })
}

pub(super) fn ack_online(
    requests: &Requests,
    ack: Option<u64>,
    online: Vec<&str>,
) -> Result<(), RequestError> {
    let view = to_raw_value(&OnlineView { online });
    requests.ack(ack, &[&view.map_err(|error| RequestError::damaged(&error))?]);
    Ok(())
}

pub(super) fn required_users(args: &[&RawValue]) -> Result<Vec<UserId>, RequestError> {
    users(args)?.ok_or_else(|| RequestError::invalid("users: a list of user ids is expected"))
}

/// The users that a request names, if it names any.
pub(super) fn users(args: &[&RawValue]) -> Result<Option<Vec<UserId>>, RequestError> {
    let UsersArgument { users: Some(users) } = argument::read(args)? else { return Ok(None) };
    if USERS_MAX < users.len() {
        let len = users.len();
        return Err(RequestError::invalid(format_args!("users: at most {USERS_MAX}, not {len}")));
    }
    let users = users.iter().map(|user| UserId::parse(user)).collect::<Result<_, _>>();
    users.map(Some).map_err(|why| RequestError::invalid(format_args!("users: {why}")))
}

impl From<MayNotSee> for RequestError {
    fn from(why: MayNotSee) -> Self {
        Self::new(why.code(), why)
    }
}
