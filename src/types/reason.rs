//! Why a socket is gone: a closed, documented list.

use std::fmt;

/// Why a socket was closed, or why its user went offline (the reason of the last socket).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client left the namespace: `socket.disconnect()`.
    ClientDisconnect,
    /// The connection ended in an orderly way: tab closed, network changed, app closed.
    TransportClose,
    /// The connection broke, or spoke something other than the protocol.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client took too little of what was sent: bytes or time over the limit.
    SlowConsumer,
    /// The client sent faster than `limits` allows, for 10 s of a minute.
    RateLimited,
    /// The client came back on another connection and took this one's session over.
    Replaced,
    /// The admin API disconnected it.
    Kicked,
    /// Who its client is, in another namespace, could not be found out for the time being: it was asked to come again.
    AuthUnavailable,
    /// Its token was revoked: it may come back with a newer one.
    Revoked,
    /// Its credentials ended, and its client brought no others in time: it may come back with newer ones.
    Expired,
    /// Its client brought credentials of another user: it may come back as that one.
    UserMismatch,
    /// Its user was a guest, and its client has brought the credentials of a user: it goes on as a socket of that one.
    SignedIn,
    /// This server is stopping.
    ServerShutdown,
    /// The user had not come back when the startup grace after a restart of this server ended. Of a socket: this server ended
    /// before the socket did.
    ServerRestart,
    /// The node it was on is gone, and the user had not come back on another one when its grace ended.
    NodeLost,
    /// The reconcile sweep found it registered without a connection.
    Audit,
}

impl Reason {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::ClientDisconnect,
        Self::TransportClose,
        Self::TransportError,
        Self::PingTimeout,
        Self::SlowConsumer,
        Self::RateLimited,
        Self::Replaced,
        Self::Kicked,
        Self::AuthUnavailable,
        Self::Revoked,
        Self::Expired,
        Self::UserMismatch,
        Self::SignedIn,
        Self::ServerShutdown,
        Self::ServerRestart,
        Self::NodeLost,
        Self::Audit,
    ];

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// The stable name used in hooks, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientDisconnect => "client_disconnect",
            Self::TransportClose => "transport_close",
            Self::TransportError => "transport_error",
            Self::PingTimeout => "ping_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::RateLimited => "rate_limited",
            Self::Replaced => "replaced",
            Self::Kicked => "kicked",
            Self::AuthUnavailable => "auth_unavailable",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UserMismatch => "user_mismatch",
            Self::SignedIn => "signed_in",
            Self::ServerShutdown => "server_shutdown",
            Self::ServerRestart => "server_restart",
            Self::NodeLost => "node_lost",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
