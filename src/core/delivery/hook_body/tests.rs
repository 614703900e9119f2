//! The exact bytes that receivers rely on.

use super::{
    batch, batch_id, id_of, render, render_lost_socket, render_socket, render_undelivered, rfc3339,
    socket_facts, webhook_id, with_coalesced,
};
use crate::types::{
    Change, ChangeKind, DeviceId, EventName, ItemId, ItemSeq, Namespace, Portrait, Reason, Seq,
    SocketChange, SocketId, SocketPortrait, Undelivered, UserId, WallMs, WhyUndelivered,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn an_online_body_says_who_and_which_session() {
    assert_eq!(
        render(&online("ann", 7)),
        r#"{"type":"user.online","timestamp":"2026-08-01T09:41:00.123Z","data":{"user":"ann","seq":7,"session":7}}"#
    );
}

#[test]
fn an_offline_body_says_why_and_since_when() {
    let kind = ChangeKind::Offline {
        reason: Reason::PingTimeout,
        online_since: WallMs(0),
        last_socket_closed_at: WallMs(1_001),
    };

    assert_eq!(
        render(&Change { kind, ..online("ann", 9) }),
        concat!(
            r#"{"type":"user.offline","timestamp":"2026-08-01T09:41:00.123Z","data":{"user":"ann","seq":9,"session":9,"#,
            r#""reason":"ping_timeout","online_since":"1970-01-01T00:00:00.000Z","#,
            r#""last_socket_closed_at":"1970-01-01T00:00:01.001Z"}}"#
        )
    );
}

#[test]
fn a_body_says_who_the_user_is_if_it_is_to() {
    let (granted, attached) =
        (Some(r#""rooms":["a"],"data":{"n":1.50}"#.into()), Some(r#"{"plan":"pro"}"#.into()));

    assert_eq!(
        render(&Change { portrait: Portrait { granted, attached }, ..online("ann", 7) }),
        concat!(
            r#"{"type":"user.online","timestamp":"2026-08-01T09:41:00.123Z","data":{"user":"ann","seq":7,"session":7,"#,
            r#""rooms":["a"],"data":{"n":1.50},"attached":{"plan":"pro"}}}"#
        )
    );
}

#[test]
fn the_body_of_a_socket_says_from_where_it_is_and_for_how_long_it_was_here() {
    let change = SocketChange {
        user: user("ann"),
        seq: Seq(8),
        session: Seq(7),
        at: WallMs(61_001),
        socket: SocketPortrait {
            id: SocketId::from_bytes([0; SocketId::BYTES]),
            namespace: Namespace::root(),
            device: Some(DeviceId::parse("phone").unwrap()),
            address: [203, 0, 113, 7].into(),
            user_agent: Some("a \"b\"".into()),
            transport: "polling",
            connected_at: WallMs(1_000),
            granted: Some(r#""rooms":[],"data":null"#.into()),
            attached: Some(r#"{"plan":"pro"}"#.into()),
        },
        end: None,
    };
    let facts = concat!(
        r#""user":"ann","session":7,"socket":"sock_AAAAAAAAAAAAAAAAAAAA","namespace":"/","device":"phone","#,
        r#""address":"203.0.113.7","user_agent":"a \"b\"","transport":"polling","#,
        r#""connected_at":"1970-01-01T00:00:01.000Z","rooms":[],"data":null"#
    );
    assert_eq!(socket_facts(&change), facts);
    let head =
        |kind| format!(r#"{{"type":"{kind}","timestamp":"1970-01-01T00:01:01.001Z","data":{{"#);
    assert_eq!(render_socket(&change), format!("{}{facts}}}}}", head("socket.connected")));

    let gone = SocketChange { end: Some(Reason::PingTimeout), ..change };
    let end = |at, reason, ms| {
        format!(
            r#","disconnected_at":"1970-01-01T00:0{at}Z","reason":"{reason}","duration_ms":{ms}"#
        )
    };
    let ended = end("1:01.001", "ping_timeout", 60_001);
    let attached = r#","attached":{"plan":"pro"}"#;
    let head = head("socket.disconnected");
    assert_eq!(render_socket(&gone), format!("{head}{facts}{ended}{attached}}}}}"));

    let lost = render_lost_socket(facts, WallMs(61_001), (WallMs(1_000), WallMs(31_000)));
    let ended = end("0:31.000", "server_restart", 30_000);
    assert_eq!(lost, format!("{head}{facts}{ended}}}}}"));
    assert!(id_of("socket.disconnected", &gone.user, gone.seq).starts_with("so_"));
}

#[test]
fn a_time_beyond_all_calendars_is_still_written() {
    assert_eq!(rfc3339(WallMs(u64::MAX)), "9999-12-31T23:59:59.999Z");
}

#[test]
fn a_coalesced_body_says_how_many_it_replaced() {
    let body = render(&online("ann", 7));

    let data = &parsed(&with_coalesced(&body, 3))["data"];
    assert_eq!(data["coalesced"], 3);
    assert_eq!(data["user"], "ann");
    assert_eq!(with_coalesced(&body, 0), body);
}

#[test]
fn ids_have_the_promised_shape() {
    let id = webhook_id(&user("ann"), Seq(1_785_577_260_000_000));

    assert_eq!(id, "pr_SZFeDX1LQC4wF9AQvBwOgw_1785577260000000");
}

#[test]
fn a_message_that_did_not_arrive_is_told_with_what_it_was() {
    let plain = Undelivered {
        user: user("a\"b"),
        seq: Seq(7),
        at: WallMs(1_785_577_260_123),
        message: "msg_1".into(),
        namespace: Namespace::root(),
        event: EventName::parse("call").unwrap(),
        args: None,
        why: WhyUndelivered::Offline,
        matched: 0,
        inbox: None,
    };
    let body = parsed(&render_undelivered(&plain));
    let data = json!({"user": "a\"b", "id": "msg_1", "event": "call", "namespace": "/", "why": "offline", "matched": 0});
    let expected = json!({"type": "message.undelivered", "timestamp": "2026-08-01T09:41:00.123Z", "data": data});
    assert_eq!(body, expected);

    let inbox = Some((ItemSeq(3), ItemId::parse("i").unwrap()));
    let more = Undelivered { args: Some("[1.0,{}]".into()), inbox, ..plain };
    let body = render_undelivered(&more);
    assert!(body.ends_with(r#""inbox":{"seq":3,"id":"i"},"args":[1.0,{}]}}"#), "{body}");
    let id = id_of(Undelivered::HOOK_TYPE, &more.user, more.seq);
    assert!(id.starts_with("ms_") && id.ends_with("_7"), "{id}");
    assert_eq!(id_of("user.online", &more.user, more.seq), webhook_id(&more.user, more.seq));
}

#[test]
fn the_id_of_a_batch_depends_on_all_ids_in_it() {
    let event = |id: &&str| ((*id).to_owned(), "{}".to_owned());
    let ids = |list: &[&str]| batch_id(&list.iter().map(event).collect::<Vec<_>>());
    let all = [ids(&["a"]), ids(&["a", "b"]), ids(&["b", "a"]), ids(&["ab"])];

    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.iter().all(|id| id.starts_with("ba_") && !id.contains('.')));
}

#[test]
fn a_batch_is_an_array_in_the_given_order_and_each_event_in_it_has_its_id() {
    let event = |name, seq| {
        let change = online(name, seq);
        (webhook_id(&change.user, change.seq), render(&change))
    };
    let events = [event("ann", 1), event("bob", 2)];

    let array = parsed(&batch(&events));
    for (element, (id, body)) in array.as_array().unwrap().iter().zip(&events) {
        let mut element = element.clone();
        assert_eq!(element.as_object_mut().unwrap().remove("id").unwrap(), id.as_str());
        assert_eq!(element, parsed(body));
    }
    assert_eq!(array.as_array().unwrap().len(), 2);
}

proptest! {
    #[test]
    fn any_user_survives_the_trip_through_json(name in "[^\\p{C}]{1,60}", seq: u64, n: u64) {
        let change = online(&name, seq);

        let body = parsed(&with_coalesced(&render(&change), n));

        prop_assert_eq!(body["data"]["user"].as_str(), Some(name.as_str()));
        prop_assert_eq!(body["data"]["seq"].as_u64(), Some(seq));
        prop_assert!(!webhook_id(&change.user, change.seq).contains('.'));
    }
}

fn online(name: &str, seq: u64) -> Change {
    Change {
        user: user(name),
        seq: Seq(seq),
        session: Seq(seq),
        at: WallMs(1_785_577_260_123),
        kind: ChangeKind::Online,
        portrait: Portrait::default(),
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn parsed(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap()
}
