//! What the backend attaches to users and sockets, for itself: shown in every listing, and of users told in hooks.
//!
//! What is attached to a user stays while the user's session lasts, over restarts and crashes too; to a socket, while the
//! socket does.

use super::sockets::Sockets;
use crate::core::merge_patch::{self, MergeError};
use crate::registry::Socket;
use crate::store::Closed;
use crate::types::{Namespace, SocketId, UserId};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Bytes that may be attached to one user, or to one socket.
pub const ATTACHED_BYTES_MAX: usize = 8192;
/// How long to wait for the disk.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Attaches data to users and sockets.
#[derive(Debug)]
pub struct Attachments {
    sockets: Sockets,
    namespaces: Arc<[Namespace]>,
}

/// Why nothing was attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AttachError {
    /// There is nothing to attach to.
    #[error("{0}")]
    NotHere(&'static str),
    /// It is no patch.
    #[error("{0}")]
    Patch(#[from] MergeError),
    /// Together with what is attached already, it is too much.
    #[error("{len} bytes would be attached, more than {ATTACHED_BYTES_MAX}")]
    TooLarge {
        /// Bytes there would be.
        len: usize,
    },
    /// The disk takes nothing for the moment.
    #[error("the disk takes no writes for the moment: what was to be attached may be, or may not")]
    Waiting,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

impl Attachments {
    /// To these users and sockets, in these namespaces.
    pub fn new(sockets: Sockets, namespaces: Arc<[Namespace]>) -> Self {
        Self { sockets, namespaces }
    }

    /// Merges `patch` into what is attached to a user's session. Returns what is attached then, once it is on disk.
    pub async fn to_user(&self, user: &UserId, patch: &RawValue) -> Result<Arc<str>, AttachError> {
        let attaching = async {
            let presence = &self.sockets.presence;
            let place = presence.reserve().await?;
            let offline =
                AttachError::NotHere("the user is offline: data is attached to a session");
            let attached = presence.attach(user, place, |before| merge(before, patch));
            let (attached, committed) = attached.ok_or(offline)??;
            committed.await.map_err(|_| Closed)?;
            Ok(attached)
        };
        let attached = tokio::time::timeout(STORE_WAIT, attaching).await;
        attached.unwrap_or(Err(AttachError::Waiting))
    }

    /// Merges `patch` into what is attached to a socket. Returns the socket, and what is attached then.
    pub fn to_socket(
        &self,
        id: SocketId,
        patch: &RawValue,
    ) -> Result<(Arc<Socket>, Arc<str>), AttachError> {
        let gone = AttachError::NotHere("no such socket; ids end with their connections");
        let socket = self.sockets.registry.socket(id, &self.namespaces).ok_or(gone)?;
        let attached = socket.attach(|before| merge(before, patch))?;
        Ok((socket, attached))
    }
}

fn merge(before: Option<&str>, patch: &RawValue) -> Result<Arc<str>, AttachError> {
    let merged = merge_patch::merge(before, patch)?;
    let len = merged.len();
    if ATTACHED_BYTES_MAX < len {
        return Err(AttachError::TooLarge { len });
    }
    Ok(merged.into())
}
