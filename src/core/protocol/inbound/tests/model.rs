//! The naive model: first all frames, then all messages, then all packets, each of the whole stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// A line of what needs no answer; it is left out.
const NOTHING: &str = "nothing";

/// A frame, as far as it is there.
struct Frame {
    first: u8,
    is_masked: bool,
    /// What its head announces.
    announced: u64,
    /// `None` if it is not whole.
    payload: Option<Vec<u8>>,
}

/// A message, or why there is none.
enum Message {
    Text(String),
    Binary(Vec<u8>),
    Control(u8, Vec<u8>),
    Malformed,
}

/// What the client says, in the form of the tests; a stream that breaks the protocol ends with `malformed`.
pub(super) fn decode(stream: &[u8], bytes_max: usize) -> Vec<String> {
    packets(messages(frames(stream), bytes_max), bytes_max)
}

fn frames(mut rest: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while 2 <= rest.len() {
        let (first, second) = (rest[0], rest[1]);
        let extra = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let is_masked = second & 0x80 != 0;
        let head = 2 + extra + if is_masked { 4 } else { 0 };
        if rest.len() < head {
            break;
        }
        let digits = rest[2..2 + extra].iter();
        let announced = match extra {
            0 => u64::from(second & 0x7f),
            _ => digits.fold(0, |n, byte| n << 8 | u64::from(*byte)),
        };
        let mask = if is_masked { rest[head - 4..head].to_vec() } else { vec![0; 4] };
        let end = usize::try_from(announced).ok().and_then(|len| head.checked_add(len));
        let payload = end.and_then(|end| rest.get(head..end)).map(|payload| {
            payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]).collect()
        });
        let is_whole = payload.is_some();
        frames.push(Frame { first, is_masked, announced, payload });
        if !is_whole {
            break;
        }
        rest = &rest[end.unwrap()..];
    }
    frames
}

fn messages(frames: Vec<Frame>, bytes_max: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut unfinished: Option<(u8, Vec<u8>)> = None;
    for Frame { first, is_masked, announced, payload } in frames {
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let is_control = 8 <= opcode;
        let before = unfinished.as_ref().map_or(0, |(_, it)| it.len());
        let is_fitting = match opcode {
            0 => unfinished.is_some(),
            1 | 2 => unfinished.is_none(),
            8..=10 => is_last && announced <= 125,
            _ => false,
        };
        let is_small =
            is_control || announced <= u64::try_from(bytes_max.saturating_sub(before)).unwrap();
        if first & 0x70 != 0 || !is_masked || !is_fitting || !is_small {
            messages.push(Message::Malformed);
            return messages;
        }
        let Some(payload) = payload else { return messages };
        if is_control {
            messages.push(Message::Control(opcode, payload));
            continue;
        }
        let (kind, mut whole) = unfinished.take().unwrap_or((opcode, Vec::new()));
        whole.extend(payload);
        if !is_last {
            unfinished = Some((kind, whole));
            continue;
        }
        messages.push(match (kind, String::from_utf8(whole)) {
            (1, Ok(text)) => Message::Text(text),
            (1, Err(_)) => Message::Malformed,
            (_, Ok(text)) => Message::Binary(text.into_bytes()),
            (_, Err(error)) => Message::Binary(error.into_bytes()),
        });
    }
    messages
}

