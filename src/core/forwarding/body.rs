//! What the backend is told of an event: the JSON of one call.
//!
//! What the server knows stands in `from`, what the client wrote in `event` and `args`: nothing that a client writes
//! can say who it is.

use crate::core::delivery::hook_body::rfc3339;
use crate::core::protocol::binary::{BinaryError, BuffersLeft};
use crate::core::protocol::inbound::ClientEvent;
use crate::types::{DeviceId, Namespace, Room, SocketId, UserId, WallMs};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The type of such a call, as in hooks.
pub const EVENT_TYPE: &str = "client.event";

/// Who sends an event, as authentication said.
#[derive(Debug)]
pub struct EventSender<'a> {
    /// The user.
    pub user: &'a UserId,
    /// The socket.
    pub socket: SocketId,
    /// What the client calls its tab or device; of its own choice.
    pub device: Option<&'a DeviceId>,
    /// The rooms of the socket.
    pub rooms: &'a [Room],
    /// What the credentials said besides.
    pub data: Option<&'a RawValue>,
}

impl EventSender<'_> {
    /// What the backend reads: `{user, socket, device, rooms, data}`.
    pub fn view(&self) -> SenderView<'_> {
        let Self { user, socket, device, rooms, data } = self;
        SenderView {
            user: user.as_str(),
            socket: socket.to_string(),
            device: device.map(DeviceId::as_str),
            rooms: rooms.iter().map(Room::as_str).collect(),
            data: *data,
        }
    }
}

#[derive(Serialize)]
struct EventBody<'a> {
    r#type: &'static str,
    timestamp: String,
    data: EventData<'a>,
}

#[derive(Serialize)]
struct EventData<'a> {
    id: &'a str,
    event: &'a str,
    args: Vec<Cow<'a, RawValue>>,
    namespace: &'a str,
    /// Whether the client waits for an ack.
    ack: bool,
    from: SenderView<'a>,
}

/// The same as it is written.
#[derive(Debug, Serialize)]
pub struct SenderView<'a> {
    user: &'a str,
    socket: String,
    device: Option<&'a str>,
    rooms: Vec<&'a str>,
    data: Option<&'a RawValue>,
}

/// The body of the call for an event that came at `at`:
/// `{"type":"client.event","timestamp":"…","data":{"id","event","args","namespace","ack","from":{…}}}`. The arguments stand
/// there as the client wrote them, buffers as `{"$binary":"<base64>"}`.
pub fn render(
    id: &str,
    event: &ClientEvent<'_>,
    namespace: &Namespace,
    from: &EventSender<'_>,
    at: WallMs,
) -> Result<String, BinaryError> {
    let mut buffers = BuffersLeft::all(event.buffers);
    let args = event.args().iter().map(|arg| {
        Ok(if event.buffers.is_empty() {
            Cow::Borrowed(*arg)
        } else {
            Cow::Owned(buffers.put_back(arg)?)
        })
    });
    let from = from.view();
    let args = args.collect::<Result<_, _>>()?;
    let (name, namespace, ack) = (&*event.name, namespace.as_str(), event.ack.is_some());
    let data = EventData { id, event: name, args, namespace, ack, from };
    let body = EventBody { r#type: EVENT_TYPE, timestamp: rfc3339(at), data };
    // Texts, numbers and JSON that was read already: nothing that could not be written.
    Ok(serde_json::to_string(&body).unwrap_or_default())
}

#[cfg(test)]
mod tests;
