//! What is asked of books, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::book::{
    BookAsk, BookChange, BookOutcome, BookQuestion, BookReply, BookWrite, CHANGES_MAX,
};
use bytes::Bytes;
use redis::Value;
use std::sync::Arc;

/// Records of one page, about: reading them takes less than a millisecond.
const RECORDS_MAX: usize = 1000;

impl ClusterPlace {
    pub(super) fn book(&self, question: &BookQuestion) -> RedisCall {
        let mut arguments = vec![text(question.book.as_str())];
        match &question.what {
            BookAsk::Records { cursor } => {
                arguments.extend([number(*cursor), number(RECORDS_MAX)]);
                self.script(Script::Records, arguments)
            }
            BookAsk::Changes { known, write } => {
                arguments.extend([number(*known), number(CHANGES_MAX)]);
                if let Some(BookWrite { user, name, note, records, records_max }) = write {
                    arguments.extend([text(user.as_str()), text(&**name), text(*note)]);
                    arguments.push(number(*records_max));
                    for (record, value) in records {
                        let value = value.as_ref().map(|it| it.to_vec()).unwrap_or_default();
                        arguments.extend([text(record.as_str()), value]);
                    }
                }
                self.script(Script::Book, arguments)
            }
        }
    }
}

/// The answer to a question.
pub(super) fn reply(asked: &BookAsk, value: &Value) -> Result<BookReply, CodecError> {
    match (asked, items(value)?) {
        (BookAsk::Changes { .. }, [outcome, is_lost]) if string(outcome)? == "AGAIN" => {
            let outcome = BookOutcome::Again { is_lost: parsed(is_lost)? == 1 };
            Ok(BookReply::Changes { outcome, changes: Vec::new() })
        }
        (BookAsk::Records { .. }, [last, cursor, page]) => {
            let mut records = Vec::new();
            for (record, value) in pairs(page)? {
                records.push((record, value.ok_or(CodecError)?));
            }
            Ok(BookReply::Records { last: parsed(last)?, cursor: parsed(cursor)?, records })
        }
        (BookAsk::Changes { .. }, [outcome, changes @ ..]) => {
            let outcome = match string(outcome)? {
                "OK" => BookOutcome::Done,
                "BEHIND" => BookOutcome::Behind,
                "FULL" => BookOutcome::Full,
                _ => return Err(CodecError),
            };
            let changes = changes.iter().map(change).collect::<Result<_, _>>()?;
            Ok(BookReply::Changes { outcome, changes })
        }
        _ => Err(CodecError),
    }
}

fn change(value: &Value) -> Result<BookChange, CodecError> {
    let [number, name, note, records] = items(value)? else { return Err(CodecError) };
    let (name, note) = (Arc::from(string(name)?), Arc::from(string(note)?));
    Ok(BookChange { number: parsed(number)?, name, note, records: pairs(records)? })
}

fn pairs(value: &Value) -> Result<Vec<(String, Option<Bytes>)>, CodecError> {
    let pair = |pair: &[Value]| match pair {
        [record, Value::BulkString(value)] => {
            let value = (!value.is_empty()).then(|| Bytes::copy_from_slice(value));
            Ok((string(record)?.to_owned(), value))
        }
        _ => Err(CodecError),
    };
    items(value)?.chunks(2).map(pair).collect()
}
