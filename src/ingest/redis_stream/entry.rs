//! An entry of the stream, and what is to be done with it.

use crate::core::ingest::batch::Order;
use crate::core::ingest::freshness::Freshness;
use crate::ingest::intake::{Intake, MessageRefusal};
use crate::ingest::ordered::{EndedMessage, MessageWork};
use redis::{FromRedisValue as _, Value};
use std::time::Duration;

/// What is to be done with an entry.
pub(super) type EntryWork = MessageWork<String>;
/// An entry that is over.
pub(super) type EndedEntry = EndedMessage<String>;

/// An entry as Redis has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StreamEntry {
    /// Milliseconds and a number: `1700000000000-0`.
    pub(super) id: String,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl StreamEntry {
    /// Reads `[[id, [field, value, …]], …]`. Entries that were deleted since they were read have no fields, and are none.
    pub(super) fn read_all(value: Value) -> Option<Vec<Self>> {
        let Value::Array(entries) = value else {
            return matches!(value, Value::Nil).then(Vec::new);
        };
        entries.into_iter().filter(|it| !was_deleted(it)).map(Self::read).collect()
    }

    fn read(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [id, fields] = <[Value; 2]>::try_from(parts).ok()?;
        let id = String::from_redis_value(id).ok()?;
        let fields = Vec::<(Vec<u8>, Vec<u8>)>::from_redis_value(fields).ok()?;
        Some(Self { id, fields })
    }

    /// What is to be done with it, and behind which others; `now_ms` is the time of Redis.
    pub(super) fn work(
        self,
        intake: &Intake,
        max_age: Option<Duration>,
        now_ms: u64,
    ) -> (Order, EntryWork) {
        let Self { id, fields } = self;
        let written = written_ms(&id).unwrap_or(now_ms);
        let age = Duration::from_millis(now_ms.saturating_sub(written));
        if (Freshness { age, left_ms: None }).is_stale(max_age) {
            return EntryWork::expired(id);
        }
        let field = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name.as_bytes());
            found.map(|(_, value)| value.as_slice())
        };
        let text = |name| field(name).map(|it| String::from_utf8_lossy(it).into_owned());
        let missing = || {
            let message = "the entry has no field `emit`".to_owned();
            MessageRefusal { code: "invalid_argument", message }
        };
        let key = text("key").unwrap_or_else(|| id.clone());
        let json = field("emit").ok_or_else(missing);
        let read = json.and_then(|json| intake.read(json, Some(&key)));
        EntryWork::of(id, text("order_key"), read)
    }
}

/// Redis 6 says so in two ways; newer ones leave it out.
fn was_deleted(entry: &Value) -> bool {
    let has_no_fields = |parts: &Vec<Value>| parts.get(1) == Some(&Value::Nil);
    *entry == Value::Nil || matches!(entry, Value::Array(parts) if has_no_fields(parts))
}

/// When an entry was written, by its id.
pub(super) fn written_ms(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{StreamEntry, written_ms};
    use redis::Value;

    fn text(it: &str) -> Value {
        Value::BulkString(it.as_bytes().to_vec())
    }

    #[test]
    fn entries_are_read_and_those_that_were_deleted_are_passed_over() {
        let fields = Value::Array(vec![text("emit"), text("{}")]);
        let entry = Value::Array(vec![text("5-0"), fields]);
        let deleted = Value::Array(vec![text("4-0"), Value::Nil]);

        let read = StreamEntry::read_all(Value::Array(vec![Value::Nil, deleted, entry])).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].id, "5-0");
        assert_eq!(read[0].fields, [(b"emit".to_vec(), b"{}".to_vec())]);
        assert_eq!(StreamEntry::read_all(Value::Nil), Some(Vec::new()));
        assert_eq!(StreamEntry::read_all(Value::Int(1)), None);
        assert_eq!(StreamEntry::read_all(Value::Array(vec![Value::Int(1)])), None);
    }

    #[test]
    fn the_id_says_when_it_was_written() {
        assert_eq!(written_ms("1700000000000-3"), Some(1_700_000_000_000));
        assert_eq!(written_ms("x"), None);
    }
}
