//! What is asked of the database. Every statement is sent with its types and without a name, so that it needs nothing of the
//! session and works through a pooler; each has a time limit.

use super::rows::{EndedRow, OutboxRow, column};
use super::trouble;
use crate::config::{DoneRows, PostgresConfig};
use crate::ingest::ordered::MessageVerdict;
use crate::ingest::reporter::WaitingMessages;
use crate::ingest::trouble::{Trouble, TroubleKind};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the emits of one batch, of which the first may have more.
const BATCH_BYTES_MAX: i64 = 8_000_000;
/// Rows that wait are counted up to here.
const COUNT_MAX: i64 = 100_000;
/// A server that reads without a lock is taken for gone after so long without a sign of life, in seconds.
pub(super) const LEASE_S: u32 = 15;

/// The table that says who reads which source.
pub(in crate::ingest) const SOURCES_TABLE: &str = "userline_sources";

/// One who reads the source: grows each time somebody begins to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(i64);

impl Generation {
    /// One that nobody has.
    pub(super) const NOBODY: Self = Self(0);
}

/// How it is made sure that one server reads the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// By a lock of the session, which the database gives back when the session ends.
    Session,
    /// By a sign of life now and then: behind a pooler there is no session.
    Lease,
}

/// The database of one source.
pub(super) struct Database {
    client: Client,
    source: String,
    outbox: String,
    sources: String,
    done: DoneRows,
    claim: Claim,
}

type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

impl Database {
    pub(super) fn new(client: Client, config: &PostgresConfig) -> Self {
        let claim = if config.channel.is_some() { Claim::Session } else { Claim::Lease };
        Self {
            client,
            source: config.name.to_string(),
            outbox: config.table.to_string(),
            sources: config.table.sibling(SOURCES_TABLE).to_string(),
            done: config.done,
            claim,
        }
    }

    /// Lets the database notice by itself, and soon, that this server is gone.
    pub(super) async fn begin_session(&self) -> Result<(), Trouble> {
        if self.claim == Claim::Lease {
            return Ok(());
        }
        let settings = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; \
                        SET tcp_keepalives_count = 2; SET tcp_user_timeout = 15000";
        let doing = "the settings of the session";
        within(doing, self.client.batch_execute(settings)).await
    }

    /// Hears notifications of `channel` from now on.
    pub(super) async fn listen(&self, channel: &str) -> Result<(), Trouble> {
        within("LISTEN", self.client.batch_execute(&format!("LISTEN \"{channel}\""))).await
    }

    pub(super) async fn notify(&self, channel: &str, payload: &str) -> Result<(), Trouble> {
        let params: Params<'_> = &[(&channel, Type::TEXT), (&payload, Type::TEXT)];
        self.rows("NOTIFY", "SELECT pg_notify($1, $2)", params).await.map(drop)
    }

    /// Becomes the one who reads the source; `None` while another is.
    pub(super) async fn take_over(&self) -> Result<Option<Generation>, Trouble> {
        if self.claim == Claim::Session {
            let lock =
                "SELECT pg_try_advisory_lock(hashtextextended('userline ' || $1 || ' ' || $2, 0))";
            let params: Params<'_> = &[(&self.outbox, Type::TEXT), (&self.source, Type::TEXT)];
            if !self.one::<bool>("the lock of the source", lock, params).await? {
                return Ok(None);
            }
        }
        let is_pooled = self.claim == Claim::Lease;
        let take = format!(
            "INSERT INTO {sources} AS s (source, generation, pooled, seen_at) \
             VALUES ($1, 1, $2, clock_timestamp()) \
             ON CONFLICT (source) DO UPDATE \
             SET generation = s.generation + 1, pooled = $2, seen_at = clock_timestamp() \
             WHERE NOT (s.pooled OR $2) OR s.seen_at < clock_timestamp() - interval '{LEASE_S} s' \
             RETURNING generation",
            sources = self.sources
        );
        let params: Params<'_> = &[(&self.source, Type::TEXT), (&is_pooled, Type::BOOL)];
        let rows = self.rows("taking the source over", &take, params).await?;
        rows.first().map(|row| column(row, 0).map(Generation)).transpose()
    }

