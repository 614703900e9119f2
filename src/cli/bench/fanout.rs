//! `userline bench fanout`: one event for everybody.

use super::args::{LoadArgs, PublishArgs, SocketArgs, number};
use crate::bench::{self, Eagerness, PublishingSettings, Receivers};
use crate::cli::exit::CommandFailure;
use clap::{Args, ValueEnum};

const BODY: &str = r#"{"to":{"all":true},"event":"bench","data":"{payload}"}"#;
/// Publishers of a flood, unless said otherwise.
const FLOOD: usize = 256;

/// Publish events for all sockets and check every delivery
#[derive(Debug, Args)]
pub(in crate::cli) struct FanoutArgs {
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// When the next event is published
    #[arg(long, default_value = "steady")]
    mode: FanoutMode,
    /// Publishers of a flood; 1 to 1024 [default: 256]
    #[arg(long, value_name = "N", value_parser = number::<1, 1024>)]
    publishers: Option<usize>,
    #[command(flatten)]
    publish: PublishArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FanoutMode {
    /// When the one before has come to everybody
    Steady,
    /// When the one before was answered
    Burst,
    /// Like burst, by many publishers at once
    Flood,
}

pub(super) fn run(args: &FanoutArgs) -> Result<(), CommandFailure> {
    let (command, eagerness, publishers) = match args.mode {
        FanoutMode::Steady => ("fanout steady", Eagerness::Delivered, 1),
        FanoutMode::Burst => ("fanout burst", Eagerness::Answered, 1),
        FanoutMode::Flood => {
            ("fanout flood", Eagerness::Answered, args.publishers.unwrap_or(FLOOD))
        }
    };
    if args.mode != FanoutMode::Flood && args.publishers.is_some_and(|it| it != 1) {
        return Err(CommandFailure::Usage("several --publishers need --mode flood".to_owned()));
    }
    let plan = args.sockets.load_plan(&args.load)?;
    let (server, post) = args.publish.post(BODY)?;
    let settings = PublishingSettings {
        command,
        receivers: Receivers::Everybody,
        eagerness,
        publishers,
        rate: args.load.rate,
        server,
        post,
    };
    args.sockets.show(&bench::publish(plan, settings)?)
}
