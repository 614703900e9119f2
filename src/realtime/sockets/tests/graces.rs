//! When a user counts as gone: every grace, and exactly one word about each session.

use super::fixture::{
    ALMOST_GRACE, ALMOST_STARTUP_GRACE, Fixture, GRACE, MOMENT, STARTUP_GRACE, presence, user_id,
};
use crate::config::PresenceConfig;
use crate::core::presence::session::{Grace, PresenceStatus, UserSession};
use crate::presence::Ghost;
use crate::realtime::sockets::NodeCounts;
use crate::store::{OpenSession, Recovered};
use crate::types::{Portrait, Reason, WallMs};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::time::Duration;
use tempfile::TempDir;

fn status(it: &Fixture, user: &str) -> PresenceStatus {
    it.sockets.user(&user_id(user)).0
}

fn ghosts(recovered: &Recovered) -> Vec<Ghost> {
    let ghost = |open: &OpenSession| {
        let session = UserSession { id: open.session, since: open.since };
        Ghost { user: open.user.clone(), session, portrait: open.portrait.clone() }
    };
    recovered.sessions.iter().map(ghost).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_of_many_sockets_is_recorded_once_at_each_end() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let first = it.connect("ann");
    let second = it.connect("ann");
    let third = it.socket_on(&it.connection, "ann", "/chat", &[]);
    it.register(&third).unwrap();

    for (socket, reason) in [
        (&second, Reason::PingTimeout),
        (&first, Reason::ClientDisconnect),
        (&third, Reason::TransportClose),
    ] {
        tokio::time::sleep(2 * GRACE).await;
        assert!(matches!(status(&it, "ann"), PresenceStatus::Online(_)));
        assert!(it.sockets.disconnect(socket, reason));
        assert!(!it.sockets.disconnect(socket, reason), "a repeat changes nothing");
    }
    tokio::time::sleep(GRACE + MOMENT).await;

    assert_eq!(it.recorded().await, ["user.online ann", "user.offline ann transport_close"]);
    assert_eq!(it.sockets.counts(), NodeCounts::default());
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_waited_for_to_its_end() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.connect("ann");
    it.sockets.disconnect(&socket, Reason::TransportClose);

    tokio::time::sleep(ALMOST_GRACE).await;
    assert!(matches!(status(&it, "ann"), PresenceStatus::Lingering(_)));
    assert_eq!(it.recorded().await, ["user.online ann"]);
    tokio::time::sleep(2 * MOMENT).await;

    assert_eq!(status(&it, "ann"), PresenceStatus::Offline);
    assert_eq!(it.recorded().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn back_within_the_grace_nothing_has_happened() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let mut socket = it.connect("ann");
    let PresenceStatus::Online(session) = status(&it, "ann") else { panic!("not online") };

    for _ in 0..5 {
        it.sockets.disconnect(&socket, Reason::TransportClose);
        tokio::time::sleep(ALMOST_GRACE).await;
        socket = it.connect("ann");
        // Past the deadline of the socket before.
        tokio::time::sleep(2 * MOMENT).await;
    }
    tokio::time::sleep(3 * GRACE).await;

    assert_eq!(status(&it, "ann"), PresenceStatus::Online(session));
    assert_eq!(it.recorded().await, ["user.online ann"]);
    assert_eq!(it.sockets.counts().deadlines, 0);
}

#[tokio::test(start_paused = true)]
async fn who_knocks_while_the_store_takes_nothing_is_no_news_and_who_does_not_is_offline_after_it()
{
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let (ann, bob) = (it.connect("ann"), it.connect("bob"));
    it.events().await;
    let mut room = Vec::new();
    let reserve = || tokio::task::coop::unconstrained(it.sockets.presence.reserve()).now_or_never();
    while let Some(permit) = reserve() {
        room.push(permit.unwrap());
    }

    for socket in [&ann, &bob] {
        it.sockets.disconnect(socket, Reason::TransportClose);
    }
    tokio::time::sleep(3 * GRACE).await;
    drop(room);
    it.settle().await;
    it.connect("ann");
    tokio::time::sleep(ALMOST_GRACE).await;
    assert_eq!(it.recorded().await, ["user.online ann", "user.online bob"]);
    tokio::time::sleep(2 * MOMENT).await;

    let offline = "user.offline bob transport_close";
    assert_eq!(it.recorded().await, ["user.online ann", "user.online bob", offline]);
    assert!(matches!(status(&it, "ann"), PresenceStatus::Online(_)));
}

#[tokio::test(start_paused = true)]
async fn a_second_session_begins_after_the_grace() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    for _ in 0..2 {
        let socket = it.connect("ann");
        it.sockets.disconnect(&socket, Reason::TransportClose);
        tokio::time::sleep(GRACE + MOMENT).await;
    }

    let events = it.events().await;

    let types: Vec<&str> = events.iter().map(|event| event.hook_type.as_str()).collect();
    assert_eq!(types, ["user.online", "user.offline", "user.online", "user.offline"]);
    assert!(events.is_sorted_by(|a, b| a.seq < b.seq), "{events:?}");
    assert_eq!(events[0].session, events[0].seq);
    assert_eq!(events[1].session, events[0].seq);
    assert_eq!(events[3].session, events[2].seq);
}

