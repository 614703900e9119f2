//! The records of resume tokens: which were exchanged, who was logged out, and the keys that they are signed with.

pub(super) mod write;

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::rows::{from_db, meta};
use crate::core::auth::resume_families::{FamilyNews, FamilyRecord, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeKey};
use crate::core::auth::token_lives::TokenLives;
use crate::types::{FamilyId, Secret, UserId, WallMs};
use rusqlite::{Connection, Row};
use std::sync::Arc;
use std::time::Duration;
use write::{EARLIER_END, KEY_PREFIX, ResumeWrite, TTL, all_out_key};

/// The records of resume tokens. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct ResumeRecords {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
}

/// All that an earlier life has left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SavedResume {
    /// The keys, in the order of their ids.
    pub keys: Vec<ResumeKey>,
    /// How long tokens were to live, if there were any.
    pub lives: Option<TokenLives>,
    /// What was kept.
    pub news: Vec<FamilyNews>,
}

impl ResumeRecords {
    /// All of them.
    pub async fn load(&self) -> Result<SavedResume, ReadError> {
        self.readers.read(load).await
    }

    /// Keeps this. Answers when it is committed.
    pub async fn keep(&self, news: FamilyNews) -> Result<(), Closed> {
        self.write(ResumeWrite::News(news)).await
    }

    /// Notes how long tokens live from now on. Answers when it is committed.
    pub async fn set_lives(&self, lives: TokenLives) -> Result<(), Closed> {
        self.write(ResumeWrite::Lives(lives)).await
    }

    /// Adds a key. Answers when it is committed.
    pub async fn add_key(&self, key: ResumeKey) -> Result<(), Closed> {
        self.write(ResumeWrite::Key(key)).await
    }

    /// Forgets all keys: what was signed with them does not count any more.
    pub async fn forget_keys(&self) -> Result<(), Closed> {
        self.write(ResumeWrite::ForgetKeys).await
    }

    /// Forgets what does not matter any more at the time `now`.
    pub async fn expire(&self, now: WallMs) -> Result<(), Closed> {
        self.write(ResumeWrite::Expire(now)).await
    }

    async fn write(&self, what: ResumeWrite) -> Result<(), Closed> {
        self.queue.ask(|reply| WriteCommand::Resume { what, reply }).await
    }
}

fn load(db: &Connection) -> rusqlite::Result<SavedResume> {
    let sql = "SELECT substr(name, length(?1) + 1), value FROM secrets \
               WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
    let mut query = db.prepare(sql)?;
    let keys = query.query_map([KEY_PREFIX], |row| {
        let secret: Vec<u8> = row.get(1)?;
        Ok(ResumeKey { id: row.get(0)?, secret: Secret::new(secret) })
    })?;
    let keys = keys.collect::<rusqlite::Result<_>>()?;
    let mut news: Vec<FamilyNews> = Vec::new();
    for holders in [TokenHolders::Users, TokenHolders::Guests] {
        let at = meta(db, all_out_key(holders))?;
        news.extend(at.map(|at| FamilyNews::AllOut(holders, WallMs(at))));
    }
    let mut query = db.prepare("SELECT user, at_ms FROM resume_log_outs ORDER BY user")?;
    let rows = query.query_map([], |row| {
        let user = UserId::parse(row.get_ref(0)?.as_str()?).ok();
        Ok(user.zip(Some(WallMs(from_db(row.get(1)?)))))
    })?;
    for row in rows {
        news.extend(row?.map(|(user, at)| FamilyNews::LoggedOut(user, at)));
    }
    let mut query =
        db.prepare("SELECT name_hash, is_guest, at_ms FROM resume_erased ORDER BY 1")?;
    let rows = query.query_map([], |row| {
        let holders = if row.get(1)? { TokenHolders::Guests } else { TokenHolders::Users };
        let name = ErasedName::from_bytes(row.get(0)?);
        Ok(FamilyNews::Erased(holders, name, WallMs(from_db(row.get(2)?))))
    })?;
    for row in rows {
        news.push(row?);
    }
    let sql = "SELECT family, user, generation, exchanged_ms, expires_ms, is_revoked \
               FROM resume_families ORDER BY family";
    let mut query = db.prepare(sql)?;
    for row in query.query_map([], family)? {
        news.extend(row?);
    }
    let lives = meta(db, TTL)?.map(|ttl| TokenLives {
        ttl: Duration::from_millis(ttl),
        earlier_end: WallMs(meta(db, EARLIER_END).ok().flatten().unwrap_or(0)),
    });
    Ok(SavedResume { keys, lives, news })
}

fn family(row: &Row<'_>) -> rusqlite::Result<Option<FamilyNews>> {
    let family = FamilyId::from_bytes(row.get(0)?);
    let Ok(user) = UserId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    let time = |ms: i64| WallMs(from_db(ms));
    let record = FamilyRecord {
        user,
        generation: row.get(2)?,
        exchanged_at: time(row.get(3)?),
        expires_at: time(row.get(4)?),
        is_revoked: row.get(5)?,
    };
    Ok(Some(FamilyNews::Family(family, record)))
}
