//! Reading deliveries: for the dispatcher what to send, for people what became of it.

use super::schema::{from_db, to_db};
use super::settle::{HEAD, head};
use super::shared::EndpointId;
use super::{ReadError, Store};
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::hook_body;
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

/// One hook to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The name of the endpoint, which may no longer be configured.
    pub endpoint: String,
    /// The `webhook-id` it is sent with (unless in a batch).
    pub webhook_id: String,
    /// Whose event.
    pub user: UserId,
    /// The event's place among the user's changes.
    pub seq: Seq,
    /// `user.online`, `user.offline` or `message.undelivered`.
    pub hook_type: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Older events of the user that it stands for.
    pub coalesced: u64,
    /// When the event happened.
    pub created: WallMs,
    /// The next attempt, if one has failed and it is tried again.
    pub next_attempt: Option<WallMs>,
    /// When it was delivered, died or was replaced.
    pub ended: Option<WallMs>,
    /// What the last failed attempt met.
    pub error: Option<String>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be sent; as a filter this includes the failing ones.
    Pending,
    /// To be sent again after a failure.
    Failing,
    /// Given up: waits for a replay.
    Dead,
    /// The receiver has it.
    Delivered,
    /// A newer event of the user took its place before it was sent.
    Replaced,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Failing, Self::Dead, Self::Delivered, Self::Replaced];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failing => "failing",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Replaced => "replaced",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// The index that has the rows in this state in the order of their ids, and the condition it is made for.
    fn rows(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("deliveries_by_state", "d.state = 'pending'"),
            Self::Failing => ("deliveries_failing", "d.state = 'pending' AND d.attempts > 0"),
            Self::Dead => ("deliveries_by_state", "d.state = 'dead'"),
            Self::Delivered => ("deliveries_by_state", "d.state = 'delivered'"),
            Self::Replaced => ("deliveries_by_state", "d.state = 'replaced'"),
        }
    }
}

/// Which of a user's deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only to this endpoint.
    pub endpoint: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    /// Ascending by id.
    pub items: Vec<Delivery>,
    /// What to give as `after` for the next page; `None` if this is the last.
    pub next: Option<DeliveryId>,
}

/// What is sent for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Which.
    pub id: DeliveryId,
    /// Its `webhook-id`.
    pub webhook_id: String,
    /// Its JSON body.
    pub body: String,
}

