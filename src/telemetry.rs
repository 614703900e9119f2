//! The log: where it goes, how a line looks, and that a panic is in it.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::util::TryInitError;

/// Why there is no log.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Level(#[from] ParseError),
    /// This process has a log already.
    #[error("the log cannot be set up: {0}")]
    Twice(#[from] TryInitError),
}

/// Sends the log of this process to stderr, in colour on a terminal, and panics to the log.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.level)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            subscriber.with(lines).try_init()?;
        }
        LogFormat::Json => subscriber.with(lines.json().flatten_event(true)).try_init()?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic ends its task only; without this line nobody would know.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        panic.location = place,
        panic.thread = thread.name().unwrap_or_default(),
        "a task panicked: {message}"
    );
}
