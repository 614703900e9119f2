//! `userline rooms`: which rooms there are; sockets join and leave them, or are disconnected; users are put into them.

mod memberships;

use super::api::{self, ApiArgs, ApiClient};
use super::audience::{AudienceArgs, AudienceBody};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::{Args, Subcommand};
use serde::Serialize;

/// List the rooms that somebody is in
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RoomsArgs {
    #[command(subcommand)]
    change: Option<RoomsCommand>,
    /// Only those whose name begins with this
    #[arg(long, allow_hyphen_values = true)]
    prefix: Option<String>,
    /// Most rooms shown
    #[arg(long, default_value = "100", value_parser = api::parse_limit)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum RoomsCommand {
    /// Have sockets that are here join rooms
    Join(MoveArgs),
    /// Have sockets that are here leave rooms
    Leave(MoveArgs),
    /// Disconnect sockets: they are told, and stay away
    Disconnect(DismissArgs),
    /// Show the rooms that a user is put into, and those that are denied to it
    Of(memberships::OfArgs),
    /// Put a user into a room, for the sockets it has and will have
    Put(memberships::PutArgs),
    /// Take a user out of a room, whatever had granted it
    Remove(memberships::RemoveArgs),
}

#[derive(Debug, Args)]
struct MoveArgs {
    #[command(flatten)]
    audience: AudienceArgs,
    /// The rooms
    #[arg(required = true, value_name = "ROOM")]
    joined: Vec<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
struct DismissArgs {
    #[command(flatten)]
    audience: AudienceArgs,
    /// What the clients are told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Let the grace run as usual; without this users who are left without a socket are offline at once
    #[arg(long)]
    keep_grace: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Serialize)]
struct MoveBody<'a> {
    #[serde(flatten)]
    audience: AudienceBody<'a>,
    rooms: &'a [String],
}

#[derive(Debug, Serialize)]
struct DismissBody<'a> {
    #[serde(flatten)]
    audience: AudienceBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<bool>,
}

pub(super) async fn run(args: RoomsArgs) -> Result<(), CommandFailure> {
    match &args.change {
        None => list(args).await,
        Some(RoomsCommand::Join(change)) => {
            let names = ["matched", "changed", "full", "denied"];
            ask(&change.api, "join", &change.body(), &names).await
        }
        Some(RoomsCommand::Leave(change)) => {
            ask(&change.api, "leave", &change.body(), &["matched", "changed"]).await
        }
        Some(RoomsCommand::Disconnect(change)) => {
            ask(&change.api, "disconnect", &change.body(), &["disconnected"]).await
        }
        Some(RoomsCommand::Of(of)) => memberships::list(of).await,
        Some(RoomsCommand::Put(put)) => memberships::put(put).await,
        Some(RoomsCommand::Remove(remove)) => memberships::remove(remove).await,
    }
}

async fn list(args: RoomsArgs) -> Result<(), CommandFailure> {
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

/// Has sockets changed, and prints these numbers of the answer.
async fn ask(
    api: &ApiArgs,
    verb: &str,
    body: &impl Serialize,
    names: &[&str],
) -> Result<(), CommandFailure> {
    let body = serde_json::to_string(body).map_err(CommandFailure::internal)?;
    let answer = ApiClient::new(api, Scope::Control)?.post(&["sockets", verb], body).await?;
    if api.json {
        return output::line(answer.text());
    }
    let reply = answer.value()?;
    let numbers = names.iter().map(|it| format!("{it} {}", output::field(&reply, it)));
    output::line(&numbers.collect::<Vec<_>>().join(", "))
}

impl MoveArgs {
    fn body(&self) -> MoveBody<'_> {
        MoveBody { audience: self.audience.body(), rooms: &self.joined }
    }
}

impl DismissArgs {
    fn body(&self) -> DismissBody<'_> {
        let now = self.keep_grace.then_some(false);
        DismissBody { audience: self.audience.body(), reason: self.reason.as_deref(), now }
    }
}
