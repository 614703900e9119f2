//! `userline hooks deliveries` and `replay`: what was sent, what was not, and sending it again.

use crate::cli::api::{self, ApiArgs, ApiClient};
use crate::cli::exit::CommandFailure;
use crate::cli::output;
use crate::config::Scope;
use clap::{Args, ValueEnum};
use serde_json::Value;

/// List deliveries, those that are not done unless a state or a user is given
#[derive(Debug, Args)]
pub(in crate::cli) struct DeliveriesArgs {
    /// Only those in this state; dead: given up, waiting for a replay; replaced: a newer event of the user took its place
    #[arg(long)]
    state: Option<DeliveryStateArg>,
    /// Only those to this endpoint
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    endpoint: Option<String>,
    /// Only those about this user, in every state unless one is given
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    user: Option<String>,
    /// Most deliveries shown
    #[arg(long, default_value = "100", value_parser = api::parse_limit)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeliveryStateArg {
    Pending,
    Failing,
    Dead,
    Delivered,
    Replaced,
}

/// Send a delivery again, or all dead letters of an endpoint
///
/// With --endpoint: the oldest first, at most 10,000 at a time; says when there are more.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Which one, as `deliveries` shows it
    #[arg(required_unless_present = "endpoint", conflicts_with = "endpoint")]
    id: Option<String>,
    /// All dead letters of this endpoint
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    endpoint: Option<String>,
    /// Only events that happened at this time or later, such as 2026-08-01T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "endpoint", conflicts_with = "id")]
    from: Option<String>,
    /// Only events that happened before this time
    #[arg(long, value_name = "TIME", requires = "endpoint", conflicts_with = "id")]
    to: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn list(args: DeliveriesArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let state = args.state.map(|state| match state {
        DeliveryStateArg::Pending => "pending".to_owned(),
        DeliveryStateArg::Failing => "failing".to_owned(),
        DeliveryStateArg::Dead => "dead".to_owned(),
        DeliveryStateArg::Delivered => "delivered".to_owned(),
        DeliveryStateArg::Replaced => "replaced".to_owned(),
    });
    let filters = [("state", state), ("endpoint", args.endpoint), ("user", args.user)];
    let list = api.list(&["hooks", "deliveries"], "deliveries", &filters, args.limit).await?;
    if args.api.json {
        return output::line(&list.json("deliveries"));
    }
    let names = ["id", "endpoint", "state", "type", "user", "attempts", "next_attempt_at", "error"];
    let heads = ["ID", "ENDPOINT", "STATE", "TYPE", "USER", "ATTEMPTS", "NEXT", "ERROR"];
    let rows: Vec<Vec<String>> =
        list.values()?.iter().map(|delivery| output::row(delivery, &names)).collect();
    output::line(&output::table(&heads, &rows))?;
    output::more(list.next.is_some())
}

pub(super) async fn replay(args: ReplayArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let answer = match &args.id {
        Some(id) => api.post(&["hooks", "deliveries", id, "replay"], "{}".to_owned()).await?,
        None => api.post(&["hooks", "replay"], range(&args).to_string()).await?,
    };
    if args.api.json {
        return output::line(answer.text());
    }
    if args.id.is_some() {
        return output::line("will be sent again");
    }
    let done = answer.value()?;
    output::line(&format!("{} will be sent again", output::field(&done, "replayed")))?;
    if done.get("more").and_then(Value::as_bool) == Some(true) {
        output::line("… there are more: make the same call again")?;
    }
    Ok(())
}

/// The body of the request; the server says what is wrong with it.
fn range(args: &ReplayArgs) -> Value {
    let fields = [("endpoint", &args.endpoint), ("from", &args.from), ("to", &args.to)];
    let given = fields.into_iter().filter_map(|(name, it)| Some((name, it.as_deref()?)));
    given.map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
}
