//! Entries of the log, as Redis gives them.

use super::{CodecError, items, string};
use crate::core::cluster::command::{Told, ToldId};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::log::LogEntry;
use bytes::Bytes;
use redis::Value;

/// The answer to `XREAD` of the log and of what an incarnation was told: nothing, or names of streams with entries.
pub(super) fn of_streams(value: &Value) -> Result<(Vec<LogEntry>, Vec<Told>), CodecError> {
    let (mut log, mut told) = (Vec::new(), Vec::new());
    let mut take = |name: &Value, entries: &Value| {
        if string(name)?.ends_with(":log") {
            log = of_stream(entries)?;
        } else {
            told = items(entries)?.iter().map(one_told).collect::<Result<_, _>>()?;
        }
        Ok(())
    };
    if let Value::Map(streams) = value {
        // As RESP3 has it.
        streams.iter().try_for_each(|(name, it)| take(name, it))?;
    } else if *value != Value::Nil {
        for stream in items(value)? {
            let [name, entries] = items(stream)? else { return Err(CodecError) };
            take(name, entries)?;
        }
    }
    Ok((log, told))
}

/// `id`, and fields: `f` with who tells it, `m` with what.
fn one_told(value: &Value) -> Result<Told, CodecError> {
    let [id, fields] = items(value)? else { return Err(CodecError) };
    let [_, from, _, Value::BulkString(message)] = items(fields)? else { return Err(CodecError) };
    Ok(Told {
        id: ToldId(string(id)?.into()),
        from: Incarnation::from_text(string(from)?),
        message: Bytes::copy_from_slice(message),
    })
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
