//! `userline config`: check, show, init.

use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::{self, CheckedConfig, Config, DEFAULTS, Sources};
use crate::core::backend::signature;
use crate::entropy;
use crate::ingest;
use crate::socket::ClientFiles;
use crate::store::{self, FolderUse};
use crate::types::{Secret, Seq};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Check, show or start a configuration
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong, with its place; exit code 78 if anything is
    Check(ConfigArgs),
    /// Print what counts as TOML, secrets hidden, with where each value comes from
    Show(ConfigArgs),
    Init(InitArgs),
}

/// Write a file with every setting explained and fresh secrets
///
/// The file is readable by its owner only. An existing file is never overwritten. With `-` the text goes to standard output.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write; `-` is standard output
    #[arg(value_name = "FILE", default_value = "userline.toml")]
    file: PathBuf,
}

pub(super) fn run(command: ConfigCommand) -> Result<(), CommandFailure> {
    match command {
        ConfigCommand::Check(settings) => {
            let (_, folder) = load_to_run(&settings.sources())?;
            output::line(match folder {
                FolderUse::Free => "the configuration is good",
                FolderUse::InUse => {
                    "the configuration is good; a process runs on store.data_dir now, and no other can"
                }
            })
        }
        ConfigCommand::Show(settings) => {
            output::line(config::show(&settings.sources())?.trim_end())
        }
        ConfigCommand::Init(args) => init(&args.file),
    }
}

/// The configuration, or everything that is wrong with it and with the files that it names, the data folder apart.
pub(super) fn load(sources: &Sources) -> Result<Config, CommandFailure> {
    judge(CheckedConfig::load(sources), None)
}

/// The configuration with which a server can run here, and whether one does; or everything that is wrong with it, with the
/// files that it names, and with the data folder.
pub(super) fn load_to_run(sources: &Sources) -> Result<(Config, FolderUse), CommandFailure> {
    let checked = CheckedConfig::load(sources);
    let folder = checked.data_dir.as_deref().map_or(Ok(FolderUse::Free), store::look_at);
    let folder_error = folder.as_ref().err().map(ToString::to_string);
    let config = judge(checked, folder_error)?;
    // Where it cannot be used, the configuration was refused.
    Ok((config, folder.unwrap_or(FolderUse::Free)))
}

fn judge(checked: CheckedConfig, folder_error: Option<String>) -> Result<Config, CommandFailure> {
    let CheckedConfig { config, auth, ingest, client_dir, .. } = checked;
    let errors = config.as_ref().err().map(ToString::to_string);
    let clock = Clock::start(Seq(0));
    let key_error = auth.and_then(|auth| Authenticator::new(auth, clock).err());
    let key_error = key_error.map(|it| it.to_string());
    let ingest_error =
        ingest.and_then(|it| ingest::check_config(&it).err()).map(|it| it.to_string());
    let client_error = ClientFiles::load(client_dir.as_deref()).err().map(|it| it.to_string());
    let all = [errors, key_error, ingest_error, client_error, folder_error];
    let all: Vec<String> = all.into_iter().flatten().collect();
    match config {
        Ok(config) if all.is_empty() => Ok(config),
        Ok(_) | Err(_) => Err(CommandFailure::ConfigValue(all.join("\n"))),
    }
}

fn init(path: &Path) -> Result<(), CommandFailure> {
    let text = fresh(DEFAULTS);
    if path == Path::new("-") {
        return output::line(text.trim_end());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    let path = path.display();
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            CommandFailure::Usage(format!("{path} exists and is not overwritten"))
        } else {
            CommandFailure::internal(anyhow::Error::new(error).context(path.to_string()))
        }
    })?;
    output::line(&format!(
        "{path} has fresh secrets and every setting explained. Next:\n\n  \
         userline serve --config {path}\n  \
         userline token --config {path} --user ann"
    ))
}

/// The defaults with all values commented out, so that later defaults count, and the secrets filled in.
pub(super) fn fresh(defaults: &str) -> String {
    let random = || STANDARD.encode(entropy::bytes::<32>());
    let hook_secret = || signature::format_secret(&Secret::new(entropy::bytes::<32>()));
    let mut section = "";
    let mut text = String::new();
    for line in defaults.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let line = match (section, line) {
            ("[auth.jwt]", "# secret = \"…\"") => format!("secret = \"{}\"", random()),
            ("[admin]", "keys = []") => format!(
                "keys = [{{ name = \"backend\", key = \"{}\", scopes = [\"emit\", \"read\", \
                 \"control\"] }}]",
                random()
            ),
            ("[auth.hook]" | "[hooks]", "# secret = \"whsec_…\"") => {
                format!("# secret = \"{}\"", hook_secret())
            }
            (_, line) if line.is_empty() || line.starts_with(['#', '[']) => line.to_owned(),
            (_, line) => format!("# {line}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}
