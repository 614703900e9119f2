//! `userline bench`: what is asked for, and what is printed of it; the load itself is in [`bench`](crate::bench).

mod args;
mod churn;
mod connect;
mod echo;
mod fanout;
mod idle;
mod storm;
mod target;

use super::exit::CommandFailure;
use clap::Subcommand;

/// Load any Socket.IO server (v4 or v5 protocol, WebSocket) and check every delivery
///
/// Only load servers that are yours. `--json` prints one object; exit code 1 with `--strict` if anything went wrong.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    Connect(connect::ConnectArgs),
    Idle(idle::IdleArgs),
    Fanout(fanout::FanoutArgs),
    Target(target::TargetArgs),
    Echo(echo::EchoArgs),
    Churn(churn::ChurnArgs),
    Storm(storm::StormArgs),
}

pub(super) fn run(command: &BenchCommand) -> Result<(), CommandFailure> {
    match command {
        BenchCommand::Connect(args) => connect::run(args),
        BenchCommand::Idle(args) => idle::run(args),
        BenchCommand::Fanout(args) => fanout::run(args),
        BenchCommand::Target(args) => target::run(args),
        BenchCommand::Echo(args) => echo::run(args),
        BenchCommand::Churn(args) => churn::run(args),
        BenchCommand::Storm(args) => storm::run(args),
    }
}
