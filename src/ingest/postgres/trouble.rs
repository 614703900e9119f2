//! What the client of PostgreSQL meets, as the trouble that it is.

use crate::ingest::trouble::{Trouble, TroubleKind};
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What the client met while it did something.
pub(super) fn met(doing: &str, error: &Error) -> Trouble {
    if let Some(db) = error.as_db_error() {
        let kind = kind_of(db.code());
        let (said, code, hint) = (db.message(), db.code().code(), hint(kind));
        return Trouble::new(kind, format!("{doing}: {said} ({code}){hint}"));
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
    message.push_str(hint(kind));
    Trouble::new(kind, message)
}

fn kind_of(state: &SqlState) -> TroubleKind {
    match state.code() {
        "28P01" | "28000" => TroubleKind::Credentials,
        "3D000" => TroubleKind::NoDatabase,
        "42P01" | "3F000" => TroubleKind::NoTable,
        "42703" | "42804" | "42883" | "42846" | "22P02" => TroubleKind::WrongTable,
        "42501" => TroubleKind::Forbidden,
        // A limit of the database itself; of those, only the queue of notifications can be met here.
        "54000" => TroubleKind::NotifyQueueFull,
        "57014" => TroubleKind::Timeout,
        code if code.starts_with("57P") || code.starts_with("08") => TroubleKind::Unreachable,
        // Too many connections, no memory, no disk; read-only because another one leads now; a lock is not had.
        code if code.starts_with("53") || matches!(code, "25006" | "55P03" | "40001" | "40P01") => {
            TroubleKind::Unavailable
        }
        _ => TroubleKind::Failed,
    }
}

/// What somebody may do about it.
fn hint(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::NoTable | TroubleKind::WrongTable | TroubleKind::Forbidden => {
            "; `userline ingest postgres sql` prints what is needed"
        }
        TroubleKind::Tls => {
            "; give `ca_file` if an authority of your own signed the certificate, or sslmode=disable in a network that is \
             yours alone"
        }
        TroubleKind::NotifyQueueFull => {
            "; a session that listens stays in a transaction or does not read: `SELECT pid, state, xact_start, query FROM \
             pg_stat_activity ORDER BY xact_start` shows which"
        }
        TroubleKind::Url
        | TroubleKind::Unreachable
        | TroubleKind::Credentials
        | TroubleKind::NoDatabase
        | TroubleKind::NoNotifications
        | TroubleKind::Superseded
        | TroubleKind::Unavailable
        | TroubleKind::Timeout
        | TroubleKind::TooOld
        | TroubleKind::WrongType
        | TroubleKind::Failed => "",
    }
}
