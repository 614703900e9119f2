//! Who is here, asked in every way.

use crate::app::testing::TestApp;
use crate::presence::StateFilter;
use crate::types::{Namespace, Reason, Room, SocketId, UserId};

#[tokio::test]
async fn every_question_finds_the_same_sockets() {
    let chat = Namespace::parse("/chat").unwrap();
    let app = TestApp::with(|config| config.socketio.namespaces.push(chat.clone()));
    let directory = &app.realtime.directory;
    let ann = app.connect_in("/chat", "ann", &["org:7"], None).await;
    let bob = app.connect("bob").await;
    app.realtime.attendance.leave(&bob.socket, Reason::TransportClose);
    let (room, user) = (Room::parse("org:7").unwrap(), UserId::parse("ann").unwrap());

    let found = directory.socket(ann.socket.id).await.map(|it| it.id);
    assert_eq!(found, Some(ann.socket.id), "in whichever namespace");
    assert!(directory.socket(SocketId::from_bytes([9; SocketId::BYTES])).await.is_none());
    assert_eq!(directory.user(&user).await.unwrap().1.len(), 1);
    assert_eq!(directory.room(&chat, &room).await.len(), 1);
    assert!(directory.room(&Namespace::root(), &room).await.is_empty());
    assert_eq!(directory.rooms("org:", None, 10).await.items.len(), 1);
    let users = directory.users(None, 10, StateFilter::All).await;
    let names: Vec<&str> = users.items.iter().map(|it| it.user.as_str()).collect();
    assert_eq!(names, ["ann", "bob"]);
    let counts = directory.stats().counts;
    assert_eq!((counts.users, counts.lingering, counts.sockets), (2, 1, 1));
    assert_eq!(directory.namespaces(), [Namespace::root(), chat]);
}
