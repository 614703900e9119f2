//! `[log]`: what the operator reads.

use super::reader::{Checked, SettingsReader};
use tracing_subscriber::EnvFilter;

/// What the operator reads.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Filter in the syntax of `tracing_subscriber::EnvFilter`, such as `info`.
    pub level: String,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let level = reader.parsed(
            "log.level",
            "must be error, warn, info, debug, trace or off, or a filter such as \
             \"info,userline::hooks=debug\"",
            parse_level,
        );
        let format = reader.parsed("log.format", "must be text or json", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        Ok(Self { level: level?, format: format? })
    }
}

fn parse_level(text: &str) -> Option<String> {
    // `EnvFilter` takes a misspelt level for the name of a module, and then nothing is logged.
    let is_meant = |part: &str| {
        part.contains(['=', '['])
            || ["error", "warn", "info", "debug", "trace", "off"].contains(&part.trim())
    };
    let good = text.split(',').all(is_meant) && EnvFilter::try_new(text).is_ok();
    good.then(|| text.to_owned())
}
