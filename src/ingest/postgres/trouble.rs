//! What keeps a source from its table, under names that do not change.

use crate::ingest::reporter::Gravity;
use std::error::Error as _;
use thiserror::Error;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What keeps a source from its table.
#[derive(Debug, Error)]
#[error("{message}")]
pub(in crate::ingest) struct Trouble {
    pub(in crate::ingest) kind: TroubleKind,
    message: String,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum TroubleKind {
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
    /// The role may not do this.
    Forbidden,
    /// Notifications do not arrive.
    NoNotifications,
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
    pub(in crate::ingest) fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::NoDatabase => "no_database",
            Self::NoTable => "no_table",
            Self::WrongTable => "wrong_table",
            Self::Forbidden => "forbidden",
            Self::NoNotifications => "no_notifications",
            Self::Superseded => "superseded",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }

    /// Whether a person must act.
    pub(in crate::ingest) fn gravity(self) -> Gravity {
        match self {
            Self::Url
            | Self::Tls
            | Self::Credentials
            | Self::NoDatabase
            | Self::NoTable
            | Self::WrongTable
            | Self::Forbidden
            | Self::NoNotifications => Gravity::Lasting,
            Self::Unreachable
            | Self::Superseded
            | Self::Unavailable
            | Self::Timeout
            | Self::Failed => Gravity::Passing,
        }
    }

    fn of_state(state: &SqlState) -> Self {
        match state.code() {
            "28P01" | "28000" => Self::Credentials,
            "3D000" => Self::NoDatabase,
            "42P01" | "3F000" => Self::NoTable,
            "42703" | "42804" | "42883" | "42846" | "22P02" => Self::WrongTable,
            "42501" => Self::Forbidden,
            "57014" => Self::Timeout,
            code if code.starts_with("57P") || code.starts_with("08") => Self::Unreachable,
            // Too many connections, no memory, no disk; read-only because another one leads now; a lock is not had.
            code if code.starts_with("53")
                || matches!(code, "25006" | "55P03" | "40001" | "40P01") =>
            {
                Self::Unavailable
            }
            _ => Self::Failed,
        }
    }

    /// What somebody may do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::NoTable | Self::WrongTable | Self::Forbidden => {
                "; `userline ingest postgres sql` prints what is needed"
            }
            Self::Tls => {
                "; give `ca_file` if an authority of your own signed the certificate, or sslmode=disable in a network that is \
                 yours alone"
            }
            Self::Url
            | Self::Unreachable
            | Self::Credentials
            | Self::NoDatabase
            | Self::NoNotifications
            | Self::Superseded
            | Self::Unavailable
            | Self::Timeout
            | Self::Failed => "",
        }
    }
}

impl Trouble {
    pub(in crate::ingest) fn new(kind: TroubleKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What the client met while it did something.
    pub(super) fn of(doing: &str, error: &Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let kind = TroubleKind::of_state(db.code());
            let (said, code, hint) = (db.message(), db.code().code(), kind.hint());
            return Self::new(kind, format!("{doing}: {said} ({code}){hint}"));
        }
        // The client has no names for these.
        let text = error.to_string();
        let kind = if text.contains("TLS") {
            TroubleKind::Tls
        } else if text.contains("deserializing column") {
            TroubleKind::WrongTable
        } else if text.contains("password") || text.contains("authentication") {
            TroubleKind::Credentials
        } else if text.contains("timeout") {
            TroubleKind::Timeout
        } else {
            TroubleKind::Unreachable
        };
        let mut message = format!("{doing}: {text}");
        let mut cause = error.source();
        while let Some(it) = cause {
            message.push_str(": ");
            message.push_str(&it.to_string());
            cause = it.source();
        }
        message.push_str(kind.hint());
        Self::new(kind, message)
    }
}
