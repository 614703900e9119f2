//! The tables and their versions.
//!
//! | table | holds |
//! | --- | --- |
//! | `meta` | `alive_at` (ms), `last_seq`, `pruned` (highest event id that was deleted), `last_commit` (counts the writer's transactions) |
//! | `presence` | users who are online: session and since when; `granted`: what hooks say of who they are; `attached`: what the backend attached, JSON |
//! | `open_sockets` | sockets whose end is to be told, where hooks tell of sockets: the `event` of their coming, and what hooks say of them (`facts`) |
//! | `events` | every presence change and undelivered message, and where hooks tell of sockets these, in the order of commit; `closed_ms`: when the last socket closed |
//! | `endpoints` | names of receivers, and the number that stands for each |
//! | `deliveries` | each event for each endpoint that wants it; `state` is pending, delivered, dead or replaced; `since_ms` is where its time to be retried begins |
//! | `inbox_head` | the numbers of each user's inbox; stays when the inbox is empty, because numbers are never given twice |
//! | `inbox_erased` | the same numbers of users who were erased, under a keyed hash of the name |
//! | `inbox` | stored events; `args` is a JSON array |
//! | `inbox_ids` | where stored events are or were: by their names, against duplicates, and by the emit (`message`); `gone` is why an event is not there any more |
//! | `restrictions` | users who are blocked (`since_ms`, `until_ms`, who did it and why) or of whom only newer tokens count (`not_before_ms`) |
//! | `memberships` | users who are in a room wherever and whenever they connect, until `until_ms` if that is set, or to whom it is `denied`; an empty `namespace` is all of them |
//! | `resume_families` | resume tokens by family: how often they were exchanged, and whether they count (`is_revoked`); until the last of them has ended |
//! | `resume_log_outs` | users whose resume tokens count only if they were made later (`at_ms`); `meta` has the same for all, `resume_all_out`, and for all guests, `resume_guests_out` |
//! | `resume_erased` | the same of users who were erased, under a hash of the name that is keyed with the first key of resume tokens |
//! | `secrets` | random keys: `erased_users` keys the hashes of `inbox_erased`; `resume:{id}` signs resume tokens |
//!
//! Whatever names a user is deleted by [`super::erase`]; a test finds the columns in the tables themselves.
//!
//! A row of `deliveries` that is pending, or ended less than `keep_events` ago, keeps its event.

use super::error::OpenError;
use rusqlite::{Connection, Transaction};

/// One script per version of the format; a file of version n gets all from the n-th on.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE presence (
        user TEXT PRIMARY KEY, session INTEGER NOT NULL, since_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL, seq INTEGER NOT NULL, session INTEGER NOT NULL, type TEXT NOT NULL,
        body TEXT NOT NULL, created_ms INTEGER NOT NULL, closed_ms INTEGER,
        UNIQUE (user, seq)
    ) STRICT;

    CREATE TABLE endpoints (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint INTEGER NOT NULL, event INTEGER NOT NULL, user TEXT NOT NULL, state TEXT NOT NULL,
        since_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        coalesced INTEGER NOT NULL DEFAULT 0, next_ms INTEGER, ended_ms INTEGER, error TEXT
    ) STRICT;
    CREATE INDEX deliveries_by_event ON deliveries (event);
    CREATE INDEX deliveries_by_state ON deliveries (state, id);
    CREATE INDEX deliveries_pending ON deliveries (endpoint, id) WHERE state = 'pending';
    CREATE INDEX deliveries_of_user ON deliveries (endpoint, user, id) WHERE state = 'pending';
    CREATE INDEX deliveries_failing ON deliveries (id) WHERE state = 'pending' AND attempts > 0;
