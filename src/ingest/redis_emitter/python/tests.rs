use super::message;
use crate::ingest::redis_emitter::RedisMessage;
use crate::ingest::redis_emitter::emit_json::bytes;
use crate::ingest::redis_emitter::rooms::RoomRules;
use serde_json::{Value, json};

fn read(json: &Value) -> Value {
    match message(json.to_string().as_bytes(), &RoomRules::default()).unwrap() {
        RedisMessage::Emit(emit) => serde_json::from_slice(&bytes(&*emit)).unwrap(),
        RedisMessage::Sockets(verb, json) => {
            let json: Value = serde_json::from_slice(&bytes(&*json)).unwrap();
            json!([format!("{verb:?}"), json])
        }
        other @ (RedisMessage::Unsupported(_) | RedisMessage::NotForUs) => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_the_emit_that_it_says() {
    let emitted = read(&json!({
        "method": "emit", "event": "news", "data": [{"a": 1.50}, 2], "binary": false,
        "namespace": "/chat", "room": ["org:7", 8], "skip_sid": "sock_AAAAAAAAAAAAAAAAAAAA",
        "callback": null, "host_id": "f00"
    }));
    assert_eq!(
        emitted,
        json!({
            "namespace": "/chat",
            "to": {"rooms": ["org:7", "8"]},
            "except": {"sockets": ["sock_AAAAAAAAAAAAAAAAAAAA"]},
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
    for bytes in [
        b"[]".as_slice(),
        b"{}",
        b"\xff",
        br#"{"method":"emit","data":[1]}"#,
        br#"{"method":"close_room"}"#,
        br#"{"method":"emit","event":"x","binary":true,"data":[[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}],"AQ=="]}"#,
    ] {
        assert_eq!(message(bytes, &rules).unwrap_err().code, "unreadable");
    }
    let callback = message(br#"{"method":"callback","sid":"a","id":1,"args":[]}"#, &rules).unwrap();
    assert!(matches!(callback, RedisMessage::NotForUs));
}

#[test]
fn a_socket_enters_and_leaves_rooms_and_goes() {
    let of = |method: &str, more: Value| {
        let mut asked = json!({"method": method, "namespace": "/chat", "host_id": "f00"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(&asked)
    };
    let one = |verb: &str, rooms: Value| {
        let mut json = json!({"namespace": "/chat", "to": {"rooms": ["sid"]}, "except": {}});
        if rooms != Value::Null {
            json["rooms"] = rooms;
        }
        json!([verb, json])
    };
    let sid = json!({"sid": "sid", "room": 7});
    assert_eq!(of("enter_room", sid.clone()), one("Join", json!(["7"])));
    assert_eq!(of("leave_room", sid), one("Leave", json!(["7"])));
    assert_eq!(of("disconnect", json!({"sid": "sid"})), one("Disconnect", Value::Null));
    let close = json!({"namespace": "/chat", "to": {"rooms": ["a"]}, "except": {}, "rooms": ["a"]});
    assert_eq!(of("close_room", json!({"room": "a"})), json!(["Leave", close]));
}
