//! `userline users` and `userline user`: who is there.

use super::api::{self, ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::{Args, ValueEnum};
use serde_json::Value;

/// List the users who are online
#[derive(Debug, Args)]
pub(super) struct UsersArgs {
    /// Only those in this state; lingering: no socket, but the grace still runs
    #[arg(long)]
    state: Option<UserStateArg>,
    /// Most users shown
    #[arg(long, default_value = "100", value_parser = api::parse_limit)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UserStateArg {
    Online,
    Lingering,
}

/// Show one user and its sockets
#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// The user to show
    #[arg(value_name = "USER", allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn list(args: UsersArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let state = args.state.map(|state| match state {
        UserStateArg::Online => "online".to_owned(),
        UserStateArg::Lingering => "lingering".to_owned(),
    });
    let list = api.list(&["users"], "users", &[("state", state)], args.limit).await?;
    if args.api.json {
        return output::line(&list.json("users"));
    }
    let names = ["user", "state", "since", "sockets"];
    let rows: Vec<Vec<String>> =
        list.values()?.iter().map(|user| output::row(user, &names)).collect();
    output::line(&output::table(&["USER", "STATE", "SINCE", "SOCKETS"], &rows))?;
    output::more(list.next.is_some())
}

pub(super) async fn one(args: UserArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let answer = api.get(&["users", &args.id], &[]).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let user = answer.value()?;
    for name in ["user", "state", "since", "session", "last_seen"] {
        if user.get(name).is_some_and(|value| !value.is_null()) {
            output::line(&format!("{name:<10} {}", output::field(&user, name)))?;
        }
    }
    let names = ["id", "namespace", "transport", "address", "connected_at", "rooms", "user_agent"];
    let sockets = user.get("sockets").and_then(Value::as_array);
    let rows: Vec<Vec<String>> =
        sockets.into_iter().flatten().map(|socket| output::row(socket, &names)).collect();
    if rows.is_empty() {
        return output::line("no sockets");
    }
    let heads = ["SOCKET", "NAMESPACE", "TRANSPORT", "ADDRESS", "CONNECTED", "ROOMS", "USER AGENT"];
    output::line("")?;
    output::line(&output::table(&heads, &rows))
}
