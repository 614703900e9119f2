//! Each answer of a backend, and what it means.

use super::{AnswerFlaw, read};
use crate::core::rooms::granting::GrantRules;
use crate::types::{Room, RoomTemplate, WallMs};

const NOW: WallMs = WallMs(1_767_225_600_000);

/// Rooms by role are named after `data`.
fn rules() -> GrantRules {
    GrantRules::new(vec![RoomTemplate::parse("role:{roles[]}").unwrap()], Vec::new())
}

fn identity(body: &str) -> Result<String, AnswerFlaw> {
    let identity = read(200, None, body.as_bytes(), (&rules(), false), NOW)?;
    let grants = identity.grants;
    let rooms: Vec<_> = grants.rooms.iter().map(Room::as_str).collect();
    let data = grants.data.as_ref().map_or("", |it| it.get());
    let expires_at = grants.expires_at.map_or(0, |at| at.0);
    Ok(format!("{} {} {data} {expires_at}", identity.user, rooms.join(",")))
}

#[test]
fn an_answer_names_the_user_and_what_it_may_have() {
    let all = r#"{"user":42,"rooms":["org:7"],"data":{"x":1.0},"expires_at":1767225700,"more":1}"#;

    assert_eq!(identity(all).unwrap(), r#"42 org:7 {"x":1.0} 1767225700000"#);
    assert_eq!(identity(r#"{"user":"ann"}"#).unwrap(), "ann   0");
    assert_eq!(identity(r#"{"user":"ann","rooms":null,"expires_at":null}"#).unwrap(), "ann   0");
}

#[test]
fn rooms_follow_from_the_data_of_an_answer() {
    let rooms = |data: &str| identity(&format!(r#"{{"user":"a","rooms":["x"],"data":{data}}}"#));

    let roles = r#"{"roles":["admin",7],"name":1.0}"#;
    assert_eq!(rooms(roles).unwrap(), format!("a x,role:admin,role:7 {roles} 0"));
    for none in ["{}", "[]", "7", "\"roles\"", r#"{"roles":null}"#] {
        assert_eq!(rooms(none).unwrap(), format!("a x {none} 0"));
    }
    for wrong in [r#"{"roles":["a:b"]}"#, r#"{"roles":"admin"}"#, r#"{"roles":[],"roles":["a"]}"#] {
        assert!(matches!(rooms(wrong), Err(AnswerFlaw::Malformed(_))), "{wrong}");
    }
}

#[test]
fn an_answer_that_names_nobody_refuses_nobody_for_good() {
    for body in [
        "",
        "ok",
        "null",
        "[]",
        "{}",
        r#"{"user":null}"#,
        r#"{"user":{"id":1}}"#,
        r#"{"user":"a","user":"b"}"#,
        r#"{"user":"a","rooms":"org:7"}"#,
        r#"{"user":"a","rooms":["user:b"]}"#,
        r#"{"user":"a","rooms":["sock_AAAAAAAAAAAAAAAAAAAA"]}"#,
        r#"{"user":"a","expires_at":"tomorrow"}"#,
        r#"{"user":"a","expires_at":1767225600000}"#,
        r#"{"user":"a","expires_at":1767225600}"#,
        r#"<html><form action="/login">"#,
    ] {
        assert!(matches!(identity(body), Err(AnswerFlaw::Malformed(_))), "{body}");
    }
    assert!(matches!(
        read(200, None, b"\xff", (&rules(), false), NOW),
        Err(AnswerFlaw::Malformed(_))
    ));
}

#[test]
fn where_there_are_guests_an_answer_may_name_nobody() {
    let answer =
        |body: &str| read(200, None, body.as_bytes(), (&rules(), true), NOW).map(|it| it.user);

    assert_eq!(answer(r#"{"user":null,"rooms":["org:7"]}"#), Err(AnswerFlaw::Anonymous));
    assert!(matches!(answer("{}"), Err(AnswerFlaw::Malformed(_))), "that is a mistake");
    for guests in [r#"{"user":"guest:7"}"#, r#"{"user":"guest:"}"#] {
        assert!(matches!(answer(guests), Err(AnswerFlaw::Malformed(_))), "{guests}");
    }
}

#[test]
fn a_refusal_is_the_backends_own() {
    let refusal =
        |status, body: &str| match read(status, None, body.as_bytes(), (&rules(), false), NOW) {
            Err(AnswerFlaw::Refused(it)) => (it.code, it.message, it.data),
            other => panic!("{other:?}"),
        };
    let default = ("unauthorized".to_owned(), "the backend refused the client".to_owned(), None);

    assert_eq!(
        refusal(403, r#"{"code":"no_plan","message":"Upgrade first.","data":{"plan":"free"}}"#),
        ("no_plan".to_owned(), "Upgrade first.".to_owned(), Some(r#"{"plan":"free"}"#.to_owned()))
    );
    for body in ["", "Unauthorized", "[]", r#"{"code":"","message":7}"#] {
        assert_eq!(refusal(401, body), default, "{body}");
    }
    let (code, message, data) = refusal(
        401,
        &format!(r#"{{"code":"{0}","message":"{0}","data":"{0}"}}"#, "x".repeat(5000)),
    );
    assert_eq!((code.len(), message.len(), data), (64, 500, None));
}

#[test]
fn every_other_status_is_temporary_and_says_what_may_be_behind_it() {
    for (status, hint) in [
        (302, "login page"),
        (404, "path"),
        (405, "POST"),
        (419, "CSRF"),
        (400, "401 or 403"),
        (429, "rate"),
        (500, "trouble"),
        (503, "trouble"),
    ] {
        let Err(flaw) = read(status, None, b"{\"user\":\"eve\"}", (&rules(), false), NOW) else {
            panic!("{status}")
        };
        assert!(matches!(flaw, AnswerFlaw::Status { .. }), "{flaw:?}");
        assert!(flaw.to_string().contains(hint), "{flaw}");
    }
}
