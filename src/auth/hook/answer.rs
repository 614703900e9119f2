//! What the backend says of a client.

use crate::auth::claims;
use crate::auth::object::JsonFields;
use crate::auth::refusal::BackendRefusal;
use crate::core::rooms::granting::{GrantRules, GrantedRooms};
use crate::types::{Grants, Identity, WallMs};
use std::time::Duration;
use thiserror::Error;

/// Why an answer does not say who the client is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum AnswerFlaw {
    /// The backend does not know the client, which may be a guest.
    #[error("nobody is named")]
    Anonymous,
    /// The client may not come in.
    #[error("refused")]
    Refused(Box<BackendRefusal>),
    #[error("{0}")]
    Silence(String),
    #[error("status {status}: {}", likely_cause(*status))]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("the answer is not what it must be: {0}")]
    Malformed(String),
}

/// Who the client is: `{"user", "rooms", "data", "expires_at"}`; all but the user may be left out. 401 and 403 refuse it. Where
/// there are guests, `{"user": null}` says that it is one.
pub(super) fn read(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    rules: (&GrantRules, bool),
    now: WallMs,
) -> Result<Identity, AnswerFlaw> {
    match status {
        200..=299 => identity(body, rules, now),
        401 | 403 => Err(AnswerFlaw::Refused(Box::new(BackendRefusal::read(body)))),
        status => Err(AnswerFlaw::Status { status, retry_after }),
    }
}

fn identity(
    body: &[u8],
    (rules, has_guests): (&GrantRules, bool),
    now: WallMs,
) -> Result<Identity, AnswerFlaw> {
    let malformed = |why: &str| AnswerFlaw::Malformed(why.to_owned());
    let text = str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    let answer = JsonFields::parse(text)
        .ok_or_else(|| malformed("it must be a JSON object such as {\"user\": \"42\"}"))?;
    if has_guests && answer.is_null("user") {
        return Err(AnswerFlaw::Anonymous);
    }
    let unfit = |refusal: crate::auth::Refusal| AnswerFlaw::Malformed(refusal.to_string());
    let user = claims::user(answer.get("user")).map_err(unfit)?;
    let granted = claims::rooms_by_data(&answer, rules).map_err(unfit)?;
    let expires_at = answer.get("expires_at").map(claims::time).transpose();
    let expires_at =
        expires_at.map_err(|_| malformed("`expires_at` must be seconds since 1970"))?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err(malformed("`expires_at` is in the past: it must be seconds since 1970"));
    }
    let (data, issued_at) = (claims::data(&answer), Some(now));
    let GrantedRooms { rooms, joinable } = granted;
    let grants = Grants { rooms, joinable, data, expires_at, issued_at, resume: None };
    Ok(Identity { user, grants })
}

/// What usually is behind a status.
fn likely_cause(status: u16) -> &'static str {
    match status {
        300..=399 => {
            "redirects are not followed; does the route redirect to a login page? It must answer 401 instead"
        }
        404 | 405 => "is the path of auth.hook.url right, and does it take POST?",
        419 => {
            "CSRF protection refuses the request; take the route out of it, the signature protects it"
        }
        429 => "the backend limits the rate of requests",
        400..=499 => "it refuses the request itself; a client is refused with 401 or 403",
        _ => "the backend is in trouble",
    }
}

#[cfg(test)]
mod tests;
