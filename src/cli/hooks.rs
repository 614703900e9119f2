//! `userline hooks`: deliveries, and tools for whoever writes a receiver.

mod deliveries;
mod listen;
mod verify;

use super::exit::CommandFailure;
use clap::Subcommand;

/// Look at hook deliveries, send them again, check signatures
#[derive(Debug, Subcommand)]
pub(super) enum HooksCommand {
    Deliveries(deliveries::DeliveriesArgs),
    Replay(deliveries::ReplayArgs),
    Verify(verify::VerifyArgs),
    Listen(listen::ListenArgs),
}

pub(super) fn run(command: HooksCommand) -> Result<(), CommandFailure> {
    match command {
        HooksCommand::Deliveries(args) => super::block_on(deliveries::list(args)),
        HooksCommand::Replay(args) => super::block_on(deliveries::replay(args)),
        HooksCommand::Verify(args) => verify::run(&args),
        HooksCommand::Listen(args) => super::block_on(listen::run(args)),
    }
}