impl Store {
    /// Deliveries in one state, of one endpoint or of all, with an id over `after`, at most `limit` (and 1000).
    pub async fn deliveries(
        &self,
        endpoint: Option<String>,
        state: DeliveryState,
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Deliveries, ReadError> {
        let after = to_db(after.map_or(0, |id| id.0));
        let limit = limit.clamp(1, LIMIT_MAX);
        self.readers.read(move |db| list(db, endpoint.as_deref(), state, after, limit)).await
    }

    /// Deliveries of one user's events with an id over `after`, at most `limit` (and 1000).
    pub async fn deliveries_of_user(
        &self,
        user: UserId,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Deliveries, ReadError> {
        let after = to_db(after.map_or(0, |id| id.0));
        let limit = limit.clamp(1, LIMIT_MAX);
        self.readers.read(move |db| list_of_user(db, &user, &filter, after, limit)).await
    }

    /// Dead letters of one endpoint, counted up to 100,000.
    pub async fn dead_letters(&self, endpoint: EndpointId) -> Result<u64, ReadError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_by_state \
                   WHERE state = 'dead' AND endpoint = ?1 LIMIT ?2)";
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(sql)?;
            query.query_row(params![endpoint.0, DEAD_MAX], |row| row.get(0))
        };
        self.readers.read(query).await.map(from_db)
    }

    /// One delivery, and the body that is or was sent.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, String)>, ReadError> {
        let sql = format!("SELECT {COLUMNS} FROM deliveries d {JOINED} WHERE d.id = ?1");
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(&sql)?;
            query.query_row([to_db(id.0)], |row| Ok((delivery(row)?, row.get(12)?))).optional()
        };
        let found: Option<(Option<Delivery>, String)> = self.readers.read(query).await?;
        Ok(found.and_then(|(delivery, body)| {
            let delivery = delivery?;
            let body = hook_body::with_coalesced(&body, delivery.coalesced);
            Some((delivery, body))
        }))
    }

    /// Undelivered hooks of one endpoint with an id over `after`, ascending, at most `limit`.
    pub async fn pending(
        &self,
        endpoint: EndpointId,
        after: DeliveryId,
        limit: u32,
    ) -> Result<Vec<PendingHook>, ReadError> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let fresh =
            self.shared.endpoint(endpoint).and_then(|it| it.fresh.lock().after(after, most));
        if let Some(heads) = fresh {
            return Ok(heads);
        }
        let sql = format!(
            "SELECT {HEAD} FROM deliveries WHERE endpoint = ?1 AND ?2 < id AND state = 'pending' \
             ORDER BY id LIMIT ?3"
        );
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(&sql)?;
            let rows = query.query_map(params![endpoint.0, to_db(after.0), limit], head)?;
            rows.filter_map(Result::transpose).collect()
        };
        self.readers.read(query).await
    }

    /// When the oldest undelivered event of one endpoint happened.
    pub async fn oldest_pending(&self, endpoint: EndpointId) -> Result<Option<WallMs>, ReadError> {
        let sql = "SELECT e.created_ms FROM deliveries d JOIN events e ON e.id = d.event \
                   WHERE d.endpoint = ?1 AND d.state = 'pending' ORDER BY d.id LIMIT 1";
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(sql)?;
            query.query_row([endpoint.0], |row| row.get(0)).optional()
        };
        Ok(self.readers.read(query).await?.map(|ms| WallMs(from_db(ms))))
    }

    /// What to send for these deliveries to one endpoint, by ascending id, without those that are not to be sent any
    /// more.
    pub async fn payloads(
        &self,
        endpoint: EndpointId,
        mut ids: Vec<DeliveryId>,
    ) -> Result<Vec<Payload>, ReadError> {
        let mut payloads = Vec::with_capacity(ids.len());
        if let Some(endpoint) = self.shared.endpoint(endpoint) {
            let mut fresh = endpoint.fresh.lock();
            ids.retain(|id| {
                let payload = fresh.take(*id);
                let is_old = payload.is_none();
                payloads.extend(payload);
                is_old
            });
        }
        if !ids.is_empty() {
            payloads.extend(self.readers.read(move |db| read_payloads(db, &ids)).await?);
            payloads.sort_by_key(|payload| payload.id);
        }
        Ok(payloads)
    }
}

fn list(
    db: &Connection,
    endpoint: Option<&str>,
    state: DeliveryState,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Deliveries> {
    let (index, condition) = state.rows();
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries d INDEXED BY {index} {JOINED} \
         WHERE {condition} AND ?1 < d.id AND (?2 IS NULL OR p.name = ?2) ORDER BY d.id LIMIT ?3"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![after, endpoint, limit + 1], delivery)?;
    page(rows, limit)
}

/// By way of the user's events, which are few, whatever waits for others.
fn list_of_user(
    db: &Connection,
    user: &UserId,
    filter: &DeliveryFilter,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Deliveries> {
    let condition = filter.state.map_or("true", |state| state.rows().1);
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
) -> rusqlite::Result<Deliveries> {
    let mut items = rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = page < items.len();
    items.truncate(page);
    let next = items.last().filter(|_| has_more).map(|it| it.id);
    Ok(Deliveries { items, next })
}

fn read_payloads(db: &Connection, ids: &[DeliveryId]) -> rusqlite::Result<Vec<Payload>> {
    let sql = "SELECT e.user, e.seq, e.body, d.coalesced, e.type FROM deliveries d JOIN events e ON e.id = d.event \
               WHERE d.id = ?1 AND d.state = 'pending'";
    let mut query = db.prepare_cached(sql)?;
    let mut payloads = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = query.query([to_db(id.0)])?;
        let Some(row) = rows.next()? else { continue };
        let Ok(user) = UserId::parse(row.get_ref(0)?.as_str()?) else { continue };
        let (body, hook_type) = (row.get_ref(2)?.as_str()?, row.get_ref(4)?.as_str()?);
        payloads.push(Payload {
            id: *id,
            webhook_id: hook_body::id_of(hook_type, &user, Seq(from_db(row.get(1)?))),
            body: hook_body::with_coalesced(body, from_db(row.get(3)?)),
        });
    }
    Ok(payloads)
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
