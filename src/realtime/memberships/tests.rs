//! Memberships: who is here, who comes, who is on the way and who is away.

use super::{MembershipControl, MembershipError, MembershipOf};
use crate::app::testing::{TestApp, TestClient, until};
use crate::cluster::OnNodes;
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::core::rooms::memberships::MembershipFlaw;
use crate::core::rooms::memberships::Standing;
use crate::entropy;
use crate::registry::{Socket, SocketParts};
use crate::types::{Except, Grants, Namespace, Room, SocketId, Target, UserId, WallMs};
use std::sync::Arc;
use tempfile::TempDir;

fn control(app: &TestApp) -> &Arc<MembershipControl> {
    &app.realtime.memberships
}

fn of(user: &str, room: &str, namespace: Option<&str>) -> MembershipOf {
    MembershipOf {
        user: UserId::parse(user).unwrap(),
        room: Room::parse(room).unwrap(),
        namespace: namespace.map(|it| Namespace::parse(it).unwrap()),
    }
}

fn is_in(client: &TestClient, app: &TestApp, room: &str) -> bool {
    let room = Room::parse(room).unwrap();
    let indexed = app.parts.sockets.registry.granted(&client.socket.namespace, &room);
    let is_indexed = indexed.iter().any(|it| it.id == client.socket.id);
    assert_eq!(client.socket.is_granted(&room), is_indexed);
    is_indexed
}

#[tokio::test]
async fn a_membership_is_for_the_sockets_that_are_here_and_those_that_come() {
    let app = TestApp::new();
    let (ann, bob) = (app.connect("ann").await, app.connect("bob").await);
    let chat = app.connect_in("/chat", "ann", &[], None).await;

    assert_eq!(control(&app).put(of("ann", "r", None), None).await, Ok(OnNodes::here(2)));
    assert_eq!(control(&app).put(of("ann", "r", None), None).await, Ok(OnNodes::here(0)));
    let later = app.connect("ann").await;
    assert!([&ann, &chat, &later].into_iter().all(|it| is_in(it, &app, "r")));
    assert!(!is_in(&bob, &app, "r"));

    assert_eq!(
        control(&app).remove(of("ann", "r", Some("/chat")), false).await,
        Err(MembershipError::Flaw(MembershipFlaw::Everywhere))
    );
    assert_eq!(
        control(&app).remove(of("ann", "r", Some("/chat")), true).await,
        Ok(OnNodes::here(1))
    );
    assert!(is_in(&ann, &app, "r") && !is_in(&chat, &app, "r"));
    assert_eq!(control(&app).of(ann.socket.user()).len(), 2);
    assert_eq!(control(&app).remove(of("ann", "r", None), false).await, Ok(OnNodes::here(2)));
    assert!(!is_in(&app.connect_in("/chat", "ann", &[], None).await, &app, "r"));
    assert_eq!(control(&app).of(ann.socket.user()), []);
}

#[tokio::test]
async fn a_room_that_credentials_granted_is_left_now_and_may_be_granted_again_unless_denied() {
    let app = TestApp::new();
    let ann = app.connect_in("/", "ann", &["r", "s"], None).await;

    assert_eq!(control(&app).remove(of("ann", "r", None), false).await, Ok(OnNodes::here(1)));
    assert!(!is_in(&ann, &app, "r") && is_in(&ann, &app, "s"));
    let again = app.connect_in("/", "ann", &["r"], None).await;
    assert!(is_in(&again, &app, "r"));

    assert_eq!(control(&app).remove(of("ann", "r", None), true).await, Ok(OnNodes::here(1)));
    let third = app.connect_in("/", "ann", &["r"], None).await;
    assert!(!is_in(&again, &app, "r") && !is_in(&third, &app, "r"));
    let target = Target { users: vec![ann.socket.user().clone()], ..Target::default() };
    let audience = Audience { namespace: Namespace::root(), target, except: Except::default() };
    let rooms = vec![Room::parse("r").unwrap()];
    let joined = app.realtime.bulk.join(audience, rooms).await.unwrap();
    assert_eq!((joined.matched, joined.changed, joined.denied), (3, 0, 3));

    assert_eq!(control(&app).put(of("ann", "r", None), None).await, Ok(OnNodes::here(3)));
    assert!([&ann, &again, &third].into_iter().all(|it| is_in(it, &app, "r")));
}

