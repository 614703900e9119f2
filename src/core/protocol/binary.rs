//! Binary in JSON: where a request says `{"$binary":"<base64>"}`, a client gets a buffer, and the other way round.
//!
//! Socket.IO carries buffers beside the JSON: in their place stands `{"_placeholder":true,"num":n}`
//! (<https://socket.io/docs/v4/socket-io-protocol/#binary_event>). Numbers, texts, keys and their order are left as
//! they were written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use thiserror::Error;

/// The key of a buffer in a request or an answer.
pub const MARK: &str = "$binary";
/// The key of a buffer's place in a packet.
const PLACEHOLDER: &str = "_placeholder";

/// Buffers of one event.
pub const BUFFERS_MAX: usize = 64;
/// How deep objects and lists may be nested around a buffer.
const DEPTH_MAX: usize = 64;

/// Why a value with buffers cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BinaryError {
    /// A mark that is not `{"$binary":"<base64>"}`.
    #[error("`$binary` must be the only key of its object, with base64 (RFC 4648 §4) as its value")]
    Mark,
    /// A client would take it for a buffer.
    #[error("`_placeholder` is what marks a buffer on the connection: it cannot be sent")]
    Placeholder,
    /// More buffers than one event may have.
    #[error("an event has at most {BUFFERS_MAX} buffers")]
    TooMany,
    /// A buffer that has a place more than once.
    #[error("each buffer has one place")]
    Repeated,
    /// Nested deeper than is looked at.
    #[error("buffers can be nested at most {DEPTH_MAX} deep")]
    TooDeep,
}

/// Takes the buffers out of `value`, adds them to `buffers` and returns the JSON with their places.
pub fn take_out(value: &RawValue, buffers: &mut Vec<Bytes>) -> Result<Box<RawValue>, BinaryError> {
    let mut out = String::with_capacity(value.get().len());
    rewrite(value, &mut out, 0, &mut |fields| {
        if fields.iter().any(|(key, _)| key == PLACEHOLDER) {
            return Err(BinaryError::Placeholder);
        }
        if !fields.iter().any(|(key, _)| key == MARK) {
            return Ok(None);
        }
        let [(_, base64)] = fields else { return Err(BinaryError::Mark) };
        let base64: String = serde_json::from_str(base64.get()).map_err(|_| BinaryError::Mark)?;
        let buffer = STANDARD.decode(base64).map_err(|_| BinaryError::Mark)?;
        if BUFFERS_MAX <= buffers.len() {
            return Err(BinaryError::TooMany);
        }
        buffers.push(buffer.into());
        let number = buffers.len() - 1;
        Ok(Some(format!("{{\"{PLACEHOLDER}\":true,\"num\":{number}}}")))
    })?;
    Ok(raw(out, value))
}

/// Buffers that have not been put back. Each has one place: who names one a thousand times would have a thousand copies of it
/// written.
#[derive(Debug)]
pub struct BuffersLeft<'a>(Vec<Option<&'a Bytes>>);

impl<'a> BuffersLeft<'a> {
    /// None was put back yet.
    pub fn all(buffers: &'a [Bytes]) -> Self {
        Self(buffers.iter().map(Some).collect())
    }

    /// Puts those back that have their places in `value`; a place without a buffer stays as it is.
    pub fn put_back(&mut self, value: &RawValue) -> Result<Box<RawValue>, BinaryError> {
        let mut out = String::with_capacity(value.get().len());
        rewrite(value, &mut out, 0, &mut |fields| {
            let is_place = fields.iter().any(|(key, it)| key == PLACEHOLDER && it.get() == "true");
            let number = fields.iter().find(|(key, _)| key == "num").map(|(_, it)| it.get());
            let number = number.filter(|_| is_place).and_then(|it| it.parse::<usize>().ok());
            let Some(buffer) = number.and_then(|it| self.0.get_mut(it)) else { return Ok(None) };
            let buffer = buffer.take().ok_or(BinaryError::Repeated)?;
            Ok(Some(format!("{{\"{MARK}\":\"{}\"}}", STANDARD.encode(buffer))))
        })?;
        Ok(raw(out, value))
    }
}

/// Puts `buffers` back where their places are in `value`, which is all that has places for them.
pub fn put_back(value: &RawValue, buffers: &[Bytes]) -> Result<Box<RawValue>, BinaryError> {
    BuffersLeft::all(buffers).put_back(value)
}

/// What one client wrote, for another: with a place for each of `buffers`, and none without one, at which a client would
/// break off its connection.
pub fn pass_on(
    value: &RawValue,
    buffers: &[Bytes],
) -> Result<(Box<RawValue>, Vec<Bytes>), BinaryError> {
    let mut passed = Vec::new();
    if buffers.is_empty() {
        return Ok((value.to_owned(), passed));
    }
    let value = take_out(&put_back(value, buffers)?, &mut passed)?;
    Ok((value, passed))
}

/// The new text; it was put together from valid pieces, so the old one is never needed.
fn raw(text: String, old: &RawValue) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| old.to_owned())
}

type Fields<'a> = [(String, &'a RawValue)];
type Replace<'r> = dyn FnMut(&Fields<'_>) -> Result<Option<String>, BinaryError> + 'r;

/// Writes `value` to `out`; where `replace` has something else for an object, that.
fn rewrite(
    value: &RawValue,
    out: &mut String,
    depth: usize,
    replace: &mut Replace<'_>,
) -> Result<(), BinaryError> {
    let text = value.get();
    let is_nested = text.starts_with(['{', '[']);
    if !is_nested || !(text.contains('"')) {
        out.push_str(text);
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Err(BinaryError::TooDeep);
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            rewrite(item, out, depth + 1, replace)?;
        }
        out.push(']');
        return Ok(());
    }
    let Ok(Object(fields)) = serde_json::from_str::<Object<'_>>(text) else {
        out.push_str(text);
        return Ok(());
    };
    let names: Vec<(String, &RawValue)> =
        fields.iter().map(|(key, it)| (unquote(key), *it)).collect();
    if let Some(other) = replace(&names)? {
        out.push_str(&other);
        return Ok(());
    }
    out.push('{');
    for (index, (key, item)) in fields.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(key.get());
        out.push(':');
        rewrite(item, out, depth + 1, replace)?;
    }
    out.push('}');
    Ok(())
}

fn unquote(key: &RawValue) -> String {
    serde_json::from_str(key.get()).unwrap_or_default()
}

/// An object's fields in order, keys and values as they were written, repeated keys included.
struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests;
