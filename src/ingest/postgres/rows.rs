//! Rows of the table, and what becomes of them.

use super::trouble;
use crate::core::ingest::batch::Order;
use crate::core::ingest::freshness::Freshness;
use crate::ingest::intake::{Intake, MessageRefusal};
use crate::ingest::ordered::{EndedMessage, MessageWork};
use crate::ingest::trouble::Trouble;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

/// What is to be done with a row.
pub(super) type RowWork = MessageWork<i64>;
/// A row that is over.
pub(super) type EndedRow = EndedMessage<i64>;

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
            return RowWork::expired(id);
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
        RowWork::of(id, order_key, read)
    }
}

/// A column of a row, by its place.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Trouble> {
    row.try_get(index).map_err(|error| trouble::met("reading a row", &error))
}
