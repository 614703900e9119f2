//! The command line: one file per command. Exit codes are in [`exit`] and in `--help`.

mod acl;
mod api;
mod audience;
mod bench;
mod block;
mod cluster;
mod config;
mod dev;
mod emit;
mod erase;
mod exit;
mod health;
mod hooks;
mod inbox;
mod ingest;
mod kick;
mod logout;
mod nodes;
mod output;
mod rooms;
mod serve;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod users;

use clap::{Parser, Subcommand};
use exit::CommandFailure;
use std::future::Future;
use std::process::ExitCode;

/// A ready Socket.IO server that addresses users, not sockets.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    Health(health::HealthArgs),
    Token(token::TokenArgs),
    Emit(Box<emit::EmitArgs>),
    Users(users::UsersArgs),
    User(users::UserArgs),
    Rooms(Box<rooms::RoomsArgs>),
    Inbox(inbox::InboxArgs),
    Kick(kick::KickArgs),
    Logout(logout::LogoutArgs),
    Revoke(logout::RevokeArgs),
    Block(block::BlockArgs),
    Unblock(block::UnblockArgs),
    Blocks(block::BlocksArgs),
    Erase(erase::EraseArgs),
    Nodes(nodes::NodesArgs),
    #[command(subcommand)]
    Hooks(hooks::HooksCommand),
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    #[command(subcommand)]
    Bench(Box<bench::BenchCommand>),
}

/// Connections that the runtime takes from the kernel at once: about as many tasks as it runs before it looks there again. It
/// would take 1024, with which its queue of 256 overflows, when thousands of clients come or go at once: what overflows
/// waits until all else is done, be it an event of a client who was there before.
const EVENTS_PER_TICK: usize = 64;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: CliCommand) -> Result<(), CommandFailure> {
    match command {
        CliCommand::Dev(args) => block_on(dev::run(args)),
        CliCommand::Serve(args) => block_on(serve::run(args)),
        CliCommand::Config(command) => config::run(command),
        CliCommand::Cluster(command) => block_on(cluster::run(command)),
        CliCommand::Health(args) => block_on(health::run(args)),
        CliCommand::Token(args) => token::run(args),
        CliCommand::Emit(args) => block_on(emit::run(*args)),
        CliCommand::Users(args) => block_on(users::list(args)),
        CliCommand::User(args) => block_on(users::one(args)),
        CliCommand::Rooms(args) => block_on(rooms::run(*args)),
        CliCommand::Inbox(args) => block_on(inbox::run(args)),
        CliCommand::Kick(args) => block_on(kick::run(args)),
        CliCommand::Logout(args) => block_on(logout::log_out(args)),
        CliCommand::Revoke(args) => block_on(logout::revoke(args)),
        CliCommand::Block(args) => block_on(block::block(args)),
        CliCommand::Unblock(args) => block_on(block::unblock(args)),
        CliCommand::Blocks(args) => block_on(block::list(args)),
        CliCommand::Erase(args) => block_on(erase::run(args)),
        CliCommand::Nodes(args) => block_on(nodes::run(args)),
        CliCommand::Hooks(command) => hooks::run(command),
        CliCommand::Ingest(command) => block_on(ingest::run(command)),
        CliCommand::Bench(command) => bench::run(&command),
    }
}

fn block_on(work: impl Future<Output = Result<(), CommandFailure>>) -> Result<(), CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_io_events_per_tick(EVENTS_PER_TICK)
        .build();
    runtime.map_err(CommandFailure::internal)?.block_on(work)
}
