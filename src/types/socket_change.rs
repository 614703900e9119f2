//! The news that a socket of a user came or went.

use super::{Change, DeviceId, Namespace, Reason, Seq, SocketId, UserId, WallMs};
use std::net::IpAddr;
use std::sync::Arc;

/// One socket of one user came or went: what is recorded, hooked and pulled where that is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketChange {
    /// Whose it is.
    pub user: UserId,
    /// Its place among the user's events: no other event of the user has the same.
    pub seq: Seq,
    /// The session of the user that it belongs to.
    pub session: Seq,
    /// When it came or went, by the wall clock.
    pub at: WallMs,
    /// What is told of it, as it was then.
    pub socket: SocketPortrait,
    /// Why it went; `None` if it came.
    pub end: Option<Reason>,
}

/// What hooks say of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPortrait {
    /// Its id.
    pub id: SocketId,
    /// Its namespace.
    pub namespace: Namespace,
    /// What its client calls the tab or device it runs in.
    pub device: Option<DeviceId>,
    /// The address of the client, behind trusted proxies.
    pub address: IpAddr,
    /// The client's `User-Agent`, at most 256 bytes.
    pub user_agent: Option<Arc<str>>,
    /// How its connection reaches the client, as the API names it.
    pub transport: &'static str,
    /// When it was authenticated.
    pub connected_at: WallMs,
    /// Its rooms and data, as members of an object; `None` where hooks do not say that.
    pub granted: Option<Arc<str>>,
    /// What the backend has attached to it, a JSON object; `None` if nothing.
    pub attached: Option<Arc<str>>,
}

impl SocketChange {
    /// The type of the hook of a socket that came.
    pub const CONNECTED: &str = "socket.connected";
    /// The type of the hook of a socket that went.
    pub const DISCONNECTED: &str = "socket.disconnected";
    /// Both.
    pub const HOOK_TYPES: [&str; 2] = [Self::CONNECTED, Self::DISCONNECTED];

    /// The type of the hook.
    pub fn hook_type(&self) -> &'static str {
        if self.end.is_none() { Self::CONNECTED } else { Self::DISCONNECTED }
    }
}

/// Something that is recorded of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserNews {
    /// The user came or went.
    User(Change),
    /// One of the user's sockets did.
    Socket(SocketChange),
}
