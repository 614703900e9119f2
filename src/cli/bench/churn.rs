//! `userline bench churn`: sockets that come and leave again, all the time.

use super::args::{SocketArgs, TimeArgs};
use crate::bench;
use crate::cli::exit::CommandFailure;
use clap::Args;

/// Connect and leave, over and over; --concurrency sockets at once, --sockets different ones
#[derive(Debug, Args)]
pub(in crate::cli) struct ChurnArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub(super) fn run(args: &ChurnArgs) -> Result<(), CommandFailure> {
    args.sockets.show(&bench::churn(args.sockets.plan(args.time.duration)?)?)
}
