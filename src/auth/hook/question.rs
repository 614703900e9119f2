//! What the backend is told of a client. What the client could have forged stands apart from what it could not.

use crate::auth::Credentials;
use crate::core::delivery::hook_body::rfc3339;
use crate::types::WallMs;
use aws_lc_rs::digest::{Context, SHA256};
use http::header::{COOKIE, HeaderName, ORIGIN, USER_AGENT};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Serialize)]
struct Question<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    client: ClientPart<'a>,
    verified: VerifiedPart<'a>,
}

/// As the client sent it.
#[derive(Serialize)]
struct ClientPart<'a> {
    auth: BTreeMap<&'a str, &'a RawValue>,
    query: &'a str,
    headers: BTreeMap<&'a str, String>,
}

/// As the server itself saw it.
#[derive(Serialize)]
struct VerifiedPart<'a> {
    address: IpAddr,
    namespace: &'a str,
}

/// The body of the question.
pub(super) fn render(credentials: &Credentials<'_>, now: WallMs) -> String {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in credentials.headers {
        let value = String::from_utf8_lossy(value.expose());
        headers
            .entry(name.as_str())
            // RFC 9110 §5.3; cookies, RFC 6265 §5.4.
            .and_modify(|all| *all = [all, &*value].join(if *name == COOKIE { "; " } else { ", " }))
            .or_insert_with(|| value.to_string());
    }
    let question = Question {
        r#type: "client.connect",
        timestamp: rfc3339(now),
        data: Data {
            client: ClientPart {
                auth: credentials.auth.of_backend().collect(),
                query: credentials.query,
                headers,
            },
            verified: VerifiedPart {
                address: credentials.address,
                namespace: credentials.namespace.as_str(),
            },
        },
    };
    // Writing texts to memory does not fail.
    serde_json::to_string(&question).unwrap_or_default()
}

/// Parameters of every handshake: of Engine.IO, what keeps caches away, and `resume=1`.
const OWN_PARAMETERS: [&str; 7] = ["EIO", "transport", "sid", "t", "b64", "j", "resume"];
/// Headers that every browser sends.
const COMMON_HEADERS: [HeaderName; 2] = [ORIGIN, USER_AGENT];

/// Whether there is anything in it by which the backend could know the client.
pub(in crate::auth) fn is_told_by(credentials: &Credentials<'_>) -> bool {
    let parameters = credentials.query.split('&').filter(|it| !it.is_empty());
    let mut names = parameters.map(|it| it.split_once('=').map_or(it, |(name, _)| name));
    credentials.auth.of_backend().next().is_some()
        || credentials.headers.iter().any(|(name, _)| !COMMON_HEADERS.contains(name))
        || names.any(|it| !OWN_PARAMETERS.contains(&it))
}

/// Tells a client from others, by what the backend is told of it.
pub(super) fn client_key(credentials: &Credentials<'_>) -> u64 {
    let mut hash = Context::new(&SHA256);
    hash.update(credentials.address.to_string().as_bytes());
    for (key, value) in credentials.auth.of_backend() {
        hash.update(key.as_bytes());
        hash.update(value.get().as_bytes());
    }
    for (name, value) in credentials.headers {
        hash.update(name.as_str().as_bytes());
        hash.update(value.expose());
    }
    let hash = hash.finish();
    hash.as_ref().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}
