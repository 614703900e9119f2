//! `userline hooks verify`: check a received request, without any server.

use crate::cli::exit::CommandFailure;
use crate::cli::output;
use crate::cli::settings::Hidden;
use crate::clock::Clock;
use crate::config;
use crate::core::backend::signature::{self, SignedHeaders};
use crate::types::{Secret, Seq};
use clap::Args;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest body looked at; hooks are much smaller, batches of them a little.
pub(super) const BODY_BYTES_MAX: u64 = 10_000_000;

/// Check the signature of a request you received
///
/// The body must be byte for byte as it came: not parsed and written again, without a line end of your editor.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// The header webhook-id
    #[arg(long)]
    id: String,
    /// The header webhook-timestamp
    #[arg(long)]
    timestamp: String,
    /// The header webhook-signature
    #[arg(long)]
    signature: String,
    /// How old the request may be; requests of your logs are older than 5 minutes
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    tolerance: Duration,
    /// File with the body; - for standard input
    #[arg(value_name = "BODYFILE")]
    body: PathBuf,
}

/// The signing secret.
#[derive(Debug, Args)]
pub(super) struct SecretArgs {
    /// Signing secret, whsec_…; other users of this machine can see arguments, so rather set the variable
    // Parsed by hand: clap repeats a wrong value in its message.
    #[arg(long, env = "USERLINE_HOOK_SECRET", hide_env_values = true)]
    secret: Option<Hidden>,
}

impl SecretArgs {
    pub(super) fn parsed(&self) -> Result<Option<Secret>, CommandFailure> {
        let parse = |secret: &Hidden| {
            config::parse_hook_secret(&secret.0).ok_or_else(|| {
                let rule = "the secret must be `whsec_` and the base64 of 24 to 64 bytes";
                CommandFailure::Usage(rule.to_owned())
            })
        };
        self.secret.as_ref().map(parse).transpose()
    }
}

pub(super) fn run(args: &VerifyArgs) -> Result<(), CommandFailure> {
    let Some(secret) = args.secret.parsed()? else {
        return Err(CommandFailure::Usage("--secret or USERLINE_HOOK_SECRET is needed".to_owned()));
    };
    let body = read(&args.body)
        .map_err(|error| CommandFailure::Usage(format!("{}: {error}", args.body.display())))?;
    let headers =
        SignedHeaders { id: &args.id, timestamp: &args.timestamp, signature: &args.signature };
    let now = Clock::start(Seq(0)).wall();
    signature::verify(&secret, headers, &body, now, args.tolerance)
        .map_err(|error| CommandFailure::Refused(error.to_string()))?;
    output::line("the signature is good")
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(BODY_BYTES_MAX).read_to_end(&mut body)?;
    } else {
        File::open(path)?.take(BODY_BYTES_MAX).read_to_end(&mut body)?;
    }
    Ok(body)
}
