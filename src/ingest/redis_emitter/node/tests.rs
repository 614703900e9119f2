use super::{emit, request};
use crate::ingest::intake::SocketVerb;
use crate::ingest::redis_emitter::RedisMessage;
use crate::ingest::redis_emitter::emit_json::bytes;
use crate::ingest::redis_emitter::rooms::RoomRules;
use crate::types::NamePattern;
use rmpv::Value;
use serde_json::json;

fn text(it: &str) -> Value {
    Value::from(it)
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

fn packet(data: Vec<Value>, options: Vec<(&str, Value)>) -> Vec<u8> {
    let packet =
        map(vec![("type", Value::from(2)), ("data", Value::Array(data)), ("nsp", text("/chat"))]);
    let message = Value::Array(vec![text("emitter"), packet, map(options)]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &message).unwrap();
    bytes
}

fn read(packed: &[u8]) -> serde_json::Value {
    let rules = RoomRules(vec![NamePattern::parse("user_*").unwrap()]);
    serde_json::from_slice(&bytes(&emit(packed, &rules).unwrap())).unwrap()
}

#[test]
fn a_packet_is_the_emit_that_it_says() {
    let rooms = Value::Array(vec![text("lobby"), Value::from(7), text("user_42")]);
    let options = vec![
        ("rooms", rooms),
        ("except", Value::Array(vec![text("user_1"), text("quiet")])),
        ("flags", map(vec![("volatile", Value::from(true)), ("compress", Value::from(false))])),
    ];
    let data = vec![
        text("news"),
        map(vec![
            ("number", Value::from(u64::MAX)),
            ("half", Value::F64(0.5)),
            ("nan", Value::F64(f64::NAN)),
            ("quote", text("\"\\\n")),
            ("none", Value::Nil),
            ("gone", Value::Ext(0, vec![0])),
            ("at", Value::Ext(-1, 1_700_000_000_u32.to_be_bytes().to_vec())),
        ]),
        Value::Ext(0, vec![0]),
    ];

    assert_eq!(
        read(&packet(data, options)),
        json!({
            "namespace": "/chat",
            "to": {"users": ["42"], "rooms": ["lobby", "7"]},
            "except": {"users": ["1"], "rooms": ["quiet"]},
            "event": "news",
            "args": [
                {"number": u64::MAX, "half": 0.5, "nan": null, "quote": "\"\\\n", "none": null,
                 "at": "2023-11-14T22:13:20.000Z"},
                null
            ],
            "volatile": true,
            "binary": false
        })
    );
}

#[test]
fn without_rooms_it_is_for_everybody_and_a_buffer_stays_one() {
    let read = read(&packet(vec![text("pic"), Value::Binary(vec![1, 2])], Vec::new()));

    assert_eq!((&read["to"], &read["binary"]), (&json!({"all": true}), &json!(true)));
    assert_eq!(read["args"], json!([{"$binary": "AQI="}]));
}

#[test]
fn what_is_no_packet_is_refused_and_says_why() {
    let rules = RoomRules::default();
    let deep = [vec![0x91; 1000], vec![0xc0]].concat();
    for bytes in [
        b"".to_vec(),
        vec![0xc1],
        b"{\"json\":1}".to_vec(),
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![0x93, 0xc0, 0xc0, 0xc0],
        packet(Vec::new(), Vec::new()),
        packet(vec![Value::Nil], Vec::new()),
        packet(vec![text("x")], vec![("rooms", Value::Array(vec![Value::Nil]))]),
        deep,
    ] {
        assert_eq!(emit(&bytes, &rules).unwrap_err().code, "unreadable", "{bytes:?}");
    }
}

/// Verb and JSON of a request.
fn asked(json: &str) -> (SocketVerb, serde_json::Value) {
    let rules = RoomRules(vec![NamePattern::parse("user_*").unwrap()]);
    match request("socket.io-request#/chat#", json.as_bytes(), &rules).unwrap() {
        RedisMessage::Sockets(verb, asked) => {
            (verb, serde_json::from_slice(&bytes(&*asked)).unwrap())
        }
        other @ (RedisMessage::Emit(_) | RedisMessage::Unsupported(_) | RedisMessage::NotForUs) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn sockets_join_leave_and_go() {
    let join =
        r#"{"type":2,"opts":{"rooms":["user_42",7],"except":["quiet"]},"rooms":["a","user_7"]}"#;
    let expected = json!({
        "namespace": "/chat", "to": {"users": ["42"], "rooms": ["7"]}, "except": {"rooms": ["quiet"]},
        "rooms": ["a", "user:7"]
    });
    assert_eq!(asked(join), (SocketVerb::Join, expected));
    let leave = r#"{"type":3,"opts":{"rooms":["a"],"except":[]},"rooms":["a"]}"#;
    let expected =
        json!({"namespace": "/chat", "to": {"rooms": ["a"]}, "except": {}, "rooms": ["a"]});
    assert_eq!(asked(leave), (SocketVerb::Leave, expected));
    let go = r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":true}"#;
    let expected = json!({"namespace": "/chat", "to": {"all": true}, "except": {}});
    assert_eq!(asked(go), (SocketVerb::Disconnect, expected));
}

#[test]
fn other_requests_are_known_by_their_type() {
    let rules = RoomRules::default();
    let read = |bytes: &[u8]| request("socket.io-request#/#", bytes, &rules);
    for (json, expected) in [
        (r#"{"type":6,"uid":"emitter","data":["x"]}"#, Some("serverSideEmit")),
        (r#"{"type":7,"uid":"abc","requestId":"def","packet":{}}"#, Some("emitWithAck")),
        (r#"{"type":5,"uid":"abc","requestId":"def"}"#, None),
    ] {
        let what = match read(json.as_bytes()).unwrap() {
            RedisMessage::Unsupported(what) => Some(what),
            RedisMessage::NotForUs => None,
            RedisMessage::Emit(_) | RedisMessage::Sockets(..) => panic!("{json}"),
        };
        assert_eq!(what, expected, "{json}");
    }
    // With buffers in it, it is no JSON.
    let mut packed = Vec::new();
    rmpv::encode::write_value(&mut packed, &map(vec![("type", Value::from(7))])).unwrap();
    assert!(matches!(read(&packed).unwrap(), RedisMessage::Unsupported("emitWithAck")));
    for bytes in [b"\x93".as_slice(), b"", b"{", b"[]", b"\x80"] {
        assert_eq!(read(bytes).unwrap_err().code, "unreadable");
    }
}
