//! `userline bench echo`: events of the clients, answered with an ack.

use super::args::{LoadArgs, SocketArgs};
use crate::bench::{self, EchoSettings};
use crate::cli::exit::CommandFailure;
use crate::types::ClientRequest;
use clap::Args;

/// Let every socket send an event, and the next one when the ack is there
#[derive(Debug, Args)]
pub(in crate::cli) struct EchoArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// An event that the server acks
    #[arg(long, default_value = ClientRequest::Ping.name())]
    event: String,
}

pub(super) fn run(args: &EchoArgs) -> Result<(), CommandFailure> {
    let settings = EchoSettings { event: args.event.clone(), rate: args.load.rate };
    args.sockets.show(&bench::echo(args.sockets.load_plan(&args.load)?, settings)?)
}
