//! The numbers of inboxes whose users were erased. They are never given twice, also if the user comes again, so they are
//! kept: under a hash of the name, keyed with a secret of the file, from which the name cannot be found by trying names.

use crate::core::inbox::{Inbox, InboxState};
use crate::entropy;
use crate::store::rows::from_db;
use crate::types::{ItemSeq, UserId};
use aws_lc_rs::hmac;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// The name of the key in `secrets`.
const KEY: &str = "erased_users";

/// Deletes the inbox of a user, but its numbers.
pub(in crate::store) fn erase(tx: &Transaction<'_>, user: &UserId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM inbox_head WHERE user = ?1 RETURNING revision, head";
    let numbers: Option<(i64, i64)> = tx
        .prepare_cached(sql)?
        .query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((revision, head)) = numbers {
        let sql = "INSERT OR REPLACE INTO inbox_erased (user_hash, revision, head) \
                   VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![hash(&make_key(tx)?, user), revision, head])?;
    }
    tx.prepare_cached("DELETE FROM inbox WHERE user = ?1")?.execute([user.as_str()])?;
    tx.prepare_cached("DELETE FROM inbox_ids WHERE user = ?1")?.execute([user.as_str()])?;
    Ok(())
}

/// The inbox of a user who has none at present: an empty one, which goes on from where it was if the user was erased.
pub(super) fn load(db: &Connection, user: &UserId) -> rusqlite::Result<Inbox> {
    // One question is enough where nobody was ever erased.
    let sql = "SELECT value FROM secrets WHERE name = ?1 AND EXISTS (SELECT 1 FROM inbox_erased)";
    let key: Option<Vec<u8>> =
        db.prepare_cached(sql)?.query_row([KEY], |row| row.get(0)).optional()?;
    let Some(key) = key else { return Ok(Inbox::default()) };
    let sql = "SELECT revision, head FROM inbox_erased WHERE user_hash = ?1";
    let numbers: Option<(i64, i64)> = db
        .prepare_cached(sql)?
        .query_row([hash(&key, user)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(numbers.map_or_else(Inbox::default, |(revision, head)| {
        let head = ItemSeq(from_db(head));
        let state = InboxState {
            revision: from_db(revision),
            head,
            unread: 0,
            read_upto: head,
            min_seq: ItemSeq(head.0 + 1),
        };
        Inbox { state, ..Inbox::default() }
    }))
}

fn make_key(tx: &Transaction<'_>) -> rusqlite::Result<Vec<u8>> {
    let sql = "INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)";
    tx.prepare_cached(sql)?.execute(params![KEY, entropy::bytes::<32>()])?;
    let sql = "SELECT value FROM secrets WHERE name = ?1";
    tx.prepare_cached(sql)?.query_row([KEY], |row| row.get(0))
}

fn hash(key: &[u8], user: &UserId) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, user.as_str().as_bytes()).as_ref().to_vec()
}
