//! `userline emit`: send an event.

use super::api::{ApiArgs, ApiClient};
use super::audience::{AudienceArgs, AudienceBody, is_false};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Send an event to users, rooms, sockets or everybody
#[derive(Debug, Args)]
pub(super) struct EmitArgs {
    #[command(flatten)]
    audience: AudienceArgs,
    /// Drop it for clients that are not ready to take it at once
    #[arg(long)]
    volatile: bool,
    /// `{"$binary": "BASE64"}` anywhere in the arguments becomes a buffer
    #[arg(long)]
    binary: bool,
    /// Ask every socket for an ack, wait this long, and print who acked; such as 3s, at most 60s
    #[arg(long, value_name = "TIME")]
    ack: Option<String>,
    /// Whose acks end the wait early
    #[arg(long, value_name = "WHOSE", requires = "ack", value_parser = ["all", "any", "one_per_user"])]
    need: Option<String>,
    /// Keep it in the inboxes of the users; `if_offline`: of those of whom no connection takes it. Goes with --user alone
    #[arg(long, value_name = "WHEN", value_parser = ["always", "if_offline"])]
    store: Option<String>,
    /// How long it is kept, such as 7d [default: inbox.keep]
    #[arg(long, value_name = "TIME", requires = "store")]
    ttl: Option<String>,
    /// Your name for it: the same one again stores and sends nothing
    #[arg(long, value_name = "NAME", requires = "store", allow_hyphen_values = true)]
    id: Option<String>,
    /// It takes the place of unread ones with the same key
    #[arg(long, value_name = "KEY", requires = "store", allow_hyphen_values = true)]
    collapse_key: Option<String>,
    /// Name of the event
    event: String,
    /// Arguments of the event, each JSON; texts with their quotes: '"hello"'
    #[arg(value_name = "JSON", value_parser = parse_json, allow_negative_numbers = true)]
    args: Vec<Box<RawValue>>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Serialize)]
struct EmitBody<'a> {
    #[serde(flatten)]
    audience: AudienceBody<'a>,
    event: &'a str,
    args: &'a [Box<RawValue>],
    #[serde(skip_serializing_if = "is_false")]
    volatile: bool,
    #[serde(skip_serializing_if = "is_false")]
    binary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<AckBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct AckBody<'a> {
    timeout: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<&'a str>,
}

pub(super) async fn run(args: EmitArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Emit)?;
    let body = serde_json::to_string(&request(&args)).map_err(CommandFailure::internal)?;
    let answer = api.post(&["emit"], body).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let answer = answer.value()?;
    let [matched, sent] = ["matched", "sent"].map(|name| output::field(&answer, name));
    output::line(&format!("matched {matched}, sent {sent}"))?;
    let users = answer.get("users").and_then(Value::as_object);
    for (user, counts) in users.into_iter().flatten() {
        let [state, matched, sent] =
            ["state", "matched", "sent"].map(|name| output::field(counts, name));
        let inbox = counts.get("inbox").map(inbox_text).unwrap_or_default();
        output::line(&format!("  {user}: {state}, matched {matched}, sent {sent}{inbox}"))?;
    }
    for (title, list) in [("acked", "acks"), ("missing", "missing")] {
        print_acks(title, answer.get(list).and_then(Value::as_array))?;
    }
    Ok(())
}

/// Where an event is in the inbox of one user.
fn inbox_text(inbox: &Value) -> String {
    let (seq, id) = (output::field(inbox, "seq"), output::field(inbox, "id"));
    let is_old = inbox.get("duplicate").and_then(Value::as_bool) == Some(true);
    format!(", inbox {seq} ({id}{})", if is_old { ", was there already" } else { "" })
}

/// Who acked and how, or who did not and why; nothing if nobody was asked.
fn print_acks(title: &str, list: Option<&Vec<Value>>) -> Result<(), CommandFailure> {
    let Some(list) = list else { return Ok(()) };
    output::line(&format!("{title} {}", list.len()))?;
    for one in list {
        // A user who is offline has no socket.
        let socket = one.get("socket").map(|_| format!(" {}", output::field(one, "socket")));
        let (user, socket) = (output::field(one, "user"), socket.unwrap_or_default());
        let how = if one.get("why").is_some() {
            output::field(one, "why")
        } else {
            let args = one.get("args").map(|args| format!(", {args}")).unwrap_or_default();
            format!("{} ms{args}", output::field(one, "ms"))
        };
        output::line(&format!("  {user}{socket}: {how}"))?;
    }
    Ok(())
}

fn request(args: &EmitArgs) -> EmitBody<'_> {
    let need = args.need.as_deref();
    let ack = args.ack.as_deref().map(|timeout| AckBody { timeout, need });
    EmitBody {
        audience: args.audience.body(),
        event: &args.event,
        args: &args.args,
        volatile: args.volatile,
        binary: args.binary,
        ack,
        store: args.store.as_deref(),
        ttl: args.ttl.as_deref(),
        id: args.id.as_deref(),
        collapse_key: args.collapse_key.as_deref(),
    }
}

fn parse_json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("is not JSON ({error}); a text needs its quotes: '\"hello\"'"))
}
