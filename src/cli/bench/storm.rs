//! `userline bench storm`: everybody is cut off at once and comes back.

use super::args::SocketArgs;
use crate::bench;
use crate::cli::exit::CommandFailure;
use crate::types::ClientRequest;
use clap::Args;
use std::time::Duration;

/// Connect all sockets, cut all but one off at once, and measure how they come back
///
/// The one that is left pings every 5 ms: how long that takes is what a bystander sees. Where the server tells each socket
/// its session (`userline:session`), it must be the same afterwards: nobody was offline in between. With `--concurrency`
/// as high as `--sockets` all come back at once.
#[derive(Debug, Args)]
pub(in crate::cli) struct StormArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    /// An event that the server acks
    #[arg(long, default_value = ClientRequest::Ping.name())]
    event: String,
}

pub(super) fn run(args: &StormArgs) -> Result<(), CommandFailure> {
    args.sockets.show(&bench::storm(args.sockets.plan(Duration::ZERO)?, &args.event)?)
}
