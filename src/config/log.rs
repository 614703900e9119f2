//! `[log]`: what the operator reads.

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
