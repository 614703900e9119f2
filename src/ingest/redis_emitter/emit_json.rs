//! The JSON of the admin API: what others publish is written in it, and is then read like any other.

use super::rooms::NamedRooms;
use serde::Serialize;
use serde_json::value::RawValue;

/// An emit.
#[derive(Debug, Serialize)]
pub(super) struct EmitJson {
    pub(super) namespace: String,
    pub(super) to: EmitJsonTarget,
    pub(super) except: EmitJsonExcept,
    pub(super) event: String,
    pub(super) args: Vec<Box<RawValue>>,
    pub(super) volatile: bool,
    pub(super) binary: bool,
}

/// Who it is for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum EmitJsonTarget {
    Named(NamedRooms),
    All { all: bool },
}

/// Who it is not for.
#[derive(Debug, Default, Serialize)]
pub(super) struct EmitJsonExcept {
    #[serde(flatten)]
    pub(super) named: NamedRooms,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sockets: Vec<String>,
}

/// Sockets that join or leave rooms, or are disconnected, as the admin API takes it.
#[derive(Debug, Serialize)]
pub(super) struct SocketsJson {
    pub(super) namespace: String,
    pub(super) to: EmitJsonTarget,
    pub(super) except: EmitJsonExcept,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rooms: Option<Vec<String>>,
}

impl EmitJsonTarget {
    /// Nobody named means everybody, as in Socket.IO.
    pub(super) fn of(named: NamedRooms) -> Self {
        if named.is_empty() { Self::All { all: true } } else { Self::Named(named) }
    }
}

/// The text of either.
pub(super) fn bytes(json: &impl Serialize) -> Vec<u8> {
    // Fails for nothing that these are made of.
    serde_json::to_vec(json).unwrap_or_default()
}
