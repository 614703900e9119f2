//! What a kick ends, and what it leaves alone.

use super::Farewell;
use crate::app::testing::{PATIENCE, TestApp};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::types::{EventName, Except, Namespace, Payload, Reason, Target, UserId};
use std::sync::Arc;
use std::thread;
use tokio::runtime::Handle;

fn app() -> TestApp {
    TestApp::with(|config| config.socketio.namespaces.push(Namespace::parse("/chat").unwrap()))
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

#[tokio::test]
async fn all_sockets_of_a_user_go_and_are_told_why_and_nobody_elses() {
    let app = app();
    let root = app.connect("ann").await;
    let chat = app.connect_in("/chat", "ann", &[], None).await;
    let bob = app.connect("bob").await;

    let farewell = Farewell { reason: Some("spam"), ..Farewell::default() };
    let kicked = app.realtime.people.kick(&user("ann"), farewell, Grace::Keep);
    assert_eq!(kicked, [root.socket.id, chat.socket.id]);
    let again = app.realtime.people.kick(&user("ann"), Farewell::default(), Grace::Keep);
    assert!(again.is_empty(), "nobody is left");

    assert_eq!(app.hear(&root).await, "42[\"userline:kicked\",{\"reason\":\"spam\"}]\u{1e}41");
    let told = "42/chat,[\"userline:kicked\",{\"reason\":\"spam\"}]\u{1e}41/chat,";
    assert_eq!(app.hear(&chat).await, told);
    assert!(!bob.socket.connection.is_closed());
    let (status, sockets) = app.parts.sockets.user(&user("ann"));
    assert!(matches!(status, PresenceStatus::Lingering(_)) && sockets.is_empty(), "{status:?}");
}

/// The kick stands still where it takes a socket out, and an event is emitted then.
#[tokio::test]
async fn nothing_follows_the_goodbye_and_what_comes_too_late_is_not_counted_as_sent() {
    let app = app();
    let ann = app.connect("ann").await;
    let other = app.connect("ann").await;
    let (people, emitter) = (&app.realtime.people, app.realtime.messages.emitter());

    let runtime = Handle::current();
    let sent = thread::scope(|threads| {
        ann.socket.while_here(|| {
            threads.spawn(|| {
                let _inside = runtime.enter();
                people.kick(&user("ann"), Farewell::default(), Grace::Keep)
            });
            let begun = app.parts.clock.now();
            while other.socket.connection.queued() == 0 || ann.socket.connection.queued() == 0 {
                assert!(app.parts.clock.now().since(begun) < PATIENCE, "nobody is kicked");
                thread::yield_now();
            }
            let target = Target { users: vec![user("ann")], ..Target::default() };
            let audience =
                Audience { namespace: Namespace::root(), target, except: Except::default() };
            let late = Emit {
                audience: Arc::new(audience),
                event: EventName::parse("late").unwrap(),
                payload: Payload::default(),
                volatile: false,
                source: None,
            };
            emitter.emit_at_once(&late).unwrap().emitted.sent
        })
    });

    assert_eq!(sent, Some(0));
    for client in [&ann, &other] {
        assert_eq!(app.hear(client).await, "42[\"userline:kicked\",{\"reason\":null}]\u{1e}41");
    }
}

#[tokio::test]
async fn one_socket_goes_and_the_others_of_its_user_stay() {
    let app = app();
    let (first, second) = (app.connect("ann").await, app.connect("ann").await);

    let kicked = app.realtime.people.kick_socket(first.socket.id).unwrap();

    assert_eq!(kicked.id, first.socket.id);
    assert!(app.realtime.people.kick_socket(first.socket.id).is_none());
    assert!(!second.socket.connection.is_closed());
    assert_eq!(app.parts.sockets.user(&user("ann")).1.len(), 1);
}

#[tokio::test]
async fn the_history_has_those_that_are_here_and_then_the_last_that_went() {
    let app = app();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(app.connect("ann").await);
    }
    for gone in [2, 0] {
        app.realtime.attendance.leave(&clients[gone].socket, Reason::TransportClose);
    }

    let history = app.realtime.people.history(&user("ann"));

    let ids: Vec<_> = history.iter().map(|it| it.id).collect();
    assert_eq!(ids, [3, 1, 0, 2].map(|n: usize| clients[n].socket.id));
    assert_eq!(history.iter().filter(|it| it.end.is_none()).count(), 2);
}
