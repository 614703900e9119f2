//! Who is let in, and what the others are told, whichever of several things is wrong.

use crate::app::testing::TestApp;
use crate::connection::EventListener;
use crate::core::control::seats::{SeatLimit, WhenFull};
use crate::core::protocol::inbound::ClientEvent;
use crate::registry::Socket;
use crate::types::{DeviceId, Namespace, Reason, Room, UserId};
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
    assert_eq!(socket.user().as_str(), "ann");
    assert_eq!(grants.rooms.iter().map(Room::as_str).collect::<Vec<_>>(), ["org:7"]);
    assert_eq!(grants.data.as_ref().map(|it| it.get()), Some(r#"{"x":1.0}"#));
    assert_eq!(socket.device.as_ref().map(DeviceId::as_str), Some("d1"));
    assert_eq!(app.parts.sockets.counts().sockets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_that_knock_at_once_never_more_come_in_than_there_are_seats() {
    for when_full in [WhenFull::Refuse, WhenFull::EvictOldest] {
        let app = Arc::new(TestApp::with(|config| {
            config.sessions.seats = Some(SeatLimit { max: 3, when_full });
        }));
        let mut knocking = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (app, (connection, _)) = (Arc::clone(&app), app.open().await);
            knocking.spawn(async move {
                let admission = &app.realtime.admission;
                let auth = raw(r#"{"user":"ann"}"#);
                let root = Namespace::root();
                let answer = admission.authenticate(&connection, &root, Some(&auth), deaf).await;
                let socket = answer.ok()?.socket;
                let place = app.realtime.attendance.reserve(&connection, socket.user()).await?;
                app.realtime.attendance.join(&socket, place, None);
                let (_, here) = app.parts.sockets.user(socket.user());
                assert!(here.len() <= 3, "{} are here", here.len());
                Some(())
            });
        }
        let let_in = knocking.join_all().await.into_iter().flatten().count();

        assert_eq!(let_in, if when_full == WhenFull::Refuse { 3 } else { 1000 });
        let (_, here) = app.parts.sockets.user(&UserId::parse("ann").unwrap());
        assert_eq!(here.iter().filter(|it| !it.connection.is_closed()).count(), 3);
    }
}

#[tokio::test]
async fn a_seat_whose_client_does_not_come_is_free_again() {
    let app = TestApp::with(|config| {
        config.sessions.seats = Some(SeatLimit { max: 1, when_full: WhenFull::Refuse });
    });
    let admission = &app.realtime.admission;
    let (auth, root) = (raw(r#"{"user":"ann"}"#), Namespace::root());
    let ((first, _), (second, _)) = (app.open().await, app.open().await);
    assert!(admission.authenticate(&first, &root, Some(&auth), deaf).await.is_ok());
    let chat = Namespace::parse("/chat").unwrap();
    assert!(admission.authenticate(&first, &chat, Some(&auth), deaf).await.is_ok());
    let refused = admission.authenticate(&second, &root, Some(&auth), deaf).await;
    assert_eq!(refused.unwrap_err().code(), "user_limit");
    assert_eq!(app.parts.sockets.counts().users, 0, "nobody is here yet");

    first.close(Reason::TransportClose);

    assert!(admission.authenticate(&second, &root, Some(&auth), deaf).await.is_ok());
    second.close(Reason::TransportClose);
    app.parts.sockets.presence.forget_lost();
    let mut entries = 0;
    app.parts.sockets.presence.for_each(|_, _| entries += 1);
    assert_eq!(entries, 0, "nothing is kept of who did not come");
}
