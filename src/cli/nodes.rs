//! `userline nodes`: which nodes there are, and how each is.

use super::api::{ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde_json::Value;

/// List the nodes, and how each is
#[derive(Debug, Args)]
pub(super) struct NodesArgs {
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: NodesArgs) -> Result<(), CommandFailure> {
    let answer = ApiClient::new(&args.api, Scope::Read)?.get(&["nodes"], &[]).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let value = answer.value()?;
    let names = [
        "name",
        "host",
        "version",
        "started_at",
        "sockets",
        "users",
        "draining",
        "last_sign_ms_ago",
        "endpoints",
        "sources",
    ];
    let nodes = value.get("nodes").and_then(Value::as_array);
    let rows: Vec<Vec<String>> =
        nodes.into_iter().flatten().map(|node| output::row(node, &names)).collect();
    let heads = [
        "NODE",
        "HOST",
        "VERSION",
        "SINCE",
        "SOCKETS",
        "USERS",
        "DRAINING",
        "SIGN MS AGO",
        "HOOKS TO",
        "SOURCES",
    ];
    output::line(&output::table(&heads, &rows))?;
    if value.get("degraded").is_some() {
        output::line("this node is cut off from Redis: there may be others")?;
    }
    match value.get("nodes_missing") {
        Some(Value::Array(names)) if !names.is_empty() => {
            output::line(&format!("no answer from {}", output::field(&value, "nodes_missing")))
        }
        _ => Ok(()),
    }
}
