//! `userline bench`: load for any Socket.IO server, with every delivery checked.
//!
//! One thread, raw WebSocket: thousands of sockets must cost less here than in the server that is measured.
//!
//! ```text
//!   fanout, target ──► publishing ──► deliveries (sequence, latency) ──┐
//!   echo ──────────────────────────────────────────────────────────────┼──► report
//!   connect, idle, churn, storm ───────────────────────────────────────┘
//!        fleet ──► session (Socket.IO), http (publishers) ──► stream
//! ```

mod args;
mod arrivals;
mod churn;
mod connect;
mod deliveries;
mod echo;
mod endpoint;
mod fanout;
mod fleet;
mod http;
mod latency;
mod marker;
mod meter;
mod pace;
mod plan;
mod process;
mod progress;
mod publishing;
mod report;
mod sequence;
mod session;
mod storm;
mod stream;
mod target;
mod template;
#[cfg(test)]
mod tests;

use super::exit::Failure;
use clap::Subcommand;

/// Load any Socket.IO server (v4 or v5 protocol, WebSocket) and check every delivery
///
/// Only load servers that are yours. `--json` prints one object; exit code 1 with `--strict` if anything went wrong.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    Connect(connect::ConnectArgs),
    Idle(connect::IdleArgs),
    Fanout(fanout::FanoutArgs),
    Target(target::TargetArgs),
    Echo(echo::EchoArgs),
    Churn(churn::ChurnArgs),
    Storm(storm::StormArgs),
}

pub(super) fn run(command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Connect(args) => connect::connect(args),
        BenchCommand::Idle(args) => connect::idle(args),
        BenchCommand::Fanout(args) => fanout::run(args),
        BenchCommand::Target(args) => target::run(args),
        BenchCommand::Echo(args) => echo::run(args),
        BenchCommand::Churn(args) => churn::run(args),
        BenchCommand::Storm(args) => storm::run(args),
    }
}
