//! Reading what became of hooks, for people who look.

use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::EndpointId;
use crate::core::delivery::record::{Delivery, DeliveryFilter, DeliveryPage, DeliveryState};
use crate::store::rows::{from_db, to_db};
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Deliveries in one answer, at most.
const LIMIT_MAX: u32 = 1000;

/// Dead letters that are counted, at most: a count takes time.
const DEAD_MAX: u32 = 100_000;

/// Columns of a [`Delivery`].
const COLUMNS: &str = "d.id, p.name, e.user, e.seq, e.type, d.state, d.attempts, d.coalesced, \
    e.created_ms, d.next_ms, d.ended_ms, d.error, e.body";
/// Tables joined to `deliveries d`, which leads.
const JOINED: &str =
    "CROSS JOIN events e ON e.id = d.event CROSS JOIN endpoints p ON p.id = d.endpoint";

/// The index that has the rows in this state in the order of their ids, and the condition it is made for.
fn rows_in(state: DeliveryState) -> (&'static str, &'static str) {
    match state {
        DeliveryState::Pending => ("deliveries_by_state", "d.state = 'pending'"),
        DeliveryState::Failing => ("deliveries_failing", "d.state = 'pending' AND d.attempts > 0"),
        DeliveryState::Dead => ("deliveries_by_state", "d.state = 'dead'"),
        DeliveryState::Delivered => ("deliveries_by_state", "d.state = 'delivered'"),
        DeliveryState::Replaced => ("deliveries_by_state", "d.state = 'replaced'"),
    }
}

/// Dead letters of one endpoint, counted up to a bound.
pub(super) fn count_dead(db: &Connection, endpoint: EndpointId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_by_state \
               WHERE state = 'dead' AND endpoint = ?1 LIMIT ?2)";
    let mut query = db.prepare_cached(sql)?;
    query.query_row(params![to_db(endpoint.0), DEAD_MAX], |row| row.get(0)).map(from_db)
}

/// One delivery, and the body that is or was sent.
pub(super) fn find(
    db: &Connection,
    id: DeliveryId,
) -> rusqlite::Result<Option<(Delivery, String)>> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries d {JOINED} WHERE d.id = ?1");
    let mut query = db.prepare_cached(&sql)?;
    let found = query
        .query_row([to_db(id.0)], |row| Ok((delivery(row)?, row.get::<_, String>(12)?)))
        .optional()?;
    Ok(found.and_then(|(delivery, body)| {
        let delivery = delivery?;
        let body = hook_body::with_coalesced(&body, delivery.coalesced);
        Some((delivery, body))
    }))
}

/// Deliveries in one state, to one endpoint or to all.
pub(super) fn list(
    db: &Connection,
    endpoint: Option<&str>,
    state: DeliveryState,
    after: Option<DeliveryId>,
    limit: u32,
) -> rusqlite::Result<DeliveryPage> {
    let (after, limit) = (to_db(after.map_or(0, |id| id.0)), limit.clamp(1, LIMIT_MAX));
    let (index, condition) = rows_in(state);
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries d INDEXED BY {index} {JOINED} \
         WHERE {condition} AND ?1 < d.id AND (?2 IS NULL OR p.name = ?2) ORDER BY d.id LIMIT ?3"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![after, endpoint, limit + 1], delivery)?;
    page(rows, limit)
}

/// By way of the user's events, which are few, whatever waits for others.
/// Deliveries of one user's events.
pub(super) fn list_of_user(
    db: &Connection,
    user: &UserId,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
    limit: u32,
) -> rusqlite::Result<DeliveryPage> {
    let (after, limit) = (to_db(after.map_or(0, |id| id.0)), limit.clamp(1, LIMIT_MAX));
    let condition = filter.state.map_or("true", |state| rows_in(state).1);
    let sql = format!(
        "SELECT {COLUMNS} FROM events e CROSS JOIN deliveries d ON d.event = e.id \
         CROSS JOIN endpoints p ON p.id = d.endpoint \
         WHERE e.user = ?1 AND {condition} AND ?2 < d.id AND (?3 IS NULL OR p.name = ?3) \
         ORDER BY d.id LIMIT ?4"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows =
        query.query_map(params![user.as_str(), after, filter.endpoint, limit + 1], delivery)?;
    page(rows, limit)
}

/// A page of `limit`, made of one row more if there is one.
fn page(
    rows: impl Iterator<Item = rusqlite::Result<Option<Delivery>>>,
    limit: u32,
) -> rusqlite::Result<DeliveryPage> {
    let mut items = rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = page < items.len();
    items.truncate(page);
    let next = items.last().filter(|_| has_more).map(|it| it.id);
    Ok(DeliveryPage { items, next })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Option<Delivery>> {
    let Ok(user) = UserId::parse(row.get_ref(2)?.as_str()?) else { return Ok(None) };
    let (seq, attempts) = (Seq(from_db(row.get(3)?)), row.get(6)?);
    let state = match row.get_ref(5)?.as_str()? {
        "delivered" => DeliveryState::Delivered,
        "dead" => DeliveryState::Dead,
        "replaced" => DeliveryState::Replaced,
        _ if 0 < attempts => DeliveryState::Failing,
        _ => DeliveryState::Pending,
    };
    let time = |ms: Option<i64>| ms.map(|ms| WallMs(from_db(ms)));
    Ok(Some(Delivery {
        id: DeliveryId(from_db(row.get(0)?)),
        endpoint: row.get(1)?,
        webhook_id: hook_body::id_of(row.get_ref(4)?.as_str()?, &user, seq),
        user,
        seq,
        hook_type: row.get(4)?,
        state,
        attempts,
        coalesced: from_db(row.get(7)?),
        created: WallMs(from_db(row.get(8)?)),
        next_attempt: time(row.get(9)?),
        ended: time(row.get(10)?),
        error: row.get(11)?,
    }))
}
