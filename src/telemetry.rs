//! The log: where it goes, how a line looks, and that a panic is in it.

mod fields;
mod line_queue;

use crate::config::{LogConfig, LogFormat};
use fields::LineFields;
use line_queue::LineQueue;
use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;
use std::time::Duration;
use thiserror::Error;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::util::TryInitError;

/// How long the last lines may take to be written.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// Why there is no log.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Level(#[from] ParseError),
    /// This process has a log already.
    #[error("the log cannot be set up: {0}")]
    Twice(#[from] TryInitError),
    /// The system has no thread for it.
    #[error("the log cannot be set up: {0}")]
    Thread(#[from] io::Error),
}

/// The log of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    lines: LineQueue,
}

impl Log {
    /// Sends the log of this process to stderr, in colour on a terminal, and panics to the log. Whoever logs never waits
    /// for stderr: lines for which there is no place are dropped, counted, and told when there is.
    pub fn init(config: &LogConfig) -> Result<Self, TelemetryError> {
        let filter = config.level.parse::<Targets>()?;
        let lines = LineQueue::start(io::stderr())?;
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry().with(filter);
        match config.format {
            LogFormat::Text => {
                let layer = layer.with_ansi(io::stderr().is_terminal());
                subscriber.with(layer.fmt_fields(LineFields)).try_init()?;
            }
            LogFormat::Json => subscriber.with(layer.json().flatten_event(true)).try_init()?,
        }
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self { lines })
    }

    /// Waits for the last lines to be written, for half a second at most: to be called before the process ends.
    pub fn flush(&self) {
        self.lines.flush(FLUSH_LIMIT);
    }
}

/// A panic ends its task only; without this line nobody would know.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        panic.message = message,
        panic.location = place,
        panic.thread = thread.name().unwrap_or_default(),
        "a task panicked"
    );
}
