//! `userline rooms of`, `put` and `remove`: which rooms a user is in wherever and whenever it connects.

use crate::cli::api::{ApiArgs, ApiClient};
use crate::cli::exit::CommandFailure;
use crate::cli::output;
use crate::config::Scope;
use clap::Args;
use http::Method;
use serde_json::{Map, Value};

#[derive(Debug, Args)]
pub(super) struct OfArgs {
    /// The user
    #[arg(allow_hyphen_values = true)]
    user: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub(super) struct PutArgs {
    #[command(flatten)]
    of: MembershipArgs,
    /// How long, such as 1h; without this until it is taken back
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    of: MembershipArgs,
    /// No credential grants the room again, until the user is put into it
    #[arg(long)]
    deny: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Which membership is meant.
#[derive(Debug, Args)]
struct MembershipArgs {
    /// The user
    user: String,
    /// The room
    room: String,
    /// In this namespace only
    #[arg(long)]
    namespace: Option<String>,
}

pub(super) async fn list(args: &OfArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Read)?;
    let answer = api.get(&["users", &args.user, "rooms"], &[]).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let answer = answer.value()?;
    let rooms = answer.get("rooms").and_then(Value::as_array);
    let names = ["room", "namespace", "denied", "until"];
    let rows: Vec<Vec<String>> =
        rooms.into_iter().flatten().map(|it| output::row(it, &names)).collect();
    output::line(&output::table(&["ROOM", "NAMESPACE", "DENIED", "UNTIL"], &rows))
}

pub(super) async fn put(args: &PutArgs) -> Result<(), CommandFailure> {
    let given = args.lasts.as_ref().map(|it| ("for".to_owned(), Value::String(it.clone())));
    let reply = args.of.ask(&args.api, Method::PUT, given).await?;
    args.of.tell(reply, "in", "sockets have come in")
}

pub(super) async fn remove(args: &RemoveArgs) -> Result<(), CommandFailure> {
    let given = args.deny.then(|| ("deny".to_owned(), Value::Bool(true)));
    let reply = args.of.ask(&args.api, Method::DELETE, given).await?;
    let what = if args.deny { "denied" } else { "not in" };
    args.of.tell(reply, what, "sockets have gone out")
}

impl MembershipArgs {
    /// What was answered; `None` if it was printed as it is.
    async fn ask(
        &self,
        api: &ApiArgs,
        method: Method,
        given: Option<(String, Value)>,
    ) -> Result<Option<Value>, CommandFailure> {
        let path = ["users", &self.user, "rooms", &self.room];
        let query: Vec<_> = self.namespace.iter().map(|it| ("namespace", it.clone())).collect();
        let body = Value::Object(given.into_iter().collect::<Map<_, _>>()).to_string();
        let client = ApiClient::new(api, Scope::Control)?;
        let answer = client.change(method, &path, &query, body).await?;
        if api.json {
            output::line(answer.text())?;
            return Ok(None);
        }
        answer.value().map(Some)
    }

    fn tell(&self, reply: Option<Value>, what: &str, whom: &str) -> Result<(), CommandFailure> {
        let Some(reply) = reply else { return Ok(()) };
        let (user, room) = (output::plain(&self.user), output::plain(&self.room));
        let changed = output::field(&reply, "changed");
        output::line(&format!("{user}: {what} {room}, {changed} {whom}"))
    }
}