fn packets(messages: Vec<Message>, bytes_max: usize) -> Vec<String> {
    let mut said = Vec::new();
    let mut has_spoken = false;
    let mut waiting: Option<(String, usize, Vec<Vec<u8>>)> = None;
    for message in messages {
        let message = match message {
            Message::Text(text) if text.starts_with('b') => {
                let solid: String = text[1..].split_ascii_whitespace().collect();
                STANDARD.decode(solid).map_or(Message::Malformed, Message::Binary)
            }
            other @ (Message::Text(_)
            | Message::Binary(_)
            | Message::Control(..)
            | Message::Malformed) => other,
        };
        let line = match message {
            Message::Malformed => None,
            Message::Control(8, payload) => {
                let code = match payload.first_chunk().map(|it| u16::from_be_bytes(*it)) {
                    None => 1005,
                    Some(1005) => 1002,
                    Some(code) => code,
                };
                Some(format!("close Some({code})"))
            }
            Message::Control(9, payload) => Some(format!("ping {payload:?}")),
            Message::Control(_, _) => continue,
            Message::Text(text) => {
                has_spoken |= text.starts_with('4');
                match (attachments(&text), &waiting) {
                    (_, Some(_)) if text.starts_with('4') => None,
                    (Some(count @ 1..=64), _) => {
                        waiting = Some((text, count, Vec::new()));
                        continue;
                    }
                    (Some(0) | None, _) => packet(&text, &[]),
                    (Some(_), _) => None,
                }
            }
            Message::Binary(bytes) => match &mut waiting {
                Some((text, count, buffers)) => {
                    buffers.push(bytes);
                    if bytes_max < buffers.iter().map(Vec::len).sum() {
                        None
                    } else if buffers.len() < *count {
                        continue;
                    } else {
                        let line = packet(text, buffers);
                        waiting = None;
                        line
                    }
                }
                None if has_spoken => None,
                None => {
                    said.push("foreign /".to_owned());
                    return said;
                }
            },
        };
        let Some(line) = line else {
            said.push("malformed".to_owned());
            return said;
        };
        if line != NOTHING {
            said.push(line);
        }
    }
    said
}

/// How many buffers a packet announces; more than may be if that is nonsense. `None` if it is of a kind that has none.
fn attachments(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("45").or_else(|| text.strip_prefix("46"))?;
    let count = rest.split_once('-').map(|it| it.0);
    let count = count.filter(|it| !it.is_empty() && it.chars().all(|c| c.is_ascii_digit()));
    Some(count.and_then(|it| it.parse().ok()).unwrap_or(usize::MAX))
}

/// One packet; `None` if it is malformed.
fn packet(text: &str, buffers: &[Vec<u8>]) -> Option<String> {
    let kind = text.get(..2).unwrap_or_default();
    let rest = match kind {
        "40" | "41" => {
            let rest = &text[2..];
            let (namespace, auth) = match rest.strip_prefix('/').and(rest.split_once(',')) {
                Some(both) => both,
                None if rest.starts_with('/') => (rest, ""),
                None => ("/", rest),
            };
            let joins = format!("connect {namespace} {auth}");
            return Some(if kind == "40" { joins } else { format!("disconnect {namespace}") });
        }
        "42" | "43" => &text[2..],
        "45" | "46" => text[2..].split_once('-').unwrap().1,
        _ if text.starts_with('3') => return Some("pong".to_owned()),
        _ if text.starts_with('1') => return Some("close None".to_owned()),
        _ if text == "2probe" => return None,
        _ if text.starts_with('2') || text == "6" => return Some(NOTHING.to_owned()),
        _ => return None,
    };
    let (namespace, rest) = if rest.starts_with('/') { rest.split_once(',')? } else { ("/", rest) };
    let json = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - json.len()];
    let id: Option<u64> = if digits.is_empty() { None } else { Some(digits.parse().ok()?) };
    let parts: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
    if matches!(kind, "43" | "46") {
        let args: Box<RawValue> = serde_json::from_str(json).ok()?;
        return Some(format!("ack {namespace} {} {args} {buffers:?}", id?));
    }
    let (name, args) = parts.split_first()?;
    let value: serde_json::Value = serde_json::from_str(name.get()).ok()?;
    let digits = value.is_number().then(|| name.get());
    let name = value.as_str().or(digits)?;
    let args: Vec<&str> = args.iter().map(|it| it.get()).collect();
    Some(format!("event {namespace} {name:?} {args:?} {id:?} {buffers:?}"))
}
