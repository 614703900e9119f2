//! What can be wrong with a configuration, in words for the person who wrote it.

use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// In the compiled-in `config/default.toml`.
    Default,
    /// In the configuration file.
    File {
        /// As it was given.
        path: PathBuf,
        /// Counted from 1; 0 if it is not known.
        line: usize,
    },
    /// In this environment variable.
    Environment(String),
    /// By this flag of the command line.
    Flag(String),
    /// By `userline dev`, which needs no configuration.
    Dev,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::Dev => f.write_str("userline dev"),
        }
    }
}

/// One thing that is wrong. Never shows the value of a secret, nor of a key it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file is not there, not readable, too large or not UTF-8.
    #[error("{}: cannot be read: {why}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// A file is not TOML. The line itself is not shown: it may hold a secret.
    #[error("{origin}: {why}")]
    Syntax {
        /// Where.
        origin: SettingOrigin,
        /// What the parser said.
        why: String,
    },
    /// There is no such setting.
    #[error("{key}: is not a setting{hint} ({origin})")]
    Unknown {
        /// As it was written, dotted.
        key: String,
        /// Where.
        origin: SettingOrigin,
        /// What may have been meant; begins with `: ` or is empty.
        hint: String,
    },
    /// A value breaks its rule, or is missing (`value` and `origin` are none).
    #[error("{key}{}: {rule}{}", shown(value.as_ref()), at(origin.as_ref()))]
    Invalid {
        /// Dotted.
        key: String,
        /// As it was written; none if it is missing or must not be shown.
        value: Option<String>,
        /// What it must be.
        rule: String,
        /// Where it was written.
        origin: Option<SettingOrigin>,
    },
}

fn shown(value: Option<&String>) -> String {
    value.map(|value| format!(" = {value}")).unwrap_or_default()
}

fn at(origin: Option<&SettingOrigin>) -> String {
    origin.map(|origin| format!(" ({origin})")).unwrap_or_default()
}

impl ConfigError {
    /// The key whose value is wrong.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::Unknown { key, .. } | Self::Invalid { key, .. } => Some(key),
        }
    }
}

/// Everything that is wrong, one a line; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn new(errors: Vec<ConfigError>) -> Self {
        debug_assert!(!errors.is_empty(), "a configuration is refused for a reason");
        Self(errors)
    }

    /// In the order of the sections; unknown keys last.
    pub fn list(&self) -> &[ConfigError] {
        &self.0
    }
}