#[tokio::test(start_paused = true)]
async fn a_kicked_user_is_offline_at_once() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let sockets = [it.connect("ann"), it.connect("ann")];

    for socket in &sockets {
        socket.kick(Grace::Skip);
        it.sockets.disconnect(socket, Reason::Kicked);
    }
    it.settle().await;

    assert_eq!(it.recorded().await, ["user.online ann", "user.offline ann kicked"]);
}

#[tokio::test(start_paused = true)]
async fn a_kicked_socket_that_keeps_the_grace_leaves_its_user_online() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.connect("ann");

    socket.kick(Grace::Keep);
    it.sockets.disconnect(&socket, Reason::Kicked);
    tokio::time::sleep(ALMOST_GRACE).await;
    assert!(matches!(status(&it, "ann"), PresenceStatus::Lingering(_)));
    tokio::time::sleep(2 * MOMENT).await;

    assert_eq!(it.recorded().await, ["user.online ann", "user.offline ann kicked"]);
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_a_user_who_is_away_can_be_ended() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let ann = it.connect("ann");
    let _bob = it.connect("bob");
    it.sockets.disconnect(&ann, Reason::TransportClose);

    assert!(it.sockets.presence.end_grace(&user_id("ann"), Reason::Kicked));
    assert!(
        !it.sockets.presence.end_grace(&user_id("bob"), Reason::Kicked),
        "who is here has no grace"
    );
    assert!(!it.sockets.presence.end_grace(&user_id("eve"), Reason::Kicked));
    it.settle().await;

    let recorded = it.recorded().await;
    assert_eq!(recorded, ["user.online ann", "user.online bob", "user.offline ann kicked"]);
    tokio::time::sleep(3 * GRACE).await;
    assert_eq!(it.recorded().await.len(), 3, "once");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_gone_before_it_came_is_never_here() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.socket("ann", &["org:7"]);

    assert!(!it.sockets.disconnect(&socket, Reason::TransportClose));
    assert_eq!(it.register(&socket), None);

    assert_eq!(it.sockets.counts(), NodeCounts::default());
    tokio::time::sleep(3 * GRACE).await;
    assert_eq!(it.recorded().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_gone_does_not_come_back() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.connect("ann");
    assert_eq!(it.register(&socket), None, "nor does it come twice");
    it.sockets.disconnect(&socket, Reason::TransportClose);

    assert_eq!(it.register(&socket), None);

    assert!(matches!(status(&it, "ann"), PresenceStatus::Lingering(_)));
    assert_eq!((it.sockets.counts().sockets, it.sockets.counts().rooms), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_users_have_the_startup_grace_to_come_back() {
    let folder = TempDir::new().unwrap();
    let before = Fixture::new(&folder).await;
    let (_ann, _bob) = (before.connect("ann"), before.connect("bob"));
    let eve = before.connect("eve");
    before.sockets.disconnect(&eve, Reason::TransportClose);
    before.events().await;
    before.crash().await;

    let it = Fixture::new(&folder).await;
    let ended_at = WallMs(1_785_577_260_123);
    it.sockets.presence.recover(ghosts(&it.recovered), ended_at);

    assert_eq!(it.sockets.counts().lingering, 3);
    tokio::time::sleep(ALMOST_STARTUP_GRACE).await;
    let _ann = it.connect("ann");
    tokio::time::sleep(2 * MOMENT).await;

    let recorded = it.recorded().await;
    assert_eq!(recorded[..3], ["user.online ann", "user.online bob", "user.online eve"]);
    let mut gone = recorded[3..].to_vec();
    gone.sort();
    assert_eq!(gone, ["user.offline bob server_restart", "user.offline eve server_restart"]);
    let events = it.events().await;
    let ann = events.iter().find(|event| event.user == user_id("ann")).unwrap();
    let PresenceStatus::Online(session) = status(&it, "ann") else { panic!("not online") };
    assert_eq!(session.id, ann.seq, "the session goes on");
    let bob = events.iter().rfind(|event| event.user == user_id("bob")).unwrap();
    let body: Value = serde_json::from_str(&bob.body).unwrap();
    assert_eq!(body["data"]["last_socket_closed_at"], "2026-08-01T09:41:00.123Z", "{body}");
}

#[tokio::test(start_paused = true)]
async fn the_startup_grace_is_never_shorter_than_the_grace() {
    let folder = TempDir::new().unwrap();
    let before = Fixture::new(&folder).await;
    let _ann = before.connect("ann");
    before.events().await;
    before.crash().await;
    let presence = PresenceConfig { startup_grace: Duration::ZERO, ..presence() };
    let it = Fixture::with(&folder, presence).await;

    it.sockets.presence.recover(ghosts(&it.recovered), WallMs(0));
    tokio::time::sleep(ALMOST_GRACE).await;
    assert!(matches!(status(&it, "ann"), PresenceStatus::Lingering(_)));
    tokio::time::sleep(2 * MOMENT).await;

    assert_eq!(status(&it, "ann"), PresenceStatus::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_here_is_no_ghost() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let _ann = it.connect("ann");
    let PresenceStatus::Online(session) = status(&it, "ann") else { panic!("not online") };
    let ghost = Ghost {
        user: user_id("ann"),
        session: UserSession { since: WallMs(1), ..session },
        portrait: Portrait::default(),
    };

    it.sockets.presence.recover([ghost], WallMs(0));
    tokio::time::sleep(2 * STARTUP_GRACE).await;

    assert_eq!(status(&it, "ann"), PresenceStatus::Online(session));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_users_who_flap_leave_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let users: Vec<String> = (0..1000).map(|n| format!("user-{n}")).collect();

    for round in 0..10 {
        let mut sockets = Vec::new();
        for user in &users {
            let rooms = [format!("org:{}", round % 3), format!("own:{user}")];
            let socket = it.socket(user, &rooms.each_ref().map(String::as_str));
            it.register(&socket).unwrap();
            sockets.push(socket);
        }
        assert_eq!(it.sockets.counts().sockets, 1000);
        for socket in &sockets {
            it.sockets.disconnect(socket, Reason::TransportClose);
        }
        tokio::time::sleep(GRACE / 2).await;
        let deadlines = it.sockets.counts().deadlines;
        assert!(deadlines <= 2 * users.len(), "{deadlines}");
    }
    assert_eq!(it.recorded().await.len(), 1000, "nobody was away for long");
    tokio::time::sleep(GRACE + MOMENT).await;

    assert_eq!(it.sockets.counts(), NodeCounts::default());
    assert_eq!(it.recorded().await.len(), 2000);
}