",
    "
    CREATE TABLE inbox_head (
        user TEXT PRIMARY KEY, revision INTEGER NOT NULL, head INTEGER NOT NULL,
        unread INTEGER NOT NULL, read_upto INTEGER NOT NULL, min_seq INTEGER NOT NULL,
        count INTEGER NOT NULL, first_expiry_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inbox_head_by_expiry ON inbox_head (first_expiry_ms)
        WHERE first_expiry_ms IS NOT NULL;

    CREATE TABLE inbox (
        user TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, namespace TEXT NOT NULL,
        event TEXT NOT NULL, args TEXT NOT NULL, created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, is_read INTEGER NOT NULL, collapse_key TEXT,
        UNIQUE (user, seq)
    ) STRICT;
    CREATE INDEX inbox_unread ON inbox (user, seq) WHERE is_read = 0;
    CREATE INDEX inbox_collapsing ON inbox (user, collapse_key)
        WHERE is_read = 0 AND collapse_key IS NOT NULL;

    CREATE TABLE inbox_ids (
        user TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
        UNIQUE (user, id)
    ) STRICT;
    CREATE INDEX inbox_ids_by_seq ON inbox_ids (user, seq);
    CREATE INDEX inbox_ids_by_expiry ON inbox_ids (expires_ms);
",
    "
    ALTER TABLE inbox_ids ADD COLUMN message TEXT NOT NULL DEFAULT '';
    ALTER TABLE inbox_ids ADD COLUMN gone TEXT;
    ALTER TABLE inbox_ids ADD COLUMN was_read INTEGER NOT NULL DEFAULT 0;
    UPDATE inbox_ids SET gone = 'unknown' WHERE NOT EXISTS
        (SELECT 1 FROM inbox WHERE inbox.user = inbox_ids.user AND inbox.seq = inbox_ids.seq);
    INSERT OR IGNORE INTO inbox_ids (user, id, seq, expires_ms, message)
        SELECT user, id, seq, expires_ms, id FROM inbox;
    CREATE INDEX inbox_ids_by_message ON inbox_ids (message);
    CREATE INDEX inbox_ids_by_name ON inbox_ids (id) WHERE id <> message;
    CREATE INDEX inbox_ids_gone ON inbox_ids (user, seq) WHERE gone IS NOT NULL;
",
    "
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE inbox_erased (
        user_hash BLOB PRIMARY KEY, revision INTEGER NOT NULL, head INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE restrictions (
        user TEXT PRIMARY KEY, not_before_ms INTEGER, since_ms INTEGER, blocked_by TEXT,
        reason TEXT, until_ms INTEGER
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE presence ADD COLUMN granted TEXT;
    ALTER TABLE presence ADD COLUMN attached TEXT;
",
    "
    CREATE TABLE memberships (
        user TEXT NOT NULL, room TEXT NOT NULL, namespace TEXT NOT NULL,
        denied INTEGER NOT NULL, until_ms INTEGER,
        PRIMARY KEY (user, room, namespace)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX memberships_by_room ON memberships (room, user);
",
    "
    CREATE TABLE resume_families (
        family BLOB PRIMARY KEY, user TEXT NOT NULL, generation INTEGER NOT NULL,
        exchanged_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, is_revoked INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX resume_families_of_user ON resume_families (user);
    CREATE INDEX resume_families_by_expiry ON resume_families (expires_ms);

    CREATE TABLE resume_log_outs (
        user TEXT PRIMARY KEY, at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX resume_log_outs_by_time ON resume_log_outs (at_ms);
",
    "
    CREATE TABLE resume_erased (
        name_hash BLOB PRIMARY KEY, is_guest INTEGER NOT NULL, at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE open_sockets (
        user TEXT NOT NULL, socket TEXT NOT NULL, session INTEGER NOT NULL,
        event INTEGER NOT NULL, connected_ms INTEGER NOT NULL, facts TEXT NOT NULL,
        PRIMARY KEY (user, socket)
    ) STRICT, WITHOUT ROWID;
",
];

/// Whether the file has no tables yet.
pub(super) fn is_blank(db: &Connection) -> rusqlite::Result<bool> {
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(found == 0)
}

/// Brings the file to the newest version.
pub(super) fn migrate(tx: &Transaction<'_>) -> Result<(), OpenError> {
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if known < found {
        return Err(OpenError::Newer { found, known });
    }
    for (script, version) in MIGRATIONS.iter().zip(1_u32..).filter(|(_, version)| found < *version)
    {
        tx.execute_batch(script)?;
        tx.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}
