//! Acks: what a backend asks of clients, and what they said.

use crate::admin::error::ApiError;
use crate::core::emit::acks::{Ack, Missing, Need, Outcome, Why};
use crate::core::emit::message::Ask;
use crate::core::protocol::ack_reader::HeardAck;
use crate::core::protocol::binary;
use crate::types::millis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
use utoipa::ToSchema;

/// The longest wait for acks.
const TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// What is asked of the clients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"timeout": "5s", "need": "all"}))]
pub(super) struct AckRequest {
    /// How long to wait for the acks: 1 ms to 60 s.
    timeout: Timeout,
    /// Whose acks end the wait early.
    #[serde(default)]
    need: NeedName,
}

/// A duration such as "5s", or milliseconds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a duration such as \"5s\", or a number of milliseconds")]
enum Timeout {
    Text(String),
    Ms(u64),
}

/// Whose acks end the wait early.
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NeedName {
    /// Every socket's.
    #[default]
    All,
    /// That of one socket, whichever.
    Any,
    /// That of one socket of each user.
    OnePerUser,
}

/// A socket that acked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct AckReply {
    /// Whose socket it is.
    #[schema(example = "42")]
    user: String,
    /// The socket.
    #[schema(example = "Zm9vYmFyYmF6cXV4MTIz")]
    socket: String,
    /// Milliseconds from the emit to the ack.
    #[schema(example = 12)]
    ms: u64,
    /// What it said, as the client wrote it; a buffer is `{"$binary": "<base64>"}`. Absent if all acks of the emit
    /// together are larger than 8 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<serde_json::Value>, nullable = false)]
    args: Option<Box<RawValue>>,
}

/// A socket that did not ack, or a user of `to.users` who has none in the namespace.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct MissingReply {
    /// Whose socket it is.
    #[schema(example = "42")]
    user: String,
    /// The socket; absent if the user is `offline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Zm9vYmFyYmF6cXV4MTIz")]
    socket: Option<String>,
    /// Why: `timeout`, `disconnected` (before it answered), `not_sent` (its connection was closing, or busy and the
    /// event volatile), `too_many_acks` (128 are awaited on its connection; it was not sent), `cancelled` (what was
    /// needed had come before), `offline` (a user of `to.users` has no socket in the namespace).
    why: WhyName,
}

/// Why a socket, or a user, did not ack.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WhyName {
    Timeout,
    Disconnected,
    NotSent,
    TooManyAcks,
    Cancelled,
    Offline,
}

impl AckRequest {
    /// Reads it; an error names the field.
    pub(super) fn parse(&self) -> Result<Ask, ApiError> {
        let timeout = match &self.timeout {
            Timeout::Text(text) => humantime::parse_duration(text).ok(),
            Timeout::Ms(ms) => Some(Duration::from_millis(*ms)),
        };
        let range = Duration::from_millis(1)..=TIMEOUT_MAX;
        let timeout = timeout.filter(|it| range.contains(it)).ok_or_else(|| {
            let why = "must be a duration such as \"5s\", or milliseconds, from 1ms to 60s";
            ApiError::field("ack.timeout", why)
        })?;
        let need = match self.need {
            NeedName::All => Need::All,
            NeedName::Any => Need::Any,
            NeedName::OnePerUser => Need::OnePerUser,
        };
        Ok(Ask { need, timeout })
    }
}

/// Both lists, as they are written.
pub(in crate::admin) fn write(outcome: &Outcome<HeardAck>) -> (Vec<AckReply>, Vec<MissingReply>) {
    let acks = outcome.acks.iter().map(|Ack { user, socket, took, answer }| AckReply {
        user: user.as_str().to_owned(),
        socket: socket.to_string(),
        ms: millis(*took),
        args: answer.as_ref().and_then(write_args),
    });
    let missing = outcome.missing.iter().map(|Missing { user, socket, why }| MissingReply {
        user: user.as_str().to_owned(),
        socket: Some(socket.to_string()),
        why: match why {
            Why::Timeout => WhyName::Timeout,
            Why::Disconnected => WhyName::Disconnected,
            Why::NotSent => WhyName::NotSent,
            Why::TooMany => WhyName::TooManyAcks,
            Why::Cancelled => WhyName::Cancelled,
        },
    });
    let absent = outcome.absent.iter().map(|user| MissingReply {
        user: user.as_str().to_owned(),
        socket: None,
        why: WhyName::Offline,
    });
    (acks.collect(), missing.chain(absent).collect())
}

fn write_args(answer: &HeardAck) -> Option<Box<RawValue>> {
    if answer.buffers.is_empty() {
        return Some(answer.args.clone());
    }
    // Fails only where the client nested deeper than anybody reads: the ack counts all the same.
    binary::put_back(&answer.args, &answer.buffers).ok()
}
