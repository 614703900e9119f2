use super::message;
use crate::ingest::redis_emitter::RedisMessage;
use crate::ingest::redis_emitter::rooms::RoomRules;
use serde_json::{Value, json};

fn read(json: &Value) -> Value {
    match message(json.to_string().as_bytes(), &RoomRules::default()).unwrap() {
        RedisMessage::Emit(emit) => serde_json::from_slice(&emit.to_bytes()).unwrap(),
        other @ (RedisMessage::Unsupported(_) | RedisMessage::NotForUs) => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_the_emit_that_it_says() {
    let emitted = read(&json!({
        "method": "emit", "event": "news", "data": [{"a": 1.50}, 2], "binary": false,
        "namespace": "/chat", "room": ["org:7", 8], "skip_sid": "AAAAAAAAAAAAAAAAAAAA",
        "callback": null, "host_id": "f00"
    }));
    assert_eq!(
        emitted,
        json!({
            "namespace": "/chat",
            "to": {"rooms": ["org:7", "8"]},
            "except": {"sockets": ["AAAAAAAAAAAAAAAAAAAA"]},
            "event": "news",
            "args": [{"a": 1.5}, 2],
            "volatile": false,
            "binary": false
        })
    );
}

#[test]
fn nothing_is_no_argument_and_no_room_is_everybody() {
    let emitted = read(&json!({"method": "emit", "event": "x", "data": [null], "room": null}));
    assert_eq!((&emitted["args"], &emitted["to"]), (&json!([]), &json!({"all": true})));
    assert_eq!(emitted["namespace"], "/");
}

#[test]
fn buffers_are_put_back_in_their_places() {
    let emitted = read(&json!({
        "method": "emit", "event": "x", "binary": true, "room": "r",
        "data": [[{"pic": {"_placeholder": true, "num": 1}}, {"_placeholder": true, "num": 0}], "AQ==", "Ag=="]
    }));
    assert_eq!(emitted["args"], json!([{"pic": {"$binary": "Ag=="}}, {"$binary": "AQ=="}]));
    assert_eq!(emitted["binary"], true);
}

#[test]
fn what_is_no_emit_is_told_apart() {
    let rules = RoomRules::default();
    let pickled = message(b"\x80\x04\x95", &rules).unwrap_err();
    assert_eq!(pickled.code, "pickled");
    assert!(pickled.message.contains("5.14"), "it names the version: {}", pickled.message);
    for bytes in [b"[]".as_slice(), b"{}", b"\xff", br#"{"method":"emit","data":[1]}"#] {
        assert_eq!(message(bytes, &rules).unwrap_err().code, "unreadable");
    }
    let leave = message(br#"{"method":"leave_room","sid":"a","room":"b"}"#, &rules).unwrap();
    assert!(matches!(leave, RedisMessage::Unsupported("leave_room")));
    let callback = message(br#"{"method":"callback","sid":"a","id":1,"args":[]}"#, &rules).unwrap();
    assert!(matches!(callback, RedisMessage::NotForUs));
}
