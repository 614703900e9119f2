//! `userline bench target`: each event for one user.

use super::args::{LoadArgs, PublishArgs, SocketArgs, number};
use crate::bench::{self, Eagerness, PublishingSettings, Receivers};
use crate::cli::exit::CommandFailure;
use clap::Args;

const BODY: &str = r#"{"to":{"users":["{user}"]},"event":"bench","data":"{payload}"}"#;

/// Publish events for one user after the other and check every delivery
#[derive(Debug, Args)]
pub(in crate::cli) struct TargetArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// HTTP connections that publish, each for users of its own; 1 to 1024
    #[arg(long, value_name = "N", default_value = "16", value_parser = number::<1, 1024>)]
    publishers: usize,
    #[command(flatten)]
    publish: PublishArgs,
}

pub(super) fn run(args: &TargetArgs) -> Result<(), CommandFailure> {
    let plan = args.sockets.load_plan(&args.load)?;
    if plan.users < args.publishers {
        return Err(CommandFailure::Usage("--publishers cannot be more than users".to_owned()));
    }
    let (server, post) = args.publish.post(BODY)?;
    let settings = PublishingSettings {
        command: "target",
        receivers: Receivers::OneUser,
        eagerness: Eagerness::Answered,
        publishers: args.publishers,
        rate: args.load.rate,
        server,
        post,
    };
    args.sockets.show(&bench::publish(plan, settings)?)
}
