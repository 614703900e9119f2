use super::{EventSender, render};
use crate::core::protocol::inbound::ClientEvent;
use crate::types::{DeviceId, Namespace, Room, SocketId, UserId, WallMs};
use bytes::Bytes;
use serde_json::value::RawValue;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn the_body_holds_what_the_client_wrote_and_apart_from_it_who_it_is() {
    let (name, one, two) = (
        raw("\"chat:send\""),
        raw("{\"user\":\"admin\", \"n\":12345678901234567890.10}"),
        raw("null"),
    );
    let event = ClientEvent {
        namespace: "/chat",
        name: "chat:send".into(),
        parts: vec![&name, &one, &two],
        ack: Some(7),
        buffers: &[],
    };
    let (user, device) = (UserId::parse("a\"nn").unwrap(), DeviceId::parse("tab").unwrap());
    let (rooms, data) = ([Room::parse("org:7").unwrap()], raw("{\"name\":\"Ann\"}"));
    let from = EventSender {
        user: &user,
        socket: SocketId::from_bytes([0; SocketId::BYTES]),
        device: Some(&device),
        rooms: &rooms,
        data: Some(&data),
    };

    let namespace = Namespace::parse("/chat").unwrap();
    let body = render("evt_1", &event, &namespace, &from, WallMs(0)).unwrap();

    assert_eq!(
        body,
        r#"{"type":"client.event","timestamp":"1970-01-01T00:00:00.000Z","data":{"id":"evt_1","event":"chat:send","args":[{"user":"admin", "n":12345678901234567890.10},null],"namespace":"/chat","ack":true,"from":{"user":"a\"nn","socket":"sock_AAAAAAAAAAAAAAAAAAAA","device":"tab","rooms":["org:7"],"data":{"name":"Ann"}}}}"#
    );
}

#[test]
fn a_buffer_is_base64() {
    let (name, place) = (raw("\"b\""), raw("[1,{\"_placeholder\":true,\"num\":0}]"));
    let buffers = [Bytes::from_static(b"hello")];
    let event = ClientEvent {
        namespace: "/",
        name: "b".into(),
        parts: vec![&name, &place],
        ack: None,
        buffers: &buffers,
    };
    let user = UserId::parse("ann").unwrap();
    let socket = SocketId::from_bytes([0; SocketId::BYTES]);
    let from = EventSender { user: &user, socket, device: None, rooms: &[], data: None };

    let body = render("evt_1", &event, &Namespace::root(), &from, WallMs(0)).unwrap();

    assert!(
        body.contains(r#""args":[[1,{"$binary":"aGVsbG8="}]],"namespace":"/","ack":false"#),
        "{body}"
    );
    assert!(body.contains(r#""device":null,"rooms":[],"data":null"#), "{body}");
}
