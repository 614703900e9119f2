//! The tables of codes in the README are whole: a code that is new in the source and missing there fails here.

use crate::admin::error_code::Code;
use crate::auth::{BackendRefusal, Refusal, RoomFlaw, TokenFlaw, UserFlaw};
use crate::core::auth::resume_families::ResumeFlaw;
use crate::core::control::restrictions::Barred;
use crate::core::protocol::loan::BadAuth;
use crate::core::protocol::packet;
use crate::realtime::admission::ConnectError;
use std::collections::BTreeSet;
use std::iter::successors;

/// Read when the test runs: the sources alone must compile.
fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The first and second cell of each row of the table whose head begins with `head`.
fn rows(head: &str) -> Vec<(String, String)> {
    let readme = readme();
    let mut lines = readme.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let mut rows = Vec::new();
    while let Some(row) = lines.next().and_then(|line| line.strip_prefix("| ")) {
        let mut cells = row.split(" | ");
        rows.push((cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned()));
    }
    assert!(5 < rows.len(), "no table {head} any more: {rows:?}");
    rows
}

/// The texts between backticks.
fn ticked(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each code and the next; the compiler sees to it that a new one is not forgotten.
fn next_code(code: Code) -> Option<Code> {
    Some(match code {
        Code::InvalidArgument => Code::Unauthenticated,
        Code::Unauthenticated => Code::Forbidden,
        Code::Forbidden => Code::NotFound,
        Code::NotFound => Code::MethodNotAllowed,
        Code::MethodNotAllowed => Code::RequestTimeout,
        Code::RequestTimeout => Code::Conflict,
        Code::Conflict => Code::IdempotencyMismatch,
        Code::IdempotencyMismatch => Code::PayloadTooLarge,
        Code::PayloadTooLarge => Code::UnsupportedMediaType,
        Code::UnsupportedMediaType => Code::ReservedEvent,
        Code::ReservedEvent => Code::Internal,
        Code::Internal => Code::Unavailable,
        Code::Unavailable => return None,
    })
}

/// The same for what a client is refused with.
fn next_refusal(refusal: &Refusal) -> Option<Refusal> {
    Some(match refusal {
        Refusal::AuthInvalid => Refusal::TokenMissing,
        Refusal::TokenMissing => Refusal::TokenInvalid(TokenFlaw::Signature),
        Refusal::TokenInvalid(_) => Refusal::TokenExpired,
        Refusal::TokenExpired => Refusal::TokenNotYetValid,
        Refusal::TokenNotYetValid => Refusal::UserInvalid(UserFlaw::Type),
        Refusal::UserInvalid(_) => Refusal::RoomInvalid(RoomFlaw::Type),
        Refusal::RoomInvalid(_) => Refusal::ResumeInvalid,
        Refusal::ResumeInvalid => Refusal::ResumeRefused(ResumeFlaw::Expired),
        Refusal::ResumeRefused(ResumeFlaw::Expired) => Refusal::ResumeRefused(ResumeFlaw::Revoked),
        Refusal::ResumeRefused(ResumeFlaw::Revoked) => Refusal::ResumeRefused(ResumeFlaw::Reused),
        Refusal::ResumeRefused(ResumeFlaw::Reused) => Refusal::Anonymous,
        Refusal::Anonymous => Refusal::GuestLimit,
        Refusal::GuestLimit => Refusal::Backend(Box::new(BackendRefusal {
            code: "unauthorized".to_owned(),
            message: String::new(),
            data: None,
        })),
        Refusal::Backend(_) => Refusal::Unavailable,
        Refusal::Unavailable => return None,
    })
}

fn next_connect_error(error: &ConnectError) -> Option<ConnectError> {
    Some(match error {
        ConnectError::Refused(refusal) => match next_refusal(refusal) {
            Some(refusal) => ConnectError::Refused(refusal),
            None => ConnectError::BadAuth(BadAuth::TooLarge { len: 2, max: 1 }),
        },
        ConnectError::BadAuth(BadAuth::TooLarge { .. }) => {
            ConnectError::BadAuth(BadAuth::Malformed)
        }
        ConnectError::BadAuth(BadAuth::Malformed) => ConnectError::InboxAfter,
        ConnectError::InboxAfter => ConnectError::Device,
        ConnectError::Device => ConnectError::TooManyRooms { len: 2, max: 1 },
        ConnectError::TooManyRooms { .. } => {
            ConnectError::Barred(Barred::Blocked { reason: None, until: None })
        }
        ConnectError::Barred(Barred::Blocked { .. }) => ConnectError::Barred(Barred::Revoked),
        ConnectError::Barred(Barred::Revoked) => ConnectError::UserLimit,
        ConnectError::UserLimit => ConnectError::UserLimitUnclear,
        ConnectError::UserLimitUnclear => ConnectError::OtherUser,
        ConnectError::OtherUser => ConnectError::Unavailable,
        ConnectError::Unavailable => return None,
    })
}

#[test]
fn every_code_of_the_admin_api_is_in_the_readme_with_its_status() {
    let all = successors(Some(Code::InvalidArgument), |code| next_code(*code));
    let source: BTreeSet<(String, String)> =
        all.map(|it| (it.status().as_str().to_owned(), it.as_str().to_owned())).collect();

    let table: BTreeSet<(String, String)> = rows("| status | `code` |")
        .into_iter()
        .flat_map(|(status, codes)| {
            ticked(&codes).into_iter().map(move |code| (status.clone(), code))
        })
        .collect();

    assert_eq!(table, source);
}

#[test]
fn every_code_that_a_client_may_be_refused_with_is_in_the_readme() {
    let first = ConnectError::Refused(Refusal::AuthInvalid);
    let mut source: BTreeSet<String> = successors(Some(first), next_connect_error)
        // The connection is closed instead, so no client ever sees these codes.
        .filter(|it| {
            !matches!(
                it,
                ConnectError::Unavailable
                    | ConnectError::UserLimitUnclear
                    | ConnectError::Refused(Refusal::Unavailable)
            )
        })
        .map(|it| it.code().to_owned())
        .collect();
    // These are decided before anybody is asked to authenticate.
    let unknown = String::from_utf8_lossy(&packet::invalid_namespace("/nowhere")).into_owned();
    assert!(unknown.contains("\"code\":\"invalid_namespace\""), "{unknown}");
    source.extend(["invalid_namespace", "parser_unsupported"].map(str::to_owned));

    let table: BTreeSet<String> =
        rows("| `err.data.code` |").into_iter().flat_map(|(codes, _)| ticked(&codes)).collect();

    assert_eq!(table, source);
}
