//! `userline logout` and `revoke`: what a user holds does not count any more.

use super::api::{ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde_json::{Map, Value};

/// Log a user out: its clients need credentials to come back
#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// The user to log out
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// Only the client with resume tokens of this family, as `userline user` shows it
    #[arg(long, value_name = "FAMILY")]
    family: Option<String>,
    /// What the clients are told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Revoke the tokens of a user that were issued until now, or let all count again
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The user whose tokens are meant
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// Tokens issued before this time do not count, such as 2026-08-01T09:41:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "undo")]
    before: Option<String>,
    /// Every token counts again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn log_out(args: LogoutArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let given = [("family", args.family), ("reason", args.reason)];
    let given = given.into_iter().filter_map(|(key, it)| Some((key.to_owned(), it?.into())));
    let body = Value::Object(given.collect::<Map<_, Value>>()).to_string();
    let answer = api.post(&["users", &args.user, "logout"], body).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let gone = output::field(&answer.value()?, "disconnected");
    output::line(&format!("{}: logged out, {gone} sockets disconnected", output::plain(&args.user)))
}

pub(super) async fn revoke(args: RevokeArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let path = ["users", &args.user, "not_before"];
    let answer = if args.undo {
        api.delete(&path, &[]).await?
    } else {
        let at = args.before.map(|at| ("at".to_owned(), Value::String(at)));
        api.put(&path, Value::Object(at.into_iter().collect()).to_string()).await?
    };
    if args.api.json {
        return output::line(answer.text());
    }
    let (reply, user) = (answer.value()?, output::plain(&args.user));
    if args.undo {
        return output::line(&format!("{user}: every token counts"));
    }
    let (at, gone) = (output::field(&reply, "not_before"), output::field(&reply, "disconnected"));
    output::line(&format!("{user}: tokens count from {at} on, {gone} sockets disconnected"))
}
