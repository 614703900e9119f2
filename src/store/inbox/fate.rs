//! What became of a stored event, also after it is gone: as far as its name is remembered.

use crate::store::schema::{from_db, to_db};
use crate::types::{ItemSeq, UserId, WallMs};
use rusqlite::{Connection, Row, params};

/// Where the event of one emit is, or was, in the inbox of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Whose inbox.
    pub user: UserId,
    /// The emit.
    pub message: String,
    /// Its place.
    pub seq: ItemSeq,
    /// Its name.
    pub id: String,
    /// Whether it is there.
    pub state: PlacedState,
    /// Whether its owner has seen it, or had when it went.
    pub is_read: bool,
}

/// Whether a stored event is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedState {
    /// It is.
    There,
    /// It is not any more.
    Gone(Gone),
}

/// Why a stored event is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Somebody took it out.
    Deleted,
    /// A newer one with the same key took its place.
    Collapsed,
    /// It was too old.
    Expired,
    /// There were too many.
    PushedOut,
    /// It went before reasons were written down.
    Unknown,
}

impl Gone {
    const ALL: [Self; 5] =
        [Self::Deleted, Self::Collapsed, Self::Expired, Self::PushedOut, Self::Unknown];

    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Collapsed => "collapsed",
            Self::Expired => "expired",
            Self::PushedOut => "pushed_out",
            Self::Unknown => "unknown",
        }
    }

    fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|it| it.as_str() == name).unwrap_or(Self::Unknown)
    }
}

/// Columns that [`read`] reads, and the tables they are from.
const FOUND: &str = "n.user, n.message, n.seq, n.id, n.gone, n.was_read, i.is_read, i.expires_ms \
     FROM inbox_ids n LEFT JOIN inbox i ON i.user = n.user AND i.seq = n.seq";

pub(super) fn placed(db: &Connection, id: &str, at: WallMs) -> rusqlite::Result<Vec<Placed>> {
    let sql = format!(
        "SELECT {FOUND} WHERE n.message = ?1 AND ?2 < n.expires_ms UNION ALL \
         SELECT {FOUND} WHERE n.id = ?1 AND n.id <> n.message AND ?2 < n.expires_ms \
         ORDER BY 1 LIMIT 1000"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![id, to_db(at.0)], |row| read(row, at))?;
    rows.filter_map(Result::transpose).collect()
}

fn read(row: &Row<'_>, at: WallMs) -> rusqlite::Result<Option<Placed>> {
    // Others than ours were never written.
    let Ok(user) = UserId::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
    let gone: Option<String> = row.get(4)?;
    let (was_read, is_read): (bool, Option<bool>) = (row.get(5)?, row.get(6)?);
    let expires: Option<i64> = row.get(7)?;
    let state = match (gone, expires) {
        (Some(why), _) => PlacedState::Gone(Gone::parse(&why)),
        (None, None) => PlacedState::Gone(Gone::Unknown),
        (None, Some(expires)) if expires <= to_db(at.0) => PlacedState::Gone(Gone::Expired),
        (None, Some(_)) => PlacedState::There,
    };
    Ok(Some(Placed {
        user,
        message: row.get(1)?,
        seq: ItemSeq(from_db(row.get(2)?)),
        id: row.get(3)?,
        state,
        is_read: is_read.unwrap_or(was_read),
    }))
}
