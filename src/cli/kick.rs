//! `userline kick`: disconnect a user.

use super::api::{ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde_json::{Map, Value};

/// Disconnect all sockets of a user
#[derive(Debug, Args)]
pub(super) struct KickArgs {
    /// The user to disconnect
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// What the clients are told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Let the grace run as usual; without this the user is offline at once
    #[arg(long)]
    keep_grace: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: KickArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let mut body = Map::new();
    if let Some(reason) = args.reason {
        body.insert("reason".to_owned(), Value::String(reason));
    }
    if args.keep_grace {
        body.insert("now".to_owned(), Value::Bool(false));
    }
    let body = Value::Object(body).to_string();
    let answer = api.post(&["users", &args.user, "disconnect"], body).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let disconnected = output::field(&answer.value()?, "disconnected");
    output::line(&format!("{}: {disconnected} sockets disconnected", args.user))
}
