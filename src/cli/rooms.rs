//! `userline rooms`: which rooms there are.

use super::api::{self, ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;

/// List the rooms that somebody is in
#[derive(Debug, Args)]
pub(super) struct RoomsArgs {
    /// Only those whose name begins with this
    #[arg(long, allow_hyphen_values = true)]
    prefix: Option<String>,
    /// Most rooms shown
    #[arg(long, default_value = "100", value_parser = api::parse_limit)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: RoomsArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let list = api.list(&["rooms"], "rooms", &[("prefix", args.prefix)], args.limit).await?;
    if args.api.json {
        return output::line(&list.json("rooms"));
    }
    let names = ["room", "namespace", "sockets"];
    let rows: Vec<Vec<String>> =
        list.values()?.iter().map(|room| output::row(room, &names)).collect();
    output::line(&output::table(&["ROOM", "NAMESPACE", "SOCKETS"], &rows))?;
    output::more(list.next.is_some())
}
