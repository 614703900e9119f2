//! Entries of the log, as Redis gives them.

use super::{CodecError, items, string};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::log::LogEntry;
use bytes::Bytes;
use redis::Value;

/// The answer to `XREAD` of one stream: nothing, or the stream's name with its entries.
pub(super) fn of_streams(value: &Value) -> Result<Vec<LogEntry>, CodecError> {
    if *value == Value::Nil {
        return Ok(Vec::new());
    }
    // As RESP3 has it.
    if let Value::Map(streams) = value {
        let [(_, entries)] = streams.as_slice() else { return Err(CodecError) };
        return of_stream(entries);
    }
    let [stream] = items(value)? else { return Err(CodecError) };
    let [_, entries] = items(stream)? else { return Err(CodecError) };
    of_stream(entries)
}

/// Entries of a stream.
pub(super) fn of_stream(value: &Value) -> Result<Vec<LogEntry>, CodecError> {
    items(value)?.iter().map(entry).collect()
}

/// `id`, and fields: `h` with the header, then each event behind its index.
fn entry(value: &Value) -> Result<LogEntry, CodecError> {
    let [id, fields] = items(value)? else { return Err(CodecError) };
    let [_, header, events @ ..] = items(fields)? else { return Err(CodecError) };
    let id = string(id)?.split('-').next().unwrap_or_default();
    let header: Vec<&str> = string(header)?.split(' ').collect();
    let [previous, incarnation, batch, first, _bytes_before] = header.as_slice() else {
        return Err(CodecError);
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| CodecError);
    let event = |pair: &[Value]| match pair {
        [_, Value::BulkString(event)] => Ok(Bytes::copy_from_slice(event)),
        _ => Err(CodecError),
    };
    Ok(LogEntry {
        id: number(id)?,
        previous: number(previous)?,
        incarnation: Incarnation::from_text(incarnation),
        batch: number(batch)?,
        first: number(first)?,
        events: events.chunks(2).map(event).collect::<Result<_, _>>()?,
    })
}
