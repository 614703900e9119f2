//! `userline bench connect`: sockets that come.

use super::args::SocketArgs;
use crate::bench;
use crate::cli::exit::CommandFailure;
use clap::Args;
use std::time::Duration;

/// Connect all sockets and measure what that takes
#[derive(Debug, Args)]
pub(in crate::cli) struct ConnectArgs {
    #[command(flatten)]
    sockets: SocketArgs,
}

pub(super) fn run(args: &ConnectArgs) -> Result<(), CommandFailure> {
    args.sockets.show(&bench::connect(args.sockets.plan(Duration::ZERO)?)?)
}
