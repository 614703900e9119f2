//! `userline bench idle`: sockets that come, and stay.

use super::args::{SocketArgs, TimeArgs};
use crate::bench;
use crate::cli::exit::CommandFailure;
use clap::Args;

/// Connect all sockets, let them be, and measure what that costs
///
/// Memory per connection is what the server has more than before, at the end.
#[derive(Debug, Args)]
pub(in crate::cli) struct IdleArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub(super) fn run(args: &IdleArgs) -> Result<(), CommandFailure> {
    args.sockets.show(&bench::idle(args.sockets.plan(args.time.duration)?)?)
}
