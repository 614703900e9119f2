//! The command line: one file per command. Exit codes are in [`exit`] and in `--help`.

mod api;
mod bench;
mod config;
mod dev;
mod emit;
mod exit;
mod health;
mod hooks;
mod inbox;
mod kick;
mod output;
mod rooms;
mod serve;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod users;

use clap::{Parser, Subcommand};
use exit::Failure;
use std::future::Future;
use std::process::ExitCode;

/// A ready Socket.IO server that addresses users, not sockets.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Health(health::HealthArgs),
    Token(token::TokenArgs),
    Emit(Box<emit::EmitArgs>),
    Users(users::UsersArgs),
    User(users::UserArgs),
    Rooms(rooms::RoomsArgs),
    Inbox(inbox::InboxArgs),
    Kick(kick::KickArgs),
    #[command(subcommand)]
    Hooks(hooks::HooksCommand),
    #[command(subcommand)]
    Bench(Box<bench::BenchCommand>),
}

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => block_on(dev::run(args)),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Config(command) => config::run(command),
        Command::Health(args) => block_on(health::run(args)),
        Command::Token(args) => token::run(args),
        Command::Emit(args) => block_on(emit::run(*args)),
        Command::Users(args) => block_on(users::list(args)),
        Command::User(args) => block_on(users::one(args)),
        Command::Rooms(args) => block_on(rooms::run(args)),
        Command::Inbox(args) => block_on(inbox::run(args)),
        Command::Kick(args) => block_on(kick::run(args)),
        Command::Hooks(command) => hooks::run(command),
        Command::Bench(command) => bench::run(&command),
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::internal)?.block_on(work)
}
