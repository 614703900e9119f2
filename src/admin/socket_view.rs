//! What is told of a socket: of one that is here, and of one that was.

use super::attached::AttachedObject;
use super::schemas::{EndingName, ReasonName, TransportName};
use super::time::Time;
use crate::commands::schema::{
    DeviceIdText, FamilyText, NamespaceText, RoomText, SocketIdText, UserIdText,
};
use crate::core::cluster::bus::past::VisitFacts;
use crate::realtime::directory::SocketFacts;
use crate::types::WallMs;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A socket: one client in one namespace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketView {
    /// What the client sees as `socket.id`.
    #[schema(value_type = SocketIdText)]
    id: String,
    /// Whose it is.
    #[schema(value_type = UserIdText)]
    user: String,
    /// What its client calls the tab or device it runs in (`auth.device`), if it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DeviceIdText)]
    device: Option<String>,
    /// Its namespace.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// The address of the client, behind trusted proxies.
    #[schema(example = "203.0.113.7")]
    address: String,
    /// The client's `User-Agent`, at most 256 bytes; the client may write anything there.
    #[schema(required)]
    user_agent: Option<String>,
    /// How the connection reaches the client now: `websocket` or `polling`.
    #[schema(value_type = TransportName)]
    transport: String,
    /// The rooms it is in, sorted.
    #[schema(value_type = Vec<RoomText>, example = json!(["org:7", "user:42"]))]
    rooms: Vec<String>,
    /// When it was authenticated.
    connected_at: Time,
    /// Names the resume tokens of its client, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = FamilyText)]
    family: Option<String>,
    /// When its credentials end, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Time>,
    /// What authentication said of it besides, as it was written; `null` if nothing.
    #[schema(value_type = serde_json::Value, required)]
    data: Option<Box<RawValue>>,
    /// What `PATCH /v1/sockets/{id}/data` has attached to it, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AttachedObject, nullable = false)]
    attached: Option<Box<RawValue>>,
}

/// What is attached, as JSON.
pub(super) fn attached_json(attached: Option<&str>) -> Option<Box<RawValue>> {
    attached.and_then(|it| RawValue::from_string(it.to_owned()).ok())
}

impl From<SocketFacts> for SocketView {
    fn from(facts: SocketFacts) -> Self {
        let json = |text: String| RawValue::from_string(text).ok();
        Self {
            id: facts.id().to_string(),
            user: facts.user,
            device: facts.device,
            namespace: facts.namespace,
            address: facts.address,
            user_agent: facts.user_agent,
            transport: facts.transport,
            rooms: facts.rooms,
            connected_at: Time(WallMs(facts.connected_at)),
            family: facts.family,
            expires_at: facts.expires_at.map(|it| Time(WallMs(it))),
            data: facts.data.and_then(json),
            attached: facts.attached.and_then(json),
        }
    }
}

/// One socket's time here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VisitView {
    /// Its id.
    #[schema(value_type = SocketIdText)]
    id: String,
    /// Its namespace.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// The address of the client, behind trusted proxies.
    #[schema(example = "203.0.113.7")]
    address: String,
    /// The client's `User-Agent`, at most 256 bytes; the client may write anything there.
    #[schema(required)]
    user_agent: Option<String>,
    /// How the connection reached the client at the end, or reaches it now: `websocket` or `polling`.
    #[schema(value_type = TransportName)]
    transport: String,
    /// Whether the connection began by polling and went over to WebSocket.
    upgraded: bool,
    /// When it was authenticated.
    connected_at: Time,
    /// When it was gone; absent while it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    disconnected_at: Option<Time>,
    /// Why it was gone; absent while it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ReasonName)]
    reason: Option<String>,
    /// Milliseconds between the last packet of the client, such as its answer to a ping, and the end of its
    /// connection, or now.
    #[schema(example = 12_345)]
    last_pong_ms_ago: u64,
    /// Bytes the client sent on the connection: WebSocket frames and polling bodies.
    #[schema(example = 1234)]
    bytes_in: u64,
    /// Bytes the client was sent on the connection.
    #[schema(example = 56_789)]
    bytes_out: u64,
    /// Bytes that waited in the server for the client, at the end or now; what is on its way in the network is not
    /// among them.
    #[schema(example = 0)]
    pending_bytes: usize,
    /// What was seen of the connection at its end, if anything; `reason` is what it was taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EndingName)]
    close_detail: Option<String>,
    /// The code with which the client closed its WebSocket, if it did: 1000 and 1005 by its program, 1001 because the
    /// page was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1001)]
    close_code: Option<u16>,
}

impl From<VisitFacts> for VisitView {
    fn from(visit: VisitFacts) -> Self {
        let (disconnected_at, reason) = visit.end.unzip();
        Self {
            id: visit.id.to_string(),
            namespace: visit.namespace,
            address: visit.address,
            user_agent: visit.user_agent,
            transport: visit.transport,
            upgraded: visit.is_upgraded,
            connected_at: Time(WallMs(visit.connected_at)),
            disconnected_at: disconnected_at.map(|it| Time(WallMs(it))),
            reason,
            last_pong_ms_ago: visit.silent_ms,
            bytes_in: visit.bytes_in,
            bytes_out: visit.bytes_out,
            pending_bytes: visit.pending_bytes,
            close_detail: visit.ending,
            close_code: visit.close_code,
        }
    }
}
