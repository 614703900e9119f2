//! A few read-only connections, each used by one query at a time, off the async threads.

use super::error::ReadError;
use super::file;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Queries at once; more wait.
const AT_ONCE: usize = 3;

#[derive(Debug)]
pub(super) struct ReadPool {
    dir: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl ReadPool {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), turns: Arc::new(Semaphore::new(AT_ONCE)), idle: Arc::default() }
    }

    /// Runs a query on a thread where it may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let (dir, idle) = (self.dir.clone(), Arc::clone(&self.idle));
        let read = tokio::task::spawn_blocking(move || {
            let pooled = idle.lock().pop();
            let db = match pooled {
                Some(db) => db,
                None => file::open_to_read(&dir)?,
            };
            let answer = query(&db)?;
            // A connection whose query failed is not used again.
            if !turn.semaphore().is_closed() {
                idle.lock().push(db);
            }
            Ok(answer)
        });
        // The runtime refuses blocking work only when it is shutting down.
        read.await.unwrap_or(Err(ReadError::Closed))
    }

    /// Refuses new queries and drops the connections.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().clear();
    }
}
