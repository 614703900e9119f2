//! What is left of a socket that comes and goes, and of one that takes another's place.

use crate::app::testing::{TestApp, TestClient};
use crate::core::recovery::SessionClaim;
use crate::presence::Place;
use crate::registry::{Socket, SocketParts};
use crate::types::{Grants, Namespace, Reason, SocketId, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;

fn recovering() -> TestApp {
    TestApp::with(|config| config.recovery.window = Duration::from_mins(1))
}

async fn newcomer(app: &TestApp, user: &str, n: u8) -> (Arc<Socket>, Place) {
    let (connection, _) = app.open().await;
    let socket = Arc::new(Socket::new(SocketParts {
        id: SocketId::from_bytes([n; SocketId::BYTES]),
        namespace: Namespace::root(),
        user: UserId::parse(user).unwrap(),
        device: None,
        connected_at: WallMs(0),
        grants: Grants::default(),
        connection,
    }));
    let place = app.realtime.attendance.reserve(&socket.connection, socket.user()).await.unwrap();
    (socket, place)
}

fn reasons(app: &TestApp, client: &TestClient) -> Vec<Option<Reason>> {
    let visits = app.realtime.people.history(client.socket.user());
    visits.iter().map(|it| it.end.map(|end| end.reason)).collect()
}

#[tokio::test]
async fn a_socket_whose_connection_is_closed_already_never_comes() {
    for app in [TestApp::new(), recovering()] {
        let (socket, place) = newcomer(&app, "ann", 1).await;
        socket.connection.close(Reason::TransportClose);

        assert!(!app.realtime.attendance.join(&socket, place, None));

        assert_eq!(app.parts.sockets.counts().users, 0);
    }
}

#[tokio::test]
async fn a_socket_leaves_once_whatever_is_said_of_it_afterwards() {
    for app in [TestApp::new(), recovering()] {
        let ann = app.connect("ann").await;
        assert_eq!(reasons(&app, &ann), [None]);

        for reason in [Reason::TransportClose, Reason::PingTimeout, Reason::Kicked] {
            app.realtime.attendance.leave(&ann.socket, reason);
        }

        assert_eq!(reasons(&app, &ann), [Some(Reason::TransportClose)]);
        assert_eq!(app.parts.sockets.counts().sockets, 0);
    }
}

#[tokio::test]
async fn only_the_socket_that_was_kicked_is_told_to_be() {
    let app = TestApp::new();
    let (ann, bob) = (app.connect("ann").await, app.connect("bob").await);
    ann.socket.kick(crate::core::presence::session::Grace::Keep);

    // The connection of both was ended because one of its sockets was kicked.
    app.realtime.attendance.leave(&ann.socket, Reason::TransportClose);
    app.realtime.attendance.leave(&bob.socket, Reason::Kicked);

    assert_eq!(reasons(&app, &ann), [Some(Reason::Kicked)]);
    assert_eq!(reasons(&app, &bob), [Some(Reason::TransportClose)]);
}

#[tokio::test]
async fn who_has_a_session_back_takes_the_place_of_its_old_connection() {
    let app = recovering();
    let (first, place) = newcomer(&app, "ann", 1).await;
    assert!(!app.realtime.attendance.join(&first, place, None));
    let pid = first.pid().unwrap().clone();
    let claim = || Some(SessionClaim { pid: &pid, offset: None });

    let (stranger, place) = newcomer(&app, "eve", 2).await;
    assert!(!app.realtime.attendance.join(&stranger, place, claim()));
    assert!(!first.connection.is_closed(), "a claim counts for the user it was given to");

    let (second, place) = newcomer(&app, "ann", 3).await;
    assert!(app.realtime.attendance.join(&second, place, claim()));

    assert_eq!(first.connection.end_reason(), Some(Reason::Replaced));
    assert_eq!(second.earlier_ids(), [first.id]);
    assert_eq!(second.pid(), Some(&pid));
}