    /// Lets another take the source over at once.
    pub(super) async fn release(&self, generation: Generation) -> Result<(), Trouble> {
        let release = format!(
            "UPDATE {} SET seen_at = '-infinity' WHERE source = $1 AND generation = $2",
            self.sources
        );
        let params: Params<'_> = &[(&self.source, Type::TEXT), (&generation.0, Type::INT8)];
        self.rows("giving the source back", &release, params).await.map(drop)
    }

    /// The first rows that wait, in their order; at most `limit`. Of one with more than `bytes_max` the emit is not read.
    pub(super) async fn fetch(
        &self,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<OutboxRow>, Trouble> {
        let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
        let (limit, bytes_max) = (number(limit), number(bytes_max));
        let rows = self
            .rows(
                "reading rows",
                &fetch_sql(&self.outbox),
                &[(&limit, Type::INT8), (&bytes_max, Type::INT8), (&BATCH_BYTES_MAX, Type::INT8)],
            )
            .await?;
        rows.iter().map(OutboxRow::read).collect()
    }

    /// Marks rows, and says that this server lives. `false`: another reads the source by now, and nothing was marked.
    pub(super) async fn settle(
        &self,
        generation: Generation,
        ended: &[EndedRow],
    ) -> Result<bool, Trouble> {
        let (mut gone, mut ids, mut states, mut errors) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for EndedRow { id, verdict } in ended {
            let (state, error) = match verdict {
                MessageVerdict::Done if self.done == DoneRows::Delete => {
                    gone.push(*id);
                    continue;
                }
                MessageVerdict::Done => ("done", None),
                MessageVerdict::Expired => ("expired", None),
                MessageVerdict::Failed(why) => ("failed", Some(why.as_str())),
            };
            ids.push(*id);
            states.push(state);
            errors.push(error);
        }
        // Rows that are marked already were marked by an attempt whose answer got lost.
        let settle = format!(
            "WITH mine AS ( \
               UPDATE {sources} SET seen_at = clock_timestamp() \
               WHERE source = $1 AND generation = $2 RETURNING 1 \
             ), gone AS ( \
               DELETE FROM {outbox} WHERE id = ANY($3) AND EXISTS (SELECT FROM mine) \
             ), marked AS ( \
               UPDATE {outbox} AS o SET state = e.state, error = e.error, ended_at = clock_timestamp() \
               FROM unnest($4, $5, $6) AS e (id, state, error) \
               WHERE o.id = e.id AND o.state = 'new' AND EXISTS (SELECT FROM mine) \
             ) SELECT EXISTS (SELECT FROM mine)",
            sources = self.sources,
            outbox = self.outbox
        );
        let params: Params<'_> = &[
            (&self.source, Type::TEXT),
            (&generation.0, Type::INT8),
            (&gone, Type::INT8_ARRAY),
            (&ids, Type::INT8_ARRAY),
            (&states, Type::TEXT_ARRAY),
            (&errors, Type::TEXT_ARRAY),
        ];
        self.one("marking rows", &settle, params).await
    }

