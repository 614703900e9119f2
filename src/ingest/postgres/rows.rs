//! Rows of the table, and what becomes of them.

use super::trouble;
use crate::core::emit::message::Message;
use crate::core::ingest::batch::Order;
use crate::core::ingest::freshness::Freshness;
use crate::ingest::intake::{Intake, MessageRefusal};
use crate::ingest::trouble::Trouble;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

/// Most characters of an error that is written into a row.
const ERROR_CHARS_MAX: usize = 1000;

/// A row that waits.
#[derive(Debug)]
pub(super) struct OutboxRow {
    id: i64,
    /// The sender's name for it; its id if there is none.
    key: Option<String>,
    order_key: Option<String>,
    /// The JSON; none if it is null or too large.
    emit: Option<String>,
    bytes: i64,
    freshness: Freshness,
}

/// What is to be done with a row.
pub(super) enum RowWork {
    /// It is sent.
    Send(i64, Box<Message>),
    /// It is over.
    End(Ended, Option<MessageRefusal>),
}

/// A row that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) id: i64,
    pub(super) verdict: RowVerdict,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowVerdict {
    /// It was emitted.
    Done,
    /// It came too late.
    Expired,
    /// It cannot be emitted; why, for people, with the code before it.
    Failed(String),
}

impl OutboxRow {
    pub(super) fn read(row: &Row) -> Result<Self, Trouble> {
        let age_ms: i64 = column(row, 5)?;
        Ok(Self {
            id: column(row, 0)?,
            key: column(row, 1)?,
            order_key: column(row, 2)?,
            emit: column(row, 3)?,
            bytes: column(row, 4)?,
            freshness: Freshness {
                age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
                left_ms: column(row, 6)?,
            },
        })
    }

    /// What is to be done with it, and behind which others.
    pub(super) fn work(self, intake: &Intake, max_age: Option<Duration>) -> (Order, RowWork) {
        let Self { id, key, order_key, emit, bytes, freshness } = self;
        if freshness.is_stale(max_age) {
            return (Order::Nobody, RowWork::End(Ended { id, verdict: RowVerdict::Expired }, None));
        }
        let read = match emit {
            None if bytes == 0 => {
                let message = "the column `emit` is null".to_owned();
                Err(MessageRefusal { code: "invalid_argument", message })
            }
            None => {
                let len = usize::try_from(bytes).unwrap_or(usize::MAX);
                Err(MessageRefusal::too_large(len, intake.parts.payload_max))
            }
            Some(json) => {
                let key = key.unwrap_or_else(|| id.to_string());
                intake.read(json.as_bytes(), Some(&key))
            }
        };
        match read {
            Ok(message) => (order(order_key, &message), RowWork::Send(id, message)),
            Err(refusal) => {
                (Order::Nobody, RowWork::End(Ended::failed(id, &refusal), Some(refusal)))
            }
        }
    }
}

impl Ended {
    /// A row that cannot be emitted.
    pub(super) fn failed(id: i64, refusal: &MessageRefusal) -> Self {
        let MessageRefusal { code, message } = refusal;
        // A text of PostgreSQL's has no NUL.
        let text = format!("{code}: {message}").replace('\0', "");
        let verdict = RowVerdict::Failed(text.chars().take(ERROR_CHARS_MAX).collect());
        Self { id, verdict }
    }
}

fn order(order_key: Option<String>, message: &Message) -> Order {
    let target = &message.emit.audience.target;
    match order_key {
        Some(key) => Order::Key(key),
        None if target.rooms.is_empty() && target.sockets.is_empty() && !target.all => {
            Order::Users(target.users.clone())
        }
        None => Order::Everybody,
    }
}

/// A column of a row, by its place.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Trouble> {
    row.try_get(index).map_err(|error| trouble::met("reading a row", &error))
}
