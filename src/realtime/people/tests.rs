//! What a kick ends, and what it leaves alone.

use super::Farewell;
use crate::app::testing::TestApp;
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::types::{Namespace, Reason, UserId};

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
