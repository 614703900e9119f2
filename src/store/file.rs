//! The database file: where it is, who may use it, how its connections are set up.

use super::error::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

pub(super) const DATABASE: &str = "userline.sqlite";
pub(super) const LOCK: &str = "lock";
/// How long to wait for an operator's `sqlite3` that holds the file; after that it counts as a failing disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a lock is tried for that somebody has: who only looks at the folder holds it for an instant.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What stands in the lock file once the database is whole. Any text would do; this one is for whoever opens the file.
const MARK: &str = "userline.sqlite beside this file was whole once. If it is missing or empty now, userline does not \
    start. To begin with nothing, delete this file, too.\n";

/// Takes the folder for this process until the file is dropped. What is missing is made, for its owner only.
///
/// A database that is missing or empty is refused if it was whole once. SQLite must not see it: it would delete the log
/// beside an empty file, from which the database may still be restored.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let folder = |source| OpenError::Folder { dir: dir.to_owned(), source };
    let mut make = DirBuilder::new();
    make.recursive(true).mode(0o700).create(dir).map_err(folder)?;
    let file = open_private(&dir.join(LOCK)).map_err(folder)?;
    let mut tries = 1;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                pause();
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
    }
    let database = dir.join(DATABASE);
    if was_whole(&file).map_err(folder)? && len(&database).map_err(folder)? == 0 {
        return Err(OpenError::Emptied { dir: dir.to_owned() });
    }
    // SQLite would let everybody read it. The files that it makes beside it get the same mode.
    open_private(&database).map_err(folder)?;
    Ok(file)
}

#[expect(
    clippy::disallowed_methods,
    reason = "at the start, when nothing runs that it could hold up"
)]
fn pause() {
    thread::sleep(LOCK_PAUSE);
}

/// Whether the database of the folder was whole once.
pub(super) fn was_whole(lock: &File) -> io::Result<bool> {
    Ok(0 < lock.metadata()?.len())
}

/// Notes that the database is whole, which a kill in the very first start comes before.
pub(super) fn note_whole(mut lock: &File) -> io::Result<()> {
    if was_whole(lock)? {
        return Ok(());
    }
    lock.write_all(MARK.as_bytes())?;
    lock.sync_all()
}

fn len(path: &Path) -> io::Result<u64> {
    match path.metadata() {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Opens a file, made if missing, for its owner only.
fn open_private(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// The writer's connection.
pub(super) fn open(dir: &Path) -> Result<Connection, rusqlite::Error> {
    let db = Connection::open(dir.join(DATABASE))?;
    set_up(&db)?;
    // Readers never wait for the writer; FULL syncs the log at every commit, so that a power cut loses none.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    // What is deleted is overwritten with zeros: else it would stay in the file until its place is needed.
    db.pragma_update(None, "secure_delete", true)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// A reader's connection; the database is there already.
pub(super) fn open_to_read(dir: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    set_up(&db)?;
    Ok(db)
}

fn set_up(db: &Connection) -> Result<(), rusqlite::Error> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    // Plans do not depend on the values that are bound. Otherwise SQLite parses and plans a statement anew at each of
    // its runs, in case other values make another index better: half of the cost of recording a change.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Writes the log into the database, so that the folder holds one file when nobody uses it.
pub(super) fn close(db: Connection) -> Result<(), rusqlite::Error> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, error)| error)
}
