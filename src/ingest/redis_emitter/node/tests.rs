use super::{emit, request};
use crate::ingest::redis_emitter::RedisMessage;
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

fn read(bytes: &[u8]) -> serde_json::Value {
    let rules = RoomRules(vec![NamePattern::parse("user_*").unwrap()]);
    serde_json::from_slice(&emit(bytes, &rules).unwrap().to_bytes()).unwrap()
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

#[test]
fn requests_are_known_by_their_type() {
    for (json, expected) in [
        (r#"{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["a"]}"#, Some("socketsJoin")),
        (r#"{"type":3,"opts":{"rooms":[],"except":[]},"rooms":["a"]}"#, Some("socketsLeave")),
        (r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":true}"#, Some("disconnectSockets")),
        (r#"{"type":6,"uid":"emitter","data":["x"]}"#, Some("serverSideEmit")),
        (r#"{"type":7,"uid":"abc","requestId":"def","packet":{}}"#, Some("emitWithAck")),
        (r#"{"type":5,"uid":"abc","requestId":"def"}"#, None),
    ] {
        let what = match request(json.as_bytes()).unwrap() {
            RedisMessage::Unsupported(what) => Some(what),
            RedisMessage::NotForUs => None,
            RedisMessage::Emit(_) => panic!("{json}"),
        };
        assert_eq!(what, expected, "{json}");
    }
    // With buffers in it, it is no JSON.
    let mut packed = Vec::new();
    rmpv::encode::write_value(&mut packed, &map(vec![("type", Value::from(7))])).unwrap();
    assert!(matches!(request(&packed).unwrap(), RedisMessage::Unsupported("emitWithAck")));
    for bytes in [b"\x93".as_slice(), b"", b"{", b"[]", b"\x80"] {
        assert_eq!(request(bytes).unwrap_err().code, "unreadable");
    }
}
