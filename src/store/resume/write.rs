//! What is written of resume tokens.

use crate::core::auth::resume_families::{FamilyNews, LIFE_MAX, TokenHolders};
use crate::core::auth::resume_token::ResumeKey;
use crate::core::auth::token_lives::TokenLives;
use crate::store::rows::{meta, set_meta, to_db};
use crate::types::{UserId, WallMs, millis};
use rusqlite::{Transaction, params};

/// What the name of a key in `secrets` begins with; its id follows.
pub(super) const KEY_PREFIX: &str = "resume:";

/// The keys of `meta` with how long tokens live, in ms, and with when the last of those has ended that lived for another time.
pub(super) const TTL: &str = "resume_ttl";
pub(super) const EARLIER_END: &str = "resume_earlier_end";

/// The key of `meta` with the time until which nobody's tokens count of these.
pub(super) fn all_out_key(holders: TokenHolders) -> &'static str {
    match holders {
        TokenHolders::Users => "resume_all_out",
        TokenHolders::Guests => "resume_guests_out",
    }
}

/// What is written of resume tokens.
#[derive(Debug, Clone)]
pub(in crate::store) enum ResumeWrite {
    News(FamilyNews),
    Key(ResumeKey),
    Lives(TokenLives),
    ForgetKeys,
    Expire(WallMs),
}

impl ResumeWrite {
    /// Writes it.
    pub(in crate::store) fn apply(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        match self {
            Self::News(news) => keep(tx, news),
            Self::Key(key) => {
                let sql = "INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)";
                let name = format!("{KEY_PREFIX}{}", key.id);
                tx.prepare_cached(sql)?.execute(params![name, key.secret.expose()]).map(drop)
            }
            Self::Lives(lives) => {
                set_meta(tx, TTL, millis(lives.ttl))?;
                set_meta(tx, EARLIER_END, lives.earlier_end.0)
            }
            Self::ForgetKeys => {
                let sql = "DELETE FROM secrets WHERE substr(name, 1, length(?1)) = ?1";
                tx.prepare_cached(sql)?.execute([KEY_PREFIX]).map(drop)
            }
            Self::Expire(now) => {
                let sql = "DELETE FROM resume_families WHERE expires_ms <= ?1";
                tx.prepare_cached(sql)?.execute([to_db(now.0)])?;
                let sql = "DELETE FROM resume_log_outs WHERE at_ms <= ?1";
                let old = now.0.saturating_sub(millis(LIFE_MAX));
                tx.prepare_cached(sql)?.execute([to_db(old)])?;
                let sql = "DELETE FROM resume_erased WHERE at_ms <= ?1";
                tx.prepare_cached(sql)?.execute([to_db(old)]).map(drop)
            }
        }
    }
}

/// Keeps the news. Two of them may come in either order: the one that is further on counts.
pub(in crate::store) fn keep(tx: &Transaction<'_>, news: &FamilyNews) -> rusqlite::Result<()> {
    match news {
        FamilyNews::Family(family, record) => {
            let sql = "INSERT INTO resume_families \
                       (family, user, generation, exchanged_ms, expires_ms, is_revoked) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (family) DO UPDATE SET \
                       generation = max(generation, excluded.generation), \
                       exchanged_ms = max(exchanged_ms, excluded.exchanged_ms), \
                       expires_ms = max(expires_ms, excluded.expires_ms), \
                       is_revoked = max(is_revoked, excluded.is_revoked)";
            tx.prepare_cached(sql)?.execute(params![
                family.bytes(),
                record.user.as_str(),
                record.generation,
                to_db(record.exchanged_at.0),
                to_db(record.expires_at.0),
                record.is_revoked,
            ])?;
        }
        FamilyNews::LoggedOut(user, at) => {
            tx.prepare_cached("DELETE FROM resume_families WHERE user = ?1")?
                .execute([user.as_str()])?;
            let sql = "INSERT INTO resume_log_outs (user, at_ms) VALUES (?1, ?2) \
                       ON CONFLICT (user) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), to_db(at.0)])?;
        }
        FamilyNews::Erased(holders, name, at) => {
            let sql = "INSERT INTO resume_erased (name_hash, is_guest, at_ms) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (name_hash) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)";
            let is_guest = *holders == TokenHolders::Guests;
            tx.prepare_cached(sql)?.execute(params![name.bytes(), is_guest, to_db(at.0)])?;
        }
        FamilyNews::AllOut(holders, at) => {
            let are_guests = *holders == TokenHolders::Guests;
            let sql = "DELETE FROM resume_erased WHERE is_guest = ?1";
            tx.prepare_cached(sql)?.execute([are_guests])?;
            for table in ["resume_families", "resume_log_outs"] {
                let sql =
                    format!("DELETE FROM {table} WHERE (substr(user, 1, length(?1)) = ?1) = ?2");
                tx.prepare_cached(&sql)?.execute(params![UserId::GUEST_PREFIX, are_guests])?;
            }
            let key = all_out_key(*holders);
            let known = meta(tx, key)?.unwrap_or(0);
            set_meta(tx, key, known.max(at.0))?;
        }
    }
    Ok(())
}
