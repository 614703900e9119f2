//! Rows of a table that are emits: a notification says that there are new ones, a look now and then is the net below that.
//!
//! ```text
//!   table ─► rows that wait, in their order ─► batch: who waits behind whom ─► sent ─► marked, in one statement
//!     ▲ one server at a time: a lock of the session or a lease, fenced by a generation ┘
//! ```
//!
//! A row is marked after it was sent: it is sent at least once, and what is stored, once. The order is that of the ids, per
//! user or per order key, among the rows that can be seen: one that commits late comes late and is not passed over.

mod check;
mod connection;
mod database;
mod rows;
mod session;
mod setup;
mod tls;
mod trouble;

pub use check::check_postgres;
pub(super) use setup::sql;
pub(super) use tls::TlsSetupError;

use super::intake::{IngestParts, Intake};
use super::reporter::Reporter;
use super::trouble::{Trouble, TroubleKind};
use crate::clock::Clock;
use crate::config::PostgresConfig;
use crate::core::backend::backoff;
use crate::entropy;
use crate::realtime::sources::SourceReport;
use session::PostgresSource;
use tls::DatabaseTls;
use tokio::sync::watch;
use tokio_postgres::Config;
use tokio_util::sync::CancellationToken;

/// A source that can be run.
pub(super) struct PostgresTask {
    url: Config,
    tls: DatabaseTls,
    source: PostgresSource,
}

/// Why a source cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresSetupError {
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    #[error(transparent)]
    Url(#[from] Trouble),
}

/// Where the database is, and how it is spoken to.
fn target(config: &PostgresConfig) -> Result<(Config, DatabaseTls), PostgresSetupError> {
    let tls = DatabaseTls::new(config.ca.as_deref())?;
    Ok((connection::read_url(&config.url, &config.name)?, tls))
}

/// Checks what can be checked without a connection.
pub(super) fn check_config(config: &PostgresConfig) -> Result<(), PostgresSetupError> {
    target(config).map(drop)
}

impl PostgresTask {
    pub(super) fn new(
        config: &PostgresConfig,
        parts: IngestParts,
        reports: watch::Sender<SourceReport>,
        clock: Clock,
        stop: CancellationToken,
    ) -> Result<Self, PostgresSetupError> {
        let (url, tls) = target(config)?;
        let (name, allow) = (config.name.clone(), config.allow.clone());
        let source = PostgresSource {
            config: config.clone(),
            intake: Intake { name: name.clone(), allow, parts },
            reporter: Reporter::new(name, clock.clone(), reports),
            clock,
            stop,
            unmarked: Vec::new(),
            failures: 0,
        };
        Ok(Self { url, tls, source })
    }

    /// Takes rows until it is stopped; what is being sent then is sent and marked.
    pub(super) async fn run(mut self) {
        let stop = self.source.stop.clone();
        while !stop.is_cancelled() {
            let opened = tokio::select! {
                () = stop.cancelled() => return,
                opened = connection::open(&self.url, &self.tls) => opened,
            };
            let ended = match opened {
                Ok(opened) => self.source.session(opened, (&self.url, &self.tls)).await,
                Err(trouble) => Err(trouble),
            };
            let Err(trouble) = ended else { continue };
            if trouble.kind == TroubleKind::Superseded {
                self.source.reporter.standby();
                continue;
            }
            let source = &mut self.source;
            let (kind, message) = (trouble.kind, trouble.to_string());
            source.reporter.fail(kind.as_str(), message, kind.gravity());
            source.failures = source.failures.saturating_add(1);
            let random = entropy::number().unwrap_or(u32::MAX);
            let pause = backoff::delay(source.failures, random);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
