//! What `@socket.io/redis-emitter` publishes, and Node's own adapter: a packet in `MessagePack` for an emit, JSON for what is asked
//! of the servers.

use super::RedisMessage;
use super::emit_json::{EmitJson, EmitJsonExcept, EmitJsonTarget, SocketsJson};
use super::rooms::{NameOrNumber, RoomRules};
use crate::core::delivery::hook_body::rfc3339;
use crate::ingest::intake::{MessageRefusal, SocketVerb};
use crate::types::WallMs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Deepest nesting of arguments.
const DEPTH_MAX: usize = 128;
/// Types of packets that are events, without and with buffers.
const EVENT_TYPES: [u64; 2] = [2, 5];

/// Reads a packet from the channel of a namespace.
pub(super) fn emit(bytes: &[u8], rules: &RoomRules) -> Result<EmitJson, MessageRefusal> {
    let value = message_pack(bytes)?;
    let parts = value.as_array().map(Vec::as_slice);
    let Some([_, packet, options, ..]) = parts else {
        return Err(unreadable("not a list of sender, packet and options"));
    };
    if !field(packet, "type").and_then(Value::as_u64).is_some_and(|it| EVENT_TYPES.contains(&it)) {
        return Err(unreadable("the packet is no event"));
    }
    let data = field(packet, "data").and_then(Value::as_array);
    let Some((event, args)) = data.and_then(|it| it.split_first()) else {
        return Err(unreadable("the event has no name"));
    };
    let mut buffers = Buffers::None;
    let args = args.iter().map(|arg| {
        let mut json = String::new();
        write_json(arg, &mut json, &mut buffers);
        RawValue::from_string(json).map_err(|why| unreadable(&why.to_string()))
    });
    let args = args.collect::<Result<Vec<_>, _>>()?;
    let names = |key: &str| {
        let list = field(options, key).and_then(Value::as_array);
        let names = list.into_iter().flatten().map(name);
        let names = names.collect::<Option<Vec<String>>>();
        names
            .map(|it| rules.sort(it))
            .ok_or_else(|| unreadable("a room is neither text nor number"))
    };
    let flags = field(options, "flags");
    let is_volatile = flags.and_then(|it| field(it, "volatile")).and_then(Value::as_bool);
    Ok(EmitJson {
        namespace: field(packet, "nsp").and_then(Value::as_str).unwrap_or("/").to_owned(),
        to: EmitJsonTarget::of(names("rooms")?),
        except: EmitJsonExcept { named: names("except")?, sockets: Vec::new() },
        event: name(event).ok_or_else(|| unreadable("the name of the event is no text"))?,
        args,
        volatile: is_volatile.unwrap_or(false),
        binary: buffers == Buffers::Some,
    })
}

/// What is asked of the servers.
#[derive(Debug, Deserialize)]
struct NodeRequest {
    r#type: u64,
    #[serde(default)]
    opts: NodeRequestOptions,
    #[serde(default)]
    rooms: Vec<NameOrNumber>,
}

/// Of which sockets.
#[derive(Debug, Default, Deserialize)]
struct NodeRequestOptions {
    #[serde(default)]
    rooms: Vec<NameOrNumber>,
    #[serde(default)]
    except: Vec<NameOrNumber>,
}

/// Reads a request from the channel for these, which is `{key}-request#{namespace}#`.
pub(super) fn request(
    channel: &str,
    bytes: &[u8],
    rules: &RoomRules,
) -> Result<RedisMessage, MessageRefusal> {
    if bytes.first() != Some(&b'{') {
        // Servers of Node's ask so where there are buffers.
        let request = message_pack(bytes)?;
        let kind = field(&request, "type").and_then(Value::as_u64);
        return kind.map(other_request).ok_or_else(|| unreadable("the request has no type"));
    }
    let request: NodeRequest =
        serde_json::from_slice(bytes).map_err(|why| unreadable(&why.to_string()))?;
    let verb = match request.r#type {
        2 => SocketVerb::Join,
        3 => SocketVerb::Leave,
        4 => SocketVerb::Disconnect,
        other => return Ok(other_request(other)),
    };
    let namespace = channel.split('#').nth(1).unwrap_or_default();
    let text = |it: Vec<NameOrNumber>| it.into_iter().map(NameOrNumber::into_text);
    let rooms = text(request.rooms).map(|it| rules.rename(it)).collect();
    Ok(RedisMessage::Sockets(
        verb,
        Box::new(SocketsJson {
            namespace: namespace.to_owned(),
            to: EmitJsonTarget::of(rules.sort(text(request.opts.rooms))),
            except: EmitJsonExcept {
                named: rules.sort(text(request.opts.except)),
                sockets: Vec::new(),
            },
            rooms: (verb != SocketVerb::Disconnect).then_some(rooms),
        }),
    ))
}

