//! `userline inbox`: what was stored for a user.

use super::api::{ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde_json::Value;

/// Show what waits in the inbox of a user, the newest first
#[derive(Debug, Args)]
pub(super) struct InboxArgs {
    /// The user whose inbox is shown
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// Only what the user has not seen
    #[arg(long)]
    unread: bool,
    /// Items below this number: `next` of the page before
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// Most items shown
    #[arg(long, default_value = "100", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: InboxArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.before.map(|seq| ("before", seq.to_string())));
    query.extend(args.unread.then(|| ("unread", "true".to_owned())));
    let answer = api.get(&["users", &args.user, "inbox"], &query).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let page = answer.value()?;
    let names = ["seq", "id", "event", "created_at", "read", "args"];
    let items = page.get("items").and_then(Value::as_array);
    let rows: Vec<Vec<String>> =
        items.into_iter().flatten().map(|item| output::row(item, &names)).collect();
    if !rows.is_empty() {
        let heads = ["SEQ", "ID", "EVENT", "CREATED", "READ", "ARGUMENTS"];
        output::line(&output::table(&heads, &rows))?;
    }
    let unread = output::field(&page, "unread");
    match page.get("next").and_then(Value::as_u64) {
        Some(next) => output::line(&format!("{unread} unread; more: --before {next}")),
        None => output::line(&format!("{unread} unread")),
    }
}