    /// What waits, and the part of the database's queue of notifications that is full, in percent.
    pub(super) async fn waiting(&self) -> Result<(WaitingMessages, u32), Trouble> {
        let count = |state: &str| {
            let outbox = &self.outbox;
            format!(
                "SELECT count(*) FROM (SELECT FROM {outbox} WHERE state = '{state}' LIMIT {COUNT_MAX}) AS few"
            )
        };
        let waiting = format!(
            "SELECT ({}), ({}), (SELECT {AGE_MS} FROM {} WHERE state = 'new' ORDER BY id LIMIT 1), \
             (pg_notification_queue_usage() * 100)::int",
            count("new"),
            count("failed"),
            self.outbox
        );
        let rows = self.rows("counting rows", &waiting, &[]).await?;
        let row = rows.first().ok_or_else(|| no_row("counting rows"))?;
        let lag_ms: Option<i64> = column(row, 2)?;
        let waiting = WaitingMessages {
            backlog: column::<i64>(row, 0)?.unsigned_abs(),
            failed: column::<i64>(row, 1)?.unsigned_abs(),
            lag: Duration::from_millis(u64::try_from(lag_ms.unwrap_or(0)).unwrap_or(0)),
        };
        Ok((waiting, column::<i32>(row, 3)?.unsigned_abs()))
    }

    /// What of the rights that are needed is missing; a table that is not there is an error.
    pub(super) async fn missing_rights(&self) -> Result<Vec<String>, Trouble> {
        let ending = match self.done {
            DoneRows::Delete => "DELETE",
            DoneRows::Keep => "UPDATE",
        };
        let needed = [
            (&self.outbox, "SELECT"),
            (&self.outbox, "UPDATE"),
            (&self.outbox, ending),
            (&self.sources, "SELECT"),
            (&self.sources, "INSERT"),
            (&self.sources, "UPDATE"),
        ];
        let mut missing = Vec::new();
        for (table, right) in needed {
            let params: Params<'_> = &[(&table, Type::TEXT), (&right, Type::TEXT)];
            let has = "SELECT has_table_privilege($1, $2)";
            if !self.one::<bool>("the rights of the role", has, params).await? {
                missing.push(format!("{right} on {table}"));
            }
        }
        Ok(missing)
    }

    /// What the database says of itself.
    pub(super) async fn version(&self) -> Result<String, Trouble> {
        self.one("the version", "SELECT current_setting('server_version')", &[]).await
    }

    async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(
        &self,
        doing: &str,
        sql: &str,
        params: Params<'_>,
    ) -> Result<T, Trouble> {
        let rows = self.rows(doing, sql, params).await?;
        column(rows.first().ok_or_else(|| no_row(doing))?, 0)
    }

    async fn rows(&self, doing: &str, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        within(doing, self.client.query_typed(sql, params)).await
    }
}

/// Milliseconds since a row was written; 0 if that is no time of this world.
const AGE_MS: &str = "(CASE WHEN isfinite(created_at) THEN \
     extract(epoch FROM clock_timestamp() - created_at) * 1000 ELSE 0 END)::bigint";

fn fetch_sql(outbox: &str) -> String {
    format!(
        "SELECT id, key, order_key, CASE WHEN bytes <= $2 THEN emit END AS emit, bytes, age_ms, left_ms FROM ( \
           SELECT *, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM ( \
             SELECT id::bigint AS id, key::text AS key, order_key::text AS order_key, emit::text AS emit, \
               coalesce(octet_length(emit::text), 0)::bigint AS bytes, {AGE_MS} AS age_ms, \
               (CASE WHEN isfinite(expires_at) THEN \
                 extract(epoch FROM expires_at - clock_timestamp()) * 1000 END)::bigint AS left_ms \
             FROM {outbox} WHERE state = 'new' ORDER BY {outbox}.id LIMIT $1 \
           ) AS first \
         ) AS counted WHERE before < $3 ORDER BY id"
    )
}

fn no_row(doing: &str) -> Trouble {
    Trouble::new(TroubleKind::Failed, format!("{doing}: the database answered nothing"))
}

async fn within<T>(
    doing: &str,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    let done = tokio::time::timeout(STATEMENT_TIMEOUT, work).await.map_err(|_| {
        let why = format!("{doing}: no answer within {} s", STATEMENT_TIMEOUT.as_secs());
        Trouble::new(TroubleKind::Timeout, why)
    })?;
    done.map_err(|error| trouble::met(doing, &error))
}
