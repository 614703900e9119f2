//! `userline:join` and `userline:leave`: the client is in a room, or out of it, before the ack, `{}`.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::joining::MayNotMove;
use crate::types::Room;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoomArgument {
    room: String,
}

pub(super) fn join(requests: &Requests, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let room = room(event)?;
    requests.parts().joining.join(requests.socket(), &room)?;
    done(requests, event)
}

pub(super) fn leave(requests: &Requests, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let room = room(event)?;
    requests.parts().joining.leave(requests.socket(), &room)?;
    done(requests, event)
}

fn room(event: &ClientEvent<'_>) -> Result<Room, RequestError> {
    let RoomArgument { room } = argument::read(event.args())?;
    let room = Room::parse_grantable(&room);
    room.map_err(|why| RequestError::invalid(format_args!("room: {why}")))
}

fn done(requests: &Requests, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let nothing = RawValue::from_string("{}".to_owned());
    requests.ack(event.ack, &[&nothing.map_err(|error| RequestError::damaged(&error))?]);
    Ok(())
}

impl From<MayNotMove> for RequestError {
    fn from(why: MayNotMove) -> Self {
        Self::new(why.code(), why)
    }
}