#[tokio::test]
async fn whoever_is_on_the_way_follows_what_was_answered_before_it_is_here() {
    let app = TestApp::new();
    let (connection, _) = app.open().await;
    let late = Arc::new(Socket::new(SocketParts {
        id: SocketId::from_bytes(entropy::bytes()),
        namespace: Namespace::root(),
        user: UserId::parse("ann").unwrap(),
        device: None,
        connected_at: WallMs(0),
        grants: Grants { rooms: [Room::parse("r").unwrap()].into(), ..Grants::default() },
        connection,
    }));
    assert_eq!(control(&app).remove(of("ann", "r", None), true).await, Ok(OnNodes::here(0)));

    let place = app.realtime.attendance.reserve(&late.connection, late.user()).await.unwrap();
    app.realtime.attendance.join(&late, place, None);

    assert_eq!(late.rooms(), [Room::of_user(late.user())]);
}

#[tokio::test]
async fn a_membership_ends_by_itself_on_live_sockets_too() {
    let app = TestApp::new();
    let ann = app.connect("ann").await;
    app.parts.tasks.spawn("test.expiry", Arc::clone(control(&app)).run_expiry());

    let soon = WallMs(app.parts.clock.wall().0 + 50);
    assert_eq!(control(&app).put(of("ann", "r", None), Some(soon)).await, Ok(OnNodes::here(1)));
    assert_eq!(control(&app).put(of("ann", "s", None), None).await, Ok(OnNodes::here(1)));
    until("the end", || !is_in(&ann, &app, "r")).await;
    until("the record to go", || control(&app).count() == 1).await;
    assert!(is_in(&ann, &app, "s"));
}

#[tokio::test]
async fn more_than_allowed_is_refused_and_keeps_nobody_from_connecting() {
    let app = TestApp::with(|config| {
        config.limits.memberships_per_user = 1;
        config.limits.memberships = 2;
        config.limits.rooms_per_socket = 1;
    });
    control(&app).put(of("ann", "r", None), None).await.unwrap();
    let full = control(&app).put(of("ann", "s", None), None).await.unwrap_err();
    assert_eq!(full, MembershipError::Flaw(MembershipFlaw::UserFull { max: 1 }));
    control(&app).put(of("bob", "r", None), None).await.unwrap();
    let full = control(&app).put(of("eve", "r", None), None).await.unwrap_err();
    assert_eq!(full, MembershipError::Flaw(MembershipFlaw::Full { max: 2 }));

    let ann = app.connect_in("/", "ann", &["granted"], None).await;
    assert!(is_in(&ann, &app, "r") && is_in(&ann, &app, "granted"));
}

#[tokio::test]
async fn what_was_answered_is_there_in_the_next_life_and_goes_with_its_user() {
    let folder = TempDir::new().unwrap();
    let app = TestApp::in_folder(folder.path(), |_| {});
    control(&app).put(of("ann", "r", None), None).await.unwrap();
    control(&app).remove(of("ann", "s", Some("/")), true).await.unwrap();
    app.store.close().await;

    let app = TestApp::in_folder(folder.path(), |_| {});
    control(&app).load().await.unwrap();
    let ann = app.connect_in("/", "ann", &["s"], None).await;
    assert!(is_in(&ann, &app, "r") && !is_in(&ann, &app, "s"));
    let standings: Vec<_> =
        control(&app).of(ann.socket.user()).iter().map(|it| it.standing).collect();
    assert_eq!(standings, [Standing::Member { until: None }, Standing::Denied]);

    app.realtime.attendance.erase(ann.socket.user());
    assert_eq!((control(&app).of(ann.socket.user()), control(&app).count()), (vec![], 0));
}
