//! Many sockets at once, with connections and without clients.

use super::{Bulk, Dismissal, MovedSockets};
use crate::app::testing::{TestApp, TestClient};
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::types::{Except, Namespace, Room, Target, UserId};
use std::sync::Arc;

fn room(name: &str) -> Room {
    Room::parse(name).unwrap()
}

fn bulk(app: &TestApp) -> &Arc<Bulk> {
    &app.realtime.bulk
}

fn in_room(name: &str) -> Audience {
    let target = Target { rooms: vec![room(name)], ..Target::default() };
    Audience { namespace: Namespace::root(), target, except: Except::default() }
}

fn of_users(names: &[&str]) -> Audience {
    let users = names.iter().map(|it| UserId::parse(it).unwrap()).collect();
    let target = Target { users, ..Target::default() };
    Audience { namespace: Namespace::root(), target, except: Except::default() }
}

/// The clients that are in a room: as the socket says, as the index says, and as an emit finds.
fn members(app: &TestApp, name: &str, all: &[(&str, &TestClient)]) -> Vec<String> {
    let room = room(name);
    let said = all.iter().filter(|(_, it)| it.socket.is_granted(&room)).map(|(name, _)| *name);
    let said: Vec<String> = said.map(str::to_owned).collect();
    let indexed = app.parts.sockets.registry.granted(&Namespace::root(), &room);
    let found = all.iter().filter(|(_, it)| indexed.iter().any(|one| one.id == it.socket.id));
    assert_eq!(said, found.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(indexed.len(), said.len());
    said
}

#[tokio::test]
async fn those_who_are_meant_join_and_leave_and_nobody_else() {
    let app = TestApp::new();
    let ann = app.connect_in("/", "ann", &["org:7"], Some("d1")).await;
    let tab = app.connect_in("/", "ann", &[], Some("d2")).await;
    let bob = app.connect_in("/", "bob", &["org:7"], None).await;
    let elsewhere = app.connect_in("/chat", "ann", &["org:7"], None).await;
    let all = [("ann", &ann), ("tab", &tab), ("bob", &bob), ("elsewhere", &elsewhere)];

    let audience = of_users(&["ann", "bob", "nobody"]);
    let joined = bulk(&app).join(audience, vec![room("p"), room("org:7")]).await.unwrap();
    assert_eq!(joined, MovedSockets { matched: 3, changed: 3, full: 0, denied: 0 });
    assert_eq!(members(&app, "p", &all), ["ann", "tab", "bob"]);
    let again = bulk(&app).join(in_room("p"), vec![room("p")]).await.unwrap();
    assert_eq!(again, MovedSockets { matched: 3, changed: 0, full: 0, denied: 0 });

    let except = Except { users: vec![UserId::parse("bob").unwrap()], ..Except::default() };
    let audience = Audience { except, ..in_room("p") };
    let left = bulk(&app).leave(audience, vec![room("org:7")]).await.unwrap();
    assert_eq!(left, MovedSockets { matched: 2, changed: 2, full: 0, denied: 0 });
    let listed = app.parts.sockets.rooms("", None, 10).items;
    let listed: Vec<_> = listed.iter().map(|it| (it.room.as_str(), it.sockets)).collect();
    assert_eq!(listed, [("org:7", 1), ("p", 3), ("org:7", 1)], "in `/`, and in `/chat`");

    for client in [&ann, &tab, &bob] {
        app.parts.sockets.disconnect(&client.socket, crate::types::Reason::TransportClose);
    }
    assert_eq!(
        bulk(&app).join(in_room("p"), vec![room("q")]).await.unwrap(),
        MovedSockets::default()
    );
    assert_eq!(app.parts.sockets.counts().granted_rooms, 1, "nothing is left of them");
}

#[tokio::test]
async fn a_socket_is_in_no_more_rooms_than_allowed() {
    let app = TestApp::with(|config| config.limits.rooms_per_socket = 3);
    let ann = app.connect_in("/", "ann", &["a", "b"], None).await;

    let rooms = ["a", "c", "d"].map(room).to_vec();
    let joined = bulk(&app).join(of_users(&["ann"]), rooms.clone()).await.unwrap();
    assert_eq!(joined, MovedSockets { matched: 1, changed: 1, full: 1, denied: 0 });
    bulk(&app).leave(of_users(&["ann"]), vec![room("a")]).await.unwrap();
    let joined = bulk(&app).join(of_users(&["ann"]), vec![room("d")]).await.unwrap();
    assert_eq!(joined, MovedSockets { matched: 1, changed: 1, full: 0, denied: 0 });

    let rooms: Vec<Room> = ann.socket.rooms();
    assert_eq!(rooms, ["b", "c", "d", "user:ann"].map(room));
}

#[tokio::test]
async fn those_who_are_disconnected_are_told_and_gone_at_once() {
    let app = TestApp::new();
    let ann = app.connect_in("/", "ann", &["p"], None).await;
    let tab = app.connect("ann").await;
    let bob = app.connect_in("/", "bob", &["p"], None).await;
    let dismissal = |audience, grace| Dismissal { audience, reason: Some("over".into()), grace };

    let gone = bulk(&app).disconnect(dismissal(in_room("p"), Grace::Keep)).await.unwrap();
    assert_eq!(gone, 2);
    for client in [&ann, &bob] {
        let told = app.hear(client).await;
        assert_eq!(told, "42[\"userline:kicked\",{\"reason\":\"over\"}]\u{1e}41");
    }
    let status = |name: &str| app.parts.sockets.user(&UserId::parse(name).unwrap()).0;
    assert!(matches!(status("ann"), PresenceStatus::Online(_)));
    assert!(matches!(status("bob"), PresenceStatus::Lingering(_)));

    assert!(!tab.socket.connection.is_closed());
    bulk(&app).disconnect(dismissal(of_users(&["ann"]), Grace::Skip)).await.unwrap();
    app.parts.watch_deadlines(&app.parts.tasks);
    let is_offline = || matches!(status("ann"), PresenceStatus::Offline);
    crate::app::testing::until("ann is offline without grace", is_offline).await;
}
