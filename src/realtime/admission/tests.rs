//! Who is let in, and what the others are told, whichever of several things is wrong.

use crate::app::testing::TestApp;
use crate::connection::EventListener;
use crate::core::protocol::inbound::ClientEvent;
use crate::registry::Socket;
use crate::types::{DeviceId, Namespace, Reason, Room};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Nothing is sent here that would have to be heard.
struct Deaf;

impl EventListener for Deaf {
    fn deliver(self: Arc<Self>, _: &ClientEvent<'_>) {}

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn leave(&self, _: Reason) {}
}

fn deaf(_: &Arc<Socket>) -> Arc<dyn EventListener> {
    Arc::new(Deaf)
}

fn app() -> TestApp {
    TestApp::with(|config| {
        config.limits.auth_bytes = 200;
        config.limits.rooms_per_socket = 2;
    })
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[tokio::test]
async fn of_several_things_that_are_wrong_the_first_is_told() {
    let app = app();
    let (connection, _) = app.open().await;
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(200));
    for (auth, code) in [
        (long.as_str(), "auth_too_large"),
        (r#"{"user":"ann","user":"bob","device":7}"#, "auth_invalid"),
        (r#"{"device":7}"#, "user_invalid"),
        (r#"{"user":"ann","rooms":["user:bob"],"device":7}"#, "room_invalid"),
        (r#"{"user":"ann","rooms":["a","b","c"],"device":7}"#, "too_many_rooms"),
        (r#"{"user":"ann","device":7,"inbox_after":"x"}"#, "device_invalid"),
        (r#"{"user":"ann","inbox_after":"x"}"#, "inbox_after_invalid"),
    ] {
        let auth = raw(auth);
        let admission = &app.realtime.admission;
        let root = Namespace::root();
        let refused = admission.authenticate(&connection, &root, Some(&auth), deaf).await;
        assert_eq!(refused.unwrap_err().code(), code, "{auth}");
    }
    assert_eq!(app.parts.sockets.counts().sockets, 0);
}

#[tokio::test]
async fn whoever_is_let_in_is_what_its_auth_says_and_not_here_before_the_engine_accepts() {
    let app = app();
    let (connection, _) = app.open().await;
    let auth = raw(r#"{"user":"ann","rooms":["org:7","org:7"],"device":"d1","data":{"x":1.0}}"#);

    let admission = &app.realtime.admission;
    let root = Namespace::root();
    let socket = admission.authenticate(&connection, &root, Some(&auth), deaf).await;

    let socket = socket.unwrap().socket;
    let grants = socket.grants();
    assert_eq!(socket.user.as_str(), "ann");
    assert_eq!(grants.rooms.iter().map(Room::as_str).collect::<Vec<_>>(), ["org:7"]);
    assert_eq!(grants.data.as_ref().map(|it| it.get()), Some(r#"{"x":1.0}"#));
    assert_eq!(socket.device.as_ref().map(DeviceId::as_str), Some("d1"));
    assert_eq!(app.parts.sockets.counts().sockets, 0);
}
