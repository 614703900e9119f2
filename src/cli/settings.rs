//! Where a command gets its configuration: file, variables, flags.

use crate::config::Sources;
use clap::Args;
use std::fmt;
use std::path::PathBuf;

/// A text from the command line that is never printed.
#[derive(Clone)]
pub(super) struct Hidden(pub(super) String);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Flags that are settings.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// TOML file with your settings; `userline config init` writes one
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

/// Flags that are single settings.
#[derive(Debug, Args)]
pub(super) struct OverrideArgs {
    /// One setting, such as presence.grace=5s; may be repeated and wins over file and variables
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    set: Vec<(String, Hidden)>,
}

impl ConfigArgs {
    pub(super) fn sources(&self) -> Sources {
        let sources = Sources::new().with_process_environment();
        let sources = match &self.config {
            Some(path) => sources.with_file(path),
            None => sources,
        };
        self.overrides.add_to(sources)
    }
}

impl OverrideArgs {
    pub(super) fn add_to(&self, sources: Sources) -> Sources {
        self.set.iter().fold(sources, |sources, (key, value)| {
            sources.with_flag(&format!("--set {key}"), key, &value.0)
        })
    }
}

fn parse_setting(text: &str) -> Result<(String, Hidden), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.trim().to_owned(), Hidden(value.to_owned())))
}
