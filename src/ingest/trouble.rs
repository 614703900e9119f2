//! What keeps a source from its messages, under names that do not change.

use super::reporter::Gravity;
use thiserror::Error;

/// What keeps a source from its messages.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    message: String,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// The URL cannot be used.
    Url,
    /// Nothing answers there, or the connection broke.
    Unreachable,
    /// TLS does not come about.
    Tls,
    /// User or password are wrong.
    Credentials,
    /// There is no such database.
    NoDatabase,
    /// The table is not there.
    NoTable,
    /// The table has other columns.
    WrongTable,
    /// Under this name there is something else than a stream.
    WrongType,
    /// The role may not do this.
    Forbidden,
    /// It is a version that lacks what is needed.
    TooOld,
    /// Notifications do not arrive.
    NoNotifications,
    /// The database's queue of notifications is full.
    NotifyQueueFull,
    /// Another server has taken the source over.
    Superseded,
    /// The database, or this server, takes nothing for the moment.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// The database said something else.
    Failed,
}

impl TroubleKind {
    /// Its name, for programs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::NoDatabase => "no_database",
            Self::NoTable => "no_table",
            Self::WrongTable => "wrong_table",
            Self::WrongType => "wrong_type",
            Self::Forbidden => "forbidden",
            Self::TooOld => "too_old",
            Self::NoNotifications => "no_notifications",
            Self::NotifyQueueFull => "notify_queue_full",
            Self::Superseded => "superseded",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }

    /// Whether a person must act.
    pub(super) fn gravity(self) -> Gravity {
        match self {
            Self::Url
            | Self::Tls
            | Self::Credentials
            | Self::NoDatabase
            | Self::NoTable
            | Self::WrongTable
            | Self::WrongType
            | Self::Forbidden
            | Self::TooOld
            | Self::NoNotifications
            | Self::NotifyQueueFull => Gravity::Lasting,
            Self::Unreachable
            | Self::Superseded
            | Self::Unavailable
            | Self::Timeout
            | Self::Failed => Gravity::Passing,
        }
    }
}

impl Trouble {
    pub(super) fn new(kind: TroubleKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}
