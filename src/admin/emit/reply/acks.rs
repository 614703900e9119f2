//! Acks, as they are told.

use crate::commands::schema::{SocketIdText, UserIdText};
use crate::connection::ReceivedAck;
use crate::core::emit::acks::{AckSummary, MissingAck, NotKept, SocketAck, WhyNoAck};
use crate::core::protocol::binary::{self, BinaryError};
use crate::types::millis;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A socket that acked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct AckReply {
    /// Whose socket it is.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The socket.
    #[schema(value_type = SocketIdText)]
    socket: String,
    /// Milliseconds from the emit to the ack.
    #[schema(example = 12)]
    ms: u64,
    /// What it said, as the client wrote it; a buffer is `{"$binary": "<base64>"}`. Absent if that is `omitted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<serde_json::Value>, nullable = false)]
    args: Option<Box<RawValue>>,
    /// Why `args` are absent: `request_full` (all acks of the request together are larger than 8 MB), `server_full` (those
    /// of all requests under way are larger than `messages.ack_bytes`), `too_deep` (buffers in it are nested too deep to
    /// be written as JSON), `repeated` (it names a buffer more than once).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    omitted: Option<OmittedName>,
}

/// Why what a socket said is not told.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OmittedName {
    RequestFull,
    ServerFull,
    TooDeep,
    Repeated,
}

/// A socket that did not ack, or a user of `to.users` who has none in the namespace.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct MissingReply {
    /// Whose socket it is.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The socket; absent if the user is `offline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SocketIdText)]
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

/// Both lists, as they are written.
pub(in crate::admin) fn acks(
    outcome: &AckSummary<ReceivedAck>,
) -> (Vec<AckReply>, Vec<MissingReply>) {
    let acks = outcome.acks.iter().map(|SocketAck { user, socket, took, answer }| {
        let args = match answer {
            Ok(answer) => write_args(answer),
            Err(NotKept::RequestFull) => Err(OmittedName::RequestFull),
            Err(NotKept::ServerFull) => Err(OmittedName::ServerFull),
        };
        let (args, omitted) = args.map_or_else(|why| (None, Some(why)), |it| (Some(it), None));
        let (user, socket) = (user.as_str().to_owned(), socket.to_string());
        AckReply { user, socket, ms: millis(*took), args, omitted }
    });
    let missing = outcome.missing.iter().map(|MissingAck { user, socket, why }| MissingReply {
        user: user.as_str().to_owned(),
        socket: Some(socket.to_string()),
        why: match why {
            WhyNoAck::Timeout => WhyName::Timeout,
            WhyNoAck::Disconnected => WhyName::Disconnected,
            WhyNoAck::NotSent => WhyName::NotSent,
            WhyNoAck::TooMany => WhyName::TooManyAcks,
            WhyNoAck::Cancelled => WhyName::Cancelled,
        },
    });
    let absent = outcome.absent.iter().map(|user| MissingReply {
        user: user.as_str().to_owned(),
        socket: None,
        why: WhyName::Offline,
    });
    (acks.collect(), missing.chain(absent).collect())
}

fn write_args(answer: &ReceivedAck) -> Result<Box<RawValue>, OmittedName> {
    if answer.buffers.is_empty() {
        return Ok(answer.args.clone());
    }
    // Fails only where the client wrote what no stock client writes: the ack counts all the same.
    binary::put_back(&answer.args, &answer.buffers).map_err(|why| match why {
        BinaryError::Repeated => OmittedName::Repeated,
        BinaryError::TooDeep
        | BinaryError::Mark
        | BinaryError::Placeholder
        | BinaryError::TooMany => OmittedName::TooDeep,
    })
}
