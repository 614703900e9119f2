//! What the write-only manager of python-socketio publishes since its version 5.14: JSON.

use super::RedisMessage;
use super::emit_json::{EmitJson, EmitJsonExcept, EmitJsonTarget, SocketsJson};
use super::rooms::{NameOrNumber, NamedRooms, RoomRules};
use crate::ingest::intake::{MessageRefusal, SocketVerb};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The code of what older versions publish.
pub(super) const PICKLED: &str = "pickled";
/// The first byte of what older versions publish.
const PICKLE: u8 = 0x80;

#[derive(Debug, Deserialize)]
struct PythonMessage {
    method: String,
    event: Option<String>,
    #[serde(default)]
    data: Vec<Box<RawValue>>,
    #[serde(default)]
    binary: bool,
    namespace: Option<String>,
    room: Option<OneOrMany>,
    skip_sid: Option<OneOrMany>,
    sid: Option<String>,
}

/// A name, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(NameOrNumber),
    Many(Vec<NameOrNumber>),
}

/// Reads a message.
pub(super) fn message(bytes: &[u8], rules: &RoomRules) -> Result<RedisMessage, MessageRefusal> {
    if bytes.first() == Some(&PICKLE) {
        let message =
            "it is pickled: python-socketio before 5.14 does that, a newer one writes JSON";
        return Err(MessageRefusal { code: PICKLED, message: message.to_owned() });
    }
    let message: PythonMessage =
        serde_json::from_slice(bytes).map_err(|why| unreadable(&why.to_string()))?;
    match message.method.as_str() {
        "emit" => message.emit(rules).map(|it| RedisMessage::Emit(Box::new(it))),
        // The answer to somebody else's question.
        "callback" => Ok(RedisMessage::NotForUs),
        "disconnect" => message.sockets(SocketVerb::Disconnect, rules),
        "enter_room" => message.sockets(SocketVerb::Join, rules),
        "leave_room" => message.sockets(SocketVerb::Leave, rules),
        "close_room" => message.close_room(rules),
        other => Err(unreadable(&format!("no method `{other}`"))),
    }
}

impl PythonMessage {
    /// One socket, and perhaps a room.
    fn sockets(self, verb: SocketVerb, rules: &RoomRules) -> Result<RedisMessage, MessageRefusal> {
        let sid = self.sid.ok_or_else(|| unreadable("the message has no sid"))?;
        let rooms = names(self.room).into_iter().map(|it| rules.rename(it)).collect();
        let json = SocketsJson {
            namespace: self.namespace.unwrap_or_else(|| "/".to_owned()),
            to: EmitJsonTarget::of(NamedRooms::one(sid)),
            except: EmitJsonExcept::default(),
            rooms: (verb != SocketVerb::Disconnect).then_some(rooms),
        };
        Ok(RedisMessage::Sockets(verb, Box::new(json)))
    }

    /// Everybody leaves a room.
    fn close_room(self, rules: &RoomRules) -> Result<RedisMessage, MessageRefusal> {
        let rooms: Vec<String> = names(self.room).into_iter().map(|it| rules.rename(it)).collect();
        let Some(room) = rooms.first().cloned() else {
            return Err(unreadable("the message has no room"));
        };
        let json = SocketsJson {
            namespace: self.namespace.unwrap_or_else(|| "/".to_owned()),
            to: EmitJsonTarget::of(NamedRooms::one(room)),
            except: EmitJsonExcept::default(),
            rooms: Some(rooms),
        };
        Ok(RedisMessage::Sockets(SocketVerb::Leave, Box::new(json)))
    }

    fn emit(self, rules: &RoomRules) -> Result<EmitJson, MessageRefusal> {
        let Self { method: _, event, data, binary, namespace, room, skip_sid, sid: _ } = self;
        let args = if binary { with_buffers(&data)? } else { data };
        // `None` for data means no argument.
        let is_none = matches!(args.as_slice(), [one] if one.get() == "null");
        Ok(EmitJson {
            namespace: namespace.unwrap_or_else(|| "/".to_owned()),
            to: EmitJsonTarget::of(rules.sort(names(room))),
            except: EmitJsonExcept { sockets: names(skip_sid), ..EmitJsonExcept::default() },
            event: event.ok_or_else(|| unreadable("the event has no name"))?,
            args: if is_none { Vec::new() } else { args },
            volatile: false,
            binary,
        })
    }
}

/// The arguments, with the buffers that follow them put in their places.
fn with_buffers(data: &[Box<RawValue>]) -> Result<Vec<Box<RawValue>>, MessageRefusal> {
    let bad = |_| unreadable("the buffers are not as python-socketio writes them");
    let Some((args, buffers)) = data.split_first() else { return Ok(Vec::new()) };
    let mut args: Vec<Value> = serde_json::from_str(args.get()).map_err(bad)?;
    let buffers = buffers.iter().map(|it| serde_json::from_str::<String>(it.get()).map(Some));
    let mut buffers: Vec<Option<String>> = buffers.collect::<Result<_, _>>().map_err(bad)?;
    for arg in &mut args {
        put_back(arg, &mut buffers)?;
    }
    let args = args.iter().map(serde_json::value::to_raw_value);
    args.collect::<Result<_, _>>().map_err(bad)
}

/// Each buffer has one place: a message that names one a thousand times would have a thousand copies of it made.
fn put_back(value: &mut Value, buffers: &mut [Option<String>]) -> Result<(), MessageRefusal> {
    let number = value.get("_placeholder").and_then(|_| value.get("num")).and_then(Value::as_u64);
    let buffer = number.and_then(|it| buffers.get_mut(usize::try_from(it).ok()?));
    if let Some(buffer) = buffer {
        let base64 = buffer.take().ok_or_else(|| unreadable("a buffer has more than one place"))?;
        *value = json!({ "$binary": base64 });
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|it| put_back(it, buffers)),
        Value::Object(map) => map.values_mut().try_for_each(|it| put_back(it, buffers)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn names(given: Option<OneOrMany>) -> Vec<String> {
    let given = match given {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    };
    given.into_iter().map(NameOrNumber::into_text).collect()
}

fn unreadable(why: &str) -> MessageRefusal {
    MessageRefusal { code: "unreadable", message: why.to_owned() }
}

#[cfg(test)]
mod tests;
