//! What the backend attaches to users and sockets, for itself: shown in every listing, and of users told in hooks.
//!
//! What is attached to a user stays while the user's session lasts, over restarts and crashes too; to a socket, while the
//! socket does. In a cluster what is attached to users is in Redis, and to a socket on its node.

use super::sockets::Sockets;
use crate::cluster::{Answers, AttachingError, Bus, BusError, MissingNodes};
use crate::core::cluster::bus::attaching::{SocketPatch, SocketPatched};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::merge_patch::{self, MergeError};
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
    /// The other nodes, if there are any.
    bus: Option<Bus>,
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
    /// No node that has answered has the socket.
    #[error(
        "no node that has answered has such a socket, and some have not: what was to be attached may be, or may not"
    )]
    NodesMissing,
    /// The other nodes were not asked.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The cluster does not say that it is attached.
    #[error("{0}: what was to be attached may be, or may not")]
    Cluster(#[from] AttachingError),
    /// The disk takes nothing for the moment.
    #[error("the disk takes no writes for the moment: what was to be attached may be, or may not")]
    Waiting,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

impl Attachments {
    /// To these users and sockets, in these namespaces, and to those of the nodes of `bus`.
    pub fn new(sockets: Sockets, namespaces: Arc<[Namespace]>, bus: Option<Bus>) -> Self {
        Self { sockets, namespaces, bus }
    }

    /// Merges `patch` into what is attached to a user's session. Returns what is attached then, once it is kept: on disk, or in a
    /// cluster in Redis.
    pub async fn to_user(&self, user: &UserId, patch: &RawValue) -> Result<Arc<str>, AttachError> {
        let attaching = async {
            let presence = &self.sockets.presence;
            let offline =
                AttachError::NotHere("the user is offline: data is attached to a session");
            if let Some(cluster) = presence.shared() {
                let attached = cluster.attach(user, |before| merge(before, patch)).await?;
                return attached.ok_or(offline)?;
            }
            let place = presence.reserve().await?;
            let attached = presence.attach(user, place, |before| merge(before, patch));
            let (attached, committed) = attached.ok_or(offline)??;
            committed.await.map_err(|_| Closed)?;
            Ok(attached)
        };
        let attached = tokio::time::timeout(STORE_WAIT, attaching).await;
        attached.unwrap_or(Err(AttachError::Waiting))
    }

    /// Merges `patch` into what is attached to a socket, on whichever node it is. Returns the id it has by now, and what is
    /// attached then.
    pub async fn to_socket(
        &self,
        id: SocketId,
        patch: &RawValue,
    ) -> Result<(SocketId, Arc<str>), AttachError> {
        // What is wrong with a patch is so on every node.
        merge_patch::merge(None, patch)?;
        let patch = SocketPatch { socket: id.bytes(), patch: patch.get().to_owned() };
        let mut patched = patch_here(&self.sockets, &self.namespaces, &patch);
        if let (SocketPatched::NotHere, Some(bus)) = (&patched, &self.bus) {
            let Answers { answers, missing } = bus.ask(BusRequest::Attach(patch))?.answers().await;
            let found = answers.into_iter().find_map(|it| {
                let NodeAnswer::Attached(patched) = it else { return None };
                (patched != SocketPatched::NotHere).then_some(patched)
            });
            if found.is_none() && missing != MissingNodes::default() {
                return Err(AttachError::NodesMissing);
            }
            patched = found.unwrap_or(SocketPatched::NotHere);
        }
        match patched {
            SocketPatched::NotHere => {
                Err(AttachError::NotHere("no such socket; ids end with their connections"))
            }
            SocketPatched::TooLarge(len) => Err(AttachError::TooLarge { len }),
            SocketPatched::Attached { socket, attached } => {
                Ok((SocketId::from_bytes(socket), attached.into()))
            }
        }
    }
}

/// Merges a patch into what is attached to a socket, if it is here.
pub(super) fn patch_here(
    sockets: &Sockets,
    namespaces: &[Namespace],
    patch: &SocketPatch,
) -> SocketPatched {
    let socket = sockets.registry.socket(SocketId::from_bytes(patch.socket), namespaces);
    let patch = RawValue::from_string(patch.patch.clone());
    let (Some(socket), Ok(patch)) = (socket, patch) else { return SocketPatched::NotHere };
    match socket.attach(|before| merge(before, &patch)) {
        Ok(attached) => SocketPatched::Attached {
            socket: socket.id.bytes(),
            attached: attached.as_ref().to_owned(),
        },
        Err(AttachError::TooLarge { len }) => SocketPatched::TooLarge(len),
        // Whoever asks has looked at the patch.
        Err(_) => SocketPatched::NotHere,
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
