//! `userline block`, `unblock` and `blocks`: who is kept out.

use super::api::{self, ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde_json::{Map, Value};

/// Keep a user out and disconnect all its sockets
#[derive(Debug, Args)]
pub(super) struct BlockArgs {
    /// The user to block
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// What the clients are told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How long, such as 1h; without this until it is unblocked
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Let a user in again
#[derive(Debug, Args)]
pub(super) struct UnblockArgs {
    /// The user who was blocked
    #[arg(allow_hyphen_values = true)]
    user: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// List the users who are blocked, with who did it and why
#[derive(Debug, Args)]
pub(super) struct BlocksArgs {
    /// Most blocks shown
    #[arg(long, default_value = "100", value_parser = api::parse_limit)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn block(args: BlockArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let given = [("reason", args.reason), ("for", args.lasts)];
    let given = given.into_iter().filter_map(|(key, it)| Some((key.to_owned(), it?.into())));
    let body = Value::Object(given.collect::<Map<_, Value>>()).to_string();
    let answer = api.put(&["users", &args.user, "block"], body).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let reply = answer.value()?;
    let until = match reply.pointer("/block/until").and_then(Value::as_str) {
        Some(until) => format!("until {}", output::plain(until)),
        None => "until it is lifted".to_owned(),
    };
    let (user, gone) = (output::plain(&args.user), output::field(&reply, "disconnected"));
    output::line(&format!("{user}: blocked {until}, {gone} sockets disconnected"))
}

pub(super) async fn unblock(args: UnblockArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let answer = api.delete(&["users", &args.user, "block"], &[]).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let was_blocked = answer.value()?.get("lifted").and_then(Value::as_bool) == Some(true);
    let what = if was_blocked { "not blocked any more" } else { "was not blocked" };
    output::line(&format!("{}: {what}", output::plain(&args.user)))
}

pub(super) async fn list(args: BlocksArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let list = api.list(&["blocks"], "blocks", &[], args.limit).await?;
    if args.api.json {
        return output::line(&list.json("blocks"));
    }
    let names = ["user", "since", "until", "by", "reason"];
    let rows: Vec<Vec<String>> = list.values()?.iter().map(|it| output::row(it, &names)).collect();
    output::line(&output::table(&["USER", "SINCE", "UNTIL", "BY", "REASON"], &rows))?;
    output::more(list.next.is_some())
}
