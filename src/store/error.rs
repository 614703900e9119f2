//! Why an operation of the store fails.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What the database says when it fails.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct DatabaseError(#[from] rusqlite::Error);

/// Why the store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder or its lock file cannot be made or opened.
    #[error("store.data_dir = {dir:?}: must be a folder that this user may read and write")]
    Folder {
        /// `store.data_dir`
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("store.data_dir = {dir:?}: is used by another process: one folder, one userline")]
    InUse {
        /// `store.data_dir`
        dir: PathBuf,
    },
    /// The database is missing or empty, though it was whole once: to begin with nothing would be to forget everything.
    #[error(
        "`userline.sqlite` in the data folder `{}` is missing or empty, though it was in use before: restore it, or \
         delete `lock` beside it to begin with nothing",
        dir.display()
    )]
    Emptied {
        /// `store.data_dir`
        dir: PathBuf,
    },
    /// A newer userline has written it.
    #[error("the database has format {found}, this userline knows formats up to {known}")]
    Newer {
        /// Format of the file.
        found: u32,
        /// Newest format known.
        known: u32,
    },
    /// It is not a database, damaged, or the disk fails.
    #[error("cannot open the database")]
    Database(#[from] rusqlite::Error),
    /// It holds something that this program never writes.
    #[error("the database holds a damaged row: {0}")]
    Row(&'static str),
    /// The system gives no thread.
    #[error("cannot start the store's thread")]
    Thread(#[source] io::Error),
}

/// The store was closed: this process is stopping. Also what it could not write on a healthy disk has this for an answer,
/// which the log and `userline_store_refused_total` tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the store is closed")]
pub struct Closed;

/// Why a query has no answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database cannot be read.
    #[error("cannot read the database")]
    Database(#[source] DatabaseError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Why a hook is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// No such delivery, or not any more.
    #[error("there is no such delivery")]
    Unknown,
    /// It was not sent yet.
    #[error("the delivery is still to be sent")]
    Pending,
    /// A newer event of the user took its place.
    #[error("a newer event has replaced the delivery")]
    Replaced,
    /// Its endpoint is no longer configured.
    #[error("the endpoint of the delivery is not configured")]
    Endpoint,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<Closed> for ReplayError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}
