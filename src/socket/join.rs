//! `userline:join` and `userline:leave`: the client is in a room, or out of it, before the ack, `{}`.
//!
//! Where the backend is asked whether it may join, what comes behind it waits: a client that joins and leaves at once is out.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::config::GuestRight;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::joining::MayNotMove;
use crate::types::Room;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoomArgument {
    room: String,
}

pub(super) fn join(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let room = room(event)?;
    let joining = &requests.parts().joining;
    if joining.asks(&room) {
        requests.check_right(GuestRight::Events)?;
    }
    if requests.questions.is_line_free()
        && let Some(joined) = joining.join_at_once(requests.socket(), &room)
    {
        joined?;
        return done(requests, event.ack);
    }
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_in_line("socket.join", event, async move |_turn| {
        asked.parts().joining.join(asked.socket(), &room).await?;
        done(&asked, ack)
    })
}

pub(super) fn leave(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let room = room(event)?;
    if requests.questions.is_line_free() {
        requests.parts().joining.leave(requests.socket(), &room)?;
        return done(requests, event.ack);
    }
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_in_line("socket.leave", event, async move |_turn| {
        asked.parts().joining.leave(asked.socket(), &room)?;
        done(&asked, ack)
    })
}

fn room(event: &ClientEvent<'_>) -> Result<Room, RequestError> {
    let RoomArgument { room } = argument::read(event.args())?;
    let room = Room::parse_grantable(&room);
    room.map_err(|why| RequestError::invalid(format_args!("room: {why}")))
}

fn done(requests: &Requests, ack: Option<u64>) -> Result<(), RequestError> {
    let nothing = RawValue::from_string("{}".to_owned());
    requests.ack(ack, &[&nothing.map_err(|error| RequestError::damaged(&error))?]);
    Ok(())
}

impl From<MayNotMove> for RequestError {
    fn from(why: MayNotMove) -> Self {
        Self::new(why.code(), why)
    }
}
