//! What was found out about the client of a connection, for its further namespaces.

use crate::core::auth::shared_identity::{Fingerprint, SharedIdentity};
use crate::types::{Identity, WallMs};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What was found out about the client of a connection, and whose turn it is to find out more: namespaces that are joined in
/// one breath are looked into one after the other, so that the second finds what the first has brought.
#[derive(Debug)]
pub struct ConnectionIdentity {
    turn: Semaphore,
    shared: Mutex<SharedIdentity>,
}

impl Default for ConnectionIdentity {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), shared: Mutex::default() }
    }
}

impl ConnectionIdentity {
    /// Waits for the turn, which lasts until the permit is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.acquire().await.ok()
    }

    /// The identity of these credentials, if they were looked into and have not expired.
    pub fn get(&self, credentials: &Fingerprint, now: WallMs) -> Option<Identity> {
        self.shared.lock().get(credentials, now)
    }

    /// These credentials are of this identity.
    pub fn set(&self, credentials: Fingerprint, identity: Identity) {
        self.shared.lock().set(credentials, identity);
    }
}
