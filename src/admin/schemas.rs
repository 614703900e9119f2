//! The closed lists of names in answers and parameters, for the document: from the lists that the program itself has.

use crate::commands::schema::{one_of, schemas};
use crate::config::HOOK_TYPES;
use crate::connection::Transport;
use crate::core::delivery::dispatch::Health;
use crate::core::delivery::record::DeliveryState;
use crate::core::inbox::Gone;
use crate::realtime::sources::{SourceKind, SourceState};
use crate::types::{Ending, Reason};
use serde_json::json;

/// The state of an endpoint for which another node delivers.
pub(super) const DELIVERED_ELSEWHERE: &str = "elsewhere";

schemas! {
    /// The state of a delivery.
    pub(super) DeliveryStateName = "DeliveryState": one_of(
        "`pending` (not tried yet; as a filter with the failing ones), `failing` (tried, and will be again), `dead` (given up; \
         can be sent again), `delivered`, or `replaced` (a newer event of the user took its place)",
        DeliveryState::ALL.map(DeliveryState::as_str),
    );
    /// How a receiver of hooks is doing.
    pub(super) EndpointStateName = "EndpointState": one_of(
        "`ok`, `failing` (some hooks are being retried), `open` (it fails: nothing is sent but probes) or `disabled` (it \
         answered 410: nothing is sent until a restart or a replay); `elsewhere`: another node of the cluster delivers, and \
         says more",
        Health::ALL.map(Health::as_str).into_iter().chain([DELIVERED_ELSEWHERE]),
    );
    /// The type of a hook.
    pub(super) HookTypeName = "HookType": one_of("What a hook tells; later versions may have more", HOOK_TYPES);
    /// What a source of emits is.
    pub(super) SourceKindName = "SourceKind":
        one_of("What a source of emits is", SourceKind::ALL.map(SourceKind::as_str));
    /// What a source of emits is doing.
    pub(super) SourceStateName = "SourceState": one_of(
        "`connecting`, `active` (it takes messages), `standby` (another server does) or `failing` (it cannot, and tries again)",
        SourceState::ALL.map(SourceState::as_str),
    );
    /// Whether a stored event is in an inbox.
    pub(super) PlacedStateName = "PlacedState": one_of(
        "`unread` and `read`: it is there. Gone are `deleted`, `collapsed` (a newer one with the same `collapse_key` took its \
         place), `expired`, `pushed_out` (of too many the oldest), `unknown` (before reasons were written down)",
        ["unread", "read"].into_iter().chain(Gone::ALL.map(Gone::as_str)),
    );
    /// How a connection reaches its client.
    pub(super) TransportName = "Transport":
        one_of("How a connection reaches its client", Transport::ALL.map(Transport::as_str));
    /// The states of users that are listed.
    pub(super) ListedStateName = "ListedState": one_of("State of users that are listed", ["online", "lingering"]);
    /// What becomes of hooks that are still to be sent.
    pub(super) UndeliveredName = "UndeliveredHooks": one_of("`send` them first, or `drop` them", ["send", "drop"]);
    /// A switch in a query.
    pub(super) SwitchText = "Switch": one_of("Yes or no", ["true", "false", "1", "0"]);
    /// The id of an emit.
    pub(super) MessageIdText = "MessageId": json!({
        "description": "Names an emit",
        "type": "string",
        "pattern": "^msg_[A-Za-z0-9_-]{20}$",
        "example": "msg_3n8FhzYp0cQ9LrTWk2aX",
    });
    /// Why a socket is gone.
    pub(super) ReasonName = "ReasonName": one_of(
        "`client_disconnect`: the client called `disconnect()`. \
         `transport_close`: its connection ended in an orderly way. \
         `transport_error`: it broke, or spoke nonsense. \
         `ping_timeout`: the client did not answer a ping in time. \
         `slow_consumer`: it took too little of what was sent. \
         `rate_limited`: it sent faster than `limits` allows. \
         `replaced`: it came back on another connection. \
         `kicked`: the admin API disconnected it. \
         `auth_unavailable`: who the client is in another namespace could not be found out for the time being. \
         `revoked`: its token was revoked. \
         `expired`: its credentials ended. \
         `user_mismatch`: its client brought credentials of another user. \
         `signed_in`: it was a guest's, and is a user's since. \
         `server_shutdown`: the server was stopping. \
         `server_restart`: of a user who did not come back after one, and in hooks of a socket that was here at a crash. \
         `node_lost`: not of a socket, only of a user whose node was gone and who did not come back on another one. \
         `audit`: a bug; its connection had been gone for a while.",
        Reason::ALL.map(Reason::as_str),
    );
    /// How a connection ended.
    pub(super) EndingName = "EndingName": one_of(
        "`goodbye`: the client closed the connection itself. \
         `end_of_stream`: it ended without that; its process or device went away, or a proxy cut it. \
         `reset`: its side, or something between, reset it. \
         `unreachable`: the network lost the client. \
         `broken`: it failed otherwise. \
         `poll_abandoned`: the client gave up a poll, as a closed tab does. \
         `polls_overlap`, `posts_overlap`: it sent two at once. \
         `malformed_body`: it posted no list of packets. \
         `buffer_full`: more than `limits.buffer_bytes` waited for it. \
         `stalled`: it took nothing for `limits.stall`. \
         `buffers_full`: more than `limits.waiting_bytes` waited for all clients, and of that most for this one. \
         `no_room`: with what it had begun to send, all clients would have had more than `limits.unfinished_bytes`.",
        Ending::ALL.map(Ending::as_str),
    );
}
