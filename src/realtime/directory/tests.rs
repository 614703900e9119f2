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

    let found = directory.socket(ann.socket.id).await.unwrap().done.map(|it| it.id());
    assert_eq!(found, Some(ann.socket.id), "in whichever namespace");
    let nobody = directory.socket(SocketId::from_bytes([9; SocketId::BYTES])).await.unwrap();
    assert!(nobody.done.is_none());
    assert_eq!(directory.user(&user).await.unwrap().done.1.sockets.len(), 1);
    let in_room = async |namespace| {
        let found = directory.room(namespace, &room, None, 10).await.unwrap();
        found.done.total
    };
    assert_eq!(in_room(&chat).await, 1);
    assert_eq!(in_room(&Namespace::root()).await, 0);
    assert_eq!(directory.rooms("org:", None, 10).await.unwrap().done.items.len(), 1);
    let users = directory.users(None, 10, StateFilter::All).await.unwrap().done;
    let names: Vec<&str> = users.items.iter().map(|it| it.user.as_str()).collect();
    assert_eq!(names, ["ann", "bob"]);
    let counts = directory.stats().counts;
    assert_eq!((counts.users, counts.lingering, counts.sockets), (2, 1, 1));
    assert_eq!(directory.namespaces(), [Namespace::root(), chat]);
}
