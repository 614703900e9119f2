use super::{ContactRule, Reach, Viewer, is_own_room};
use crate::types::{NamePattern, Room, UserId};
use serde_json::value::RawValue;

fn room(name: &str) -> Room {
    Room::parse(name).unwrap()
}

/// Whether `rules` let a client with these rooms and this data reach a user 7 who is in these rooms.
fn reaches(rules: &[&str], rooms: &[&str], data: &str, others: &[&str]) -> bool {
    let rules: Vec<_> = rules.iter().map(|it| ContactRule::parse(it).unwrap()).collect();
    let rooms: Vec<_> = rooms.iter().map(|it| room(it)).collect();
    let data = RawValue::from_string(data.to_owned()).unwrap();
    let (ann, seven) = (UserId::parse("ann").unwrap(), UserId::parse("7").unwrap());
    let viewer = Viewer { user: &ann, rooms: &rooms, data: Some(&data) };
    Reach::new(&rules, viewer).has(&seven, |it| others.contains(&it.as_str()))
}

#[test]
fn who_shares_a_room_is_in_reach() {
    let shared = ["shared_room:org:*"];
    assert!(reaches(&shared, &["a", "org:1"], "null", &["org:1"]));
    assert!(!reaches(&shared, &["a", "org:1"], "null", &["a", "org:2"]));
    assert!(!reaches(&["shared_room"], &[], "null", &["org:1"]));
    assert!(reaches(&["shared_room"], &["a"], "null", &["a"]));
    assert!(!reaches(&[], &["a"], "null", &["a"]), "nobody without a rule");
}

#[test]
fn a_room_that_is_named_after_a_user_is_shared_with_nobody() {
    assert!(!reaches(&["shared_room"], &["user:7"], "null", &["user:7"]));
    let (ann, rooms) = (UserId::parse("ann").unwrap(), [room("user:7"), room("org:1"), room("b")]);
    let viewer = Viewer { user: &ann, rooms: &rooms, data: None };
    let own =
        |pattern, name| is_own_room(&[NamePattern::parse(pattern).unwrap()], viewer, &room(name));
    assert!(own("org:*", "org:1") && own("*", "b"));
    assert!(!own("org:*", "b") && !own("*", "org:2") && !own("*", "user:7"));
}

#[test]
fn whom_the_data_names_is_in_reach() {
    for (claim, data, is_named) in [
        ("claim:contacts", r#"{"contacts":["1","7"]}"#, true),
        ("claim:contacts", r#"{"contacts":[1,7]}"#, true),
        ("claim:contacts", r#"{"contacts":"7"}"#, true),
        ("claim:contacts", r#"{"contacts":["17",[7],{"7":7}]}"#, false),
        ("claim:/team/members", r#"{"team":{"members":[7]}}"#, true),
        ("claim:/team/members", r#"{"/team/members":[7]}"#, false),
        ("claim:a.b", r#"{"a.b":7}"#, true),
        ("claim:contacts", "[7]", false),
        ("claim:contacts", "7", false),
    ] {
        assert_eq!(reaches(&[claim], &[], data, &[]), is_named, "{claim} {data}");
    }
}

#[test]
fn everybody_is_in_reach_of_oneself() {
    let ann = UserId::parse("ann").unwrap();
    let viewer = Viewer { user: &ann, rooms: &[], data: None };
    assert!(Reach::new(&[], viewer).has(&ann, |_| false));
}

#[test]
fn what_is_no_rule_is_refused() {
    for text in
        ["", "shared", "shared_rooms", "shared_room:", "shared_room:a*b", "claim:", "everybody"]
    {
        assert!(ContactRule::parse(text).is_none(), "{text}");
    }
}
