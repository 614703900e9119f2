//! `userline health`: for the health check of a container, which has no other program.

use super::api::ServerArgs;
use super::exit::CommandFailure;
use super::output;
use clap::Args;
use std::time::Duration;

/// Whoever waits longer for an answer takes the server for ill.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Ask a server whether it is well: exit code 0 if it is, 1 if not or if nobody answers
///
/// Asks `/readyz`: whether it takes clients. Needs no key.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Ask `/healthz` instead: whether the process lives, also while it stops or its disk takes nothing
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), CommandFailure> {
    let path = if args.live { "healthz" } else { "readyz" };
    match args.server.status(path, TIMEOUT).await {
        Ok((_, status)) if status.is_success() => output::line("ok"),
        Ok((url, status)) => Err(CommandFailure::Refused(format!("{url} answered {status}"))),
        Err(CommandFailure::Unreachable(why)) => Err(CommandFailure::Refused(why)),
        Err(other) => Err(other),
    }
}
