//! What a presence change, a socket that came or went, or a message that did not arrive looks like on the wire: body and id of its hook.
//!
//! The body is rendered once, when the news is recorded, so every retry sends the same bytes.

#[cfg(test)]
mod tests;

use crate::types::{
    Change, ChangeKind, Portrait, Reason, Seq, SocketChange, SocketPortrait, Undelivered, UserId,
    WallMs,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes of a hash that go into an id: 128 bits keep two users apart.
const HASH_BYTES: usize = 16;
/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// The JSON body of a change:
/// `{"type":"user.offline","timestamp":"…","data":{"user","seq","session","reason","online_since","last_socket_closed_at"}}`.
///
/// Times are RFC 3339 in UTC with milliseconds; `seq` and `session` are numbers. Of these, `user.online` has `user`, `seq` and
/// `session`. What the portrait says follows: `rooms`, `data` and `attached`.
pub fn render(change: &Change) -> String {
    let (hook_type, at) = (change.hook_type(), rfc3339(change.at));
    let (user, seq, session) = (quoted(change.user.as_str()), change.seq.0, change.session.0);
    let more = match &change.kind {
        ChangeKind::Online => String::new(),
        ChangeKind::Offline { reason, online_since, last_socket_closed_at } => format!(
            r#","reason":"{reason}","online_since":"{}","last_socket_closed_at":"{}""#,
            rfc3339(*online_since),
            rfc3339(*last_socket_closed_at),
        ),
    };
    let Portrait { granted, attached } = &change.portrait;
    let granted = granted.as_ref().map(|it| format!(",{it}")).unwrap_or_default();
    let attached = attached.as_ref().map(|it| format!(r#","attached":{it}"#)).unwrap_or_default();
    format!(
        r#"{{"type":"{hook_type}","timestamp":"{at}","data":{{"user":{user},"seq":{seq},"session":{session}{more}{granted}{attached}}}}}"#
    )
}

/// The JSON body of a message that did not reach a user:
/// `{"type":"message.undelivered","timestamp":"…","data":{"user","id","event","namespace","why","matched","inbox","args"}}`;
/// the last two only if there are any.
pub fn render_undelivered(it: &Undelivered) -> String {
    let (hook_type, at) = (Undelivered::HOOK_TYPE, rfc3339(it.at));
    let (user, id, event) =
        (quoted(it.user.as_str()), quoted(&it.message), quoted(it.event.as_str()));
    let (namespace, why, matched) = (quoted(it.namespace.as_str()), it.why.as_str(), it.matched);
    let inbox = it
        .inbox
        .as_ref()
        .map(|(seq, id)| format!(r#","inbox":{{"seq":{},"id":{}}}"#, seq.0, quoted(id.as_str())));
    let args = it.args.as_ref().map(|args| format!(r#","args":{args}"#));
    let (inbox, args) = (inbox.unwrap_or_default(), args.unwrap_or_default());
    format!(
        r#"{{"type":"{hook_type}","timestamp":"{at}","data":{{"user":{user},"id":{id},"event":{event},"namespace":{namespace},"why":"{why}","matched":{matched}{inbox}{args}}}}}"#
    )
}

/// The JSON body of a socket that came or went: `{"type":"socket.disconnected","timestamp":"…","data":{…}}` with what
/// [`socket_facts`] says in its `data`, and of one that went also `disconnected_at`, `reason`, `duration_ms`, and `attached` if
/// anything is.
pub fn render_socket(change: &SocketChange) -> String {
    let Some(reason) = change.end else {
        return socket_body(SocketChange::CONNECTED, change.at, &socket_facts(change));
    };
    let ended = ended_socket_words(&change.socket, reason, change.at);
    let (user, session) = (quoted(change.user.as_str()), change.session.0);
    let data = format!(r#""user":{user},"session":{session},{ended}"#);
    socket_body(SocketChange::DISCONNECTED, change.at, &data)
}

/// What hooks say of a socket, as members of an object: `user`, `session`, `socket`, `namespace`, `device` (if its client names
/// one), `address`, `user_agent`, `transport`, `connected_at`, and what it was granted where hooks say that.
pub fn socket_facts(change: &SocketChange) -> String {
    let (user, session) = (quoted(change.user.as_str()), change.session.0);
    format!(r#""user":{user},"session":{session},{}"#, socket_words(&change.socket))
}

/// The same of one that went, without its user and the session.
pub fn ended_socket_words(it: &SocketPortrait, reason: Reason, went: WallMs) -> String {
    let ended = with_end(&socket_words(it), reason, (it.connected_at, went));
    let attached = it.attached.as_ref();
    let attached = attached.map(|it| format!(r#","attached":{it}"#)).unwrap_or_default();
    format!("{ended}{attached}")
}

/// What [`socket_facts`] says beside the user and the session.
pub fn socket_words(it: &SocketPortrait) -> String {
    let (namespace, transport) = (quoted(it.namespace.as_str()), it.transport);
    let device = it.device.as_ref().map(|it| format!(r#","device":{}"#, quoted(it.as_str())));
    let agent = it.user_agent.as_deref().map_or_else(|| "null".to_owned(), quoted);
    let granted = it.granted.as_ref().map(|it| format!(",{it}")).unwrap_or_default();
    let (id, address, since) = (it.id, it.address, rfc3339(it.connected_at));
    let device = device.unwrap_or_default();
    format!(
        r#""socket":"{id}","namespace":{namespace}{device},"address":"{address}","user_agent":{agent},"transport":"{transport}","connected_at":"{since}"{granted}"#
    )
}

/// The JSON body of a socket that an earlier life of the process had let in, and whose end nobody saw: found out `at`, by what
/// was written down of it when it came. It `came`, and that life `ended`.
pub fn render_lost_socket(facts: &str, at: WallMs, (came, ended): (WallMs, WallMs)) -> String {
    let ended = with_end(facts, Reason::ServerRestart, (came, ended));
    socket_body(SocketChange::DISCONNECTED, at, &ended)
}

fn with_end(facts: &str, reason: Reason, (came, went): (WallMs, WallMs)) -> String {
    let (until, ms) = (rfc3339(went), went.0.saturating_sub(came.0));
    format!(r#"{facts},"disconnected_at":"{until}","reason":"{reason}","duration_ms":{ms}"#)
}

fn socket_body(hook_type: &str, at: WallMs, data: &str) -> String {
    let at = rfc3339(at);
    format!(r#"{{"type":"{hook_type}","timestamp":"{at}","data":{{{data}}}}}"#)
}

/// The body with `"coalesced":n` in its `data`: `replaced` older events of the user were never sent. Unchanged for 0.
pub fn with_coalesced(body: &str, replaced: u64) -> String {
    match body.strip_suffix("}}") {
        Some(open) if 0 < replaced => format!(r#"{open},"coalesced":{replaced}}}}}"#),
        Some(_) | None => body.to_owned(),
    }
}

/// The body of a batch: a JSON array of the bodies, each with its own `webhook-id` as its `id`.
///
/// A failed batch is sent again in other batches, under other ids; by its own id a receiver knows an event again.
pub fn batch(events: &[(String, String)]) -> String {
    let element = |(id, body): &(String, String)| match body.strip_prefix('{') {
        // Our ids hold nothing that JSON would escape.
        Some(rest) => format!(r#"{{"id":"{id}",{rest}"#),
        None => body.clone(),
    };
    format!("[{}]", events.iter().map(element).collect::<Vec<_>>().join(","))
}

/// The `webhook-id` of a change: `pr_<hash of the user>_<seq>`, the same at every attempt and unlike any other.
///
/// The user is hashed because the id travels in a header and in logs, and holds no dot because the signature is
/// computed over parts that are separated by dots.
pub fn webhook_id(user: &UserId, seq: Seq) -> String {
    named("pr", user, seq)
}

/// The `webhook-id` of an event of any type: that of a change; of a message `ms_<hash of the user>_<seq>`, of a socket
/// `so_<hash of the user>_<seq>`.
pub fn id_of(hook_type: &str, user: &UserId, seq: Seq) -> String {
    if hook_type == Undelivered::HOOK_TYPE {
        named("ms", user, seq)
    } else if SocketChange::HOOK_TYPES.contains(&hook_type) {
        named("so", user, seq)
    } else {
        webhook_id(user, seq)
    }
}

fn named(kind: &str, user: &UserId, seq: Seq) -> String {
    format!("{kind}_{}_{}", hash(user.as_str().as_bytes()), seq.0)
}

/// The `webhook-id` of a batch: `ba_<hash of the ids in it>`.
///
/// It is made of all ids, not of the first: the events of a failed batch are sent again one by one, and a receiver
/// that drops repeated ids must not take one of them for the batch.
pub fn batch_id(events: &[(String, String)]) -> String {
    let ids: Vec<&str> = events.iter().map(|(id, _)| id.as_str()).collect();
    format!("ba_{}", hash(ids.join("\n").as_bytes()))
}

/// A point in time as RFC 3339 in UTC with milliseconds, such as `2026-08-01T09:41:00.000Z`.
pub fn rfc3339(at: WallMs) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at.0.min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

/// A text in JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hash(bytes: &[u8]) -> String {
    let whole = digest(&SHA256, bytes);
    let part = whole.as_ref().get(..HASH_BYTES).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(part)
}
