//! `[log]`: what the operator reads.

use super::reader::{Checked, SettingsReader};
use tracing_subscriber::filter::Targets;

/// What the operator reads.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Filter in the syntax of `tracing_subscriber::filter::Targets`, such as `info`.
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
            "must be error, warn, info, debug, trace or off, or a filter by modules such as \
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
    // `Targets` takes a misspelt level, and a span or fields (`[…]`), for the name of a module, and then nothing is logged.
    let is_meant = |part: &str| {
        let is_level = || ["error", "warn", "info", "debug", "trace", "off"].contains(&part.trim());
        !part.contains(['[', '{']) && (part.contains('=') || is_level())
    };
    let good = text.split(',').all(is_meant) && text.parse::<Targets>().is_ok();
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_level;

    #[test]
    fn what_names_levels_and_modules_is_taken_and_what_would_silence_the_log_is_not() {
        for good in ["off", "info", "info,userline::hooks=debug", "userline=warn, error"] {
            assert_eq!(parse_level(good).as_deref(), Some(good));
        }
        let bad = [
            "",
            "inof",
            "userline::hooks",
            "userline=loud",
            "info,userline[task]=debug",
            "info,[{user.id}]=debug",
            "userline=debug=info",
        ];
        for bad in bad {
            assert_eq!(parse_level(bad), None, "{bad}");
        }
    }
}