fn other_request(kind: u64) -> RedisMessage {
    match kind {
        6 => RedisMessage::Unsupported("serverSideEmit"),
        7 => RedisMessage::Unsupported("emitWithAck"),
        // Servers of Node's ask each other which sockets and rooms they have.
        _ => RedisMessage::NotForUs,
    }
}

fn message_pack(mut bytes: &[u8]) -> Result<Value, MessageRefusal> {
    let value = rmpv::decode::read_value_with_max_depth(&mut bytes, DEPTH_MAX);
    value.map_err(|why| unreadable(&format!("no MessagePack: {why}")))
}

/// Whether there was a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffers {
    None,
    Some,
}

/// The JSON that a client of Node's would get; a buffer as the admin API takes it.
fn write_json(value: &Value, json: &mut String, buffers: &mut Buffers) {
    match value {
        Value::Boolean(it) => json.push_str(if *it { "true" } else { "false" }),
        Value::Integer(it) => json.push_str(&it.to_string()),
        Value::F32(it) => push_float(f64::from(*it), json),
        Value::F64(it) => push_float(*it, json),
        Value::String(it) => push_text(&String::from_utf8_lossy(it.as_bytes()), json),
        Value::Binary(bytes) => {
            *buffers = Buffers::Some;
            json.push_str("{\"$binary\":\"");
            json.push_str(&STANDARD.encode(bytes));
            json.push_str("\"}");
        }
        Value::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if 0 < index {
                    json.push(',');
                }
                write_json(item, json, buffers);
            }
            json.push(']');
        }
        Value::Map(entries) => {
            json.push('{');
            let mut is_first = true;
            // As `JSON.stringify` leaves it out.
            for (key, item) in entries.iter().filter(|(_, item)| !is_undefined(item)) {
                if !is_first {
                    json.push(',');
                }
                is_first = false;
                push_text(&name(key).unwrap_or_else(|| key.to_string()), json);
                json.push(':');
                write_json(item, json, buffers);
            }
            json.push('}');
        }
        Value::Ext(-1, bytes) => match date_ms(bytes) {
            Some(ms) => push_text(&rfc3339(WallMs(ms)), json),
            None => json.push_str("null"),
        },
        Value::Nil | Value::Ext(..) => json.push_str("null"),
    }
}

/// How `notepack.io` writes `undefined`.
fn is_undefined(value: &Value) -> bool {
    matches!(value, Value::Ext(0, bytes) if bytes.len() == 1)
}

fn push_text(text: &str, json: &mut String) {
    // Fails for no text.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Not a number, and what is infinite, is null, as in `JSON.stringify`.
fn push_float(number: f64, json: &mut String) {
    json.push_str(&serde_json::to_string(&number).unwrap_or_else(|_| "null".to_owned()));
}

/// A `Date` as `MessagePack` has it, in milliseconds since 1970; none before that.
fn date_ms(bytes: &[u8]) -> Option<u64> {
    let (seconds, nanos) = match bytes.len() {
        4 => (u64::from(u32::from_be_bytes(bytes.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            (both & ((1 << 34) - 1), both >> 34)
        }
        12 => {
            let (nanos, seconds) = bytes.split_at_checked(4)?;
            let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
            let nanos = u32::from_be_bytes(nanos.try_into().ok()?);
            (u64::try_from(seconds).ok()?, u64::from(nanos))
        }
        _ => return None,
    };
    seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)
}

fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    let entries = map.as_map()?;
    entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
}

/// A name: JavaScript has numbers for these as well.
fn name(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))
}

fn unreadable(why: &str) -> MessageRefusal {
    MessageRefusal { code: "unreadable", message: why.to_owned() }
}

#[cfg(test)]
mod tests;
