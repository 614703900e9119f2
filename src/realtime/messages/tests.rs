//! A message is finished whether its sender waits or not, and what became of it can be asked.

use super::undelivered::UndeliveredReport;
use super::{Emitted, MemberCounts, StoredItem, UndeliveredHooks};
use crate::app::testing::{TestApp, until};
use crate::cluster::MissingNodes;
use crate::core::emit::acks::{AckNeed, AckSummary, MissingAck, SocketAck, WhyNoAck};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{AckOptions, Emit, Message, StoreOptions, WhenUndelivered};
use crate::core::inbox::Keep;
use crate::core::presence::session::PresenceStatus;
use crate::realtime::emitter::{OtherCounts, UserEmitted};
use crate::realtime::memberships::MembershipOf;
use crate::types::{
    DeviceId, EventName, Except, ItemId, ItemSeq, Namespace, Payload, Room, SocketId, Target,
    UserId,
};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn emit(users: &[&str], except: Except) -> Emit {
    let target = Target { users: users.iter().map(|it| user(it)).collect(), ..Target::default() };
    Emit {
        audience: Arc::new(Audience { namespace: Namespace::root(), target, except }),
        event: EventName::parse("x").unwrap(),
        payload: Payload::default(),
        volatile: false,
        source: None,
    }
}

fn message(users: &[&str]) -> Message {
    let emit = emit(users, Except::default());
    Message { emit, store: None, acks: None, undelivered: WhenUndelivered::Nothing }
}

fn stored_as(name: &str) -> StoreOptions {
    let id = Some(ItemId::parse(name).unwrap());
    StoreOptions { keep: Keep::Always, ttl: None, collapse_key: None, id }
}

#[tokio::test]
async fn what_was_begun_is_finished_though_its_sender_does_not_wait() {
    let app = TestApp::new();
    let ann = app.connect("ann").await;
    let messages = &app.realtime.messages;
    let acks = AckOptions { need: AckNeed::All, timeout: Duration::from_mins(1) };
    let message = Message { acks: Some(acks), store: Some(stored_as("a")), ..message(&["ann"]) };

    assert!(messages.post(message).now_or_never().is_none(), "the disk is waited for");

    let heard = app.hear(&ann).await;
    let id = heard.strip_prefix("42").and_then(|it| it.split('[').next()).unwrap().to_owned();
    app.say(&ann, &format!("43{id}[1]")).await;
    until("it is acked and stored", || {
        let recent = messages.recent(None, 1);
        recent.first().is_some_and(|it| it.acked == Some(1))
    })
    .await;
    let status = messages.status("a").await.unwrap();
    assert_eq!((status.placed.len(), status.acks.unwrap().counts()), (1, (1, 1)));
}

#[tokio::test]
async fn only_an_event_and_nothing_besides_is_sent_without_waiting() {
    let app = TestApp::new();
    let messages = &app.realtime.messages;
    let acks = AckOptions { need: AckNeed::All, timeout: Duration::from_millis(1) };

    assert!(messages.post_at_once(&message(&["ann"])).is_some());
    for more in [
        Message { store: Some(stored_as("a")), ..message(&["ann"]) },
        Message { acks: Some(acks), ..message(&["ann"]) },
        Message { undelivered: WhenUndelivered::Hook, ..message(&["ann"]) },
    ] {
        assert!(messages.post_at_once(&more).is_none());
    }
    assert_eq!(messages.recent(None, 10).len(), 1, "what was not sent has not happened");
}

#[tokio::test]
async fn nothing_is_known_of_a_message_that_nobody_sent() {
    let app = TestApp::new();

    let status = app.realtime.messages.status("msg_unheard-of").await.unwrap();
    assert!(status.acks.is_none() && status.placed.is_empty());
    assert!(app.realtime.messages.ack_status(&["msg_unheard-of".to_owned()]).is_none());
}

/// `matched` and `sent` of each user, who are all offline.
fn emitted(users: &[(&str, usize, usize)]) -> Emitted {
    let users = users.iter().map(|(name, matched, sent)| {
        let status = PresenceStatus::Offline;
        (user(name), UserEmitted { status, matched: *matched, sent: *sent })
    });
    let missing = MissingNodes::default();
    let (id, users, others) = ("msg_1".to_owned(), users.collect(), OtherCounts::default());
    Emitted { id, matched: 0, sent: 0, users, missing, others }
}

fn names<'a>(report: &'a UndeliveredReport, outcome: &AckSummary<u8>) -> [Vec<&'a str>; 3] {
    [report.offline(), report.not_sent(), report.no_ack(outcome)].map(|it| it.names())
}

#[tokio::test]
async fn the_backend_is_told_of_whoever_it_was_for_and_did_not_reach() {
    let app = TestApp::new();
    let here = app.connect_in("/", "here", &[], Some("d1")).await;
    let hooks = UndeliveredHooks::new(
        app.parts.sockets.clone(),
        app.store.outbox(),
        app.parts.clock.clone(),
    );
    let except = Except {
        users: vec![user("left-out")],
        devices: vec![DeviceId::parse("d1").unwrap()],
        ..Except::default()
    };
    let emit = emit(&["away"], except);
    let emitted = emitted(&[
        ("away", 0, 0),
        ("left-out", 0, 0),
        ("has-it", 0, 0),
        // Its only socket is left out by its device.
        (here.socket.user().as_str(), 0, 0),
        ("refuses", 2, 0),
        ("acks", 1, 1),
        ("silent", 1, 1),
        ("cancelled", 1, 1),
    ]);
    let has_it = StoredItem { seq: ItemSeq(1), id: "a".to_owned(), is_duplicate: true };
    let socket = SocketId::from_bytes([1; SocketId::BYTES]);
    let outcome = AckSummary {
        is_met: true,
        acks: vec![SocketAck {
            user: user("acks"),
            socket,
            took: Duration::ZERO,
            answer: Ok(1_u8),
        }],
        missing: vec![
            MissingAck { user: user("silent"), socket, why: WhyNoAck::Timeout },
            MissingAck { user: user("cancelled"), socket, why: WhyNoAck::Cancelled },
        ],
        absent: Vec::new(),
    };

    let report = hooks.report(&emit, &emitted, &BTreeMap::from([(user("has-it"), has_it)]));

    let [offline, not_sent, no_ack] = names(&report, &outcome);
    assert_eq!(offline, ["away"]);
    assert_eq!(not_sent, ["refuses"]);
    assert_eq!(no_ack, ["refuses", "silent"]);
}

#[tokio::test]
async fn a_room_stores_for_its_members_here_or_not_and_a_repeat_for_nobody() {
    let app = TestApp::new();
    let room = Room::parse("acme").unwrap();
    let of = |name: &str, namespace: Option<&str>| MembershipOf {
        user: user(name),
        room: room.clone(),
        namespace: namespace.map(|it| Namespace::parse(it).unwrap()),
    };
    let memberships = &app.realtime.memberships;
    for name in ["ann", "bob", "eve", "zed"] {
        memberships.put(of(name, None), None).await.unwrap();
    }
    memberships.remove(of("zed", Some("/")), true).await.unwrap();
    memberships.put(of("chat", Some("/chat")), None).await.unwrap();
    let ann = app.connect("ann").await;
    let guest = app.connect_in("/", "guest", &["acme"], None).await;

    let target =
        Target { rooms: vec![room.clone()], users: vec![user("ann")], ..Target::default() };
    let except = Except { users: vec![user("eve")], ..Except::default() };
    let post = async || {
        let audience = Audience {
            namespace: Namespace::root(),
            target: target.clone(),
            except: except.clone(),
        };
        let emit = Emit { audience: Arc::new(audience), ..emit(&[], Except::default()) };
        let message = Message { emit, store: Some(stored_as("i")), ..message(&[]) };
        app.realtime.messages.post(message).await.unwrap()
    };
    let first = post().await;
    assert_eq!((first.emitted.matched, first.emitted.sent), (2, 2), "ann and the guest");
    assert_eq!(first.members, Some(MemberCounts { users: 1, stored: 1, duplicates: 0 }), "bob");
    assert_eq!(first.stored.keys().map(UserId::as_str).collect::<Vec<_>>(), ["ann", "bob"]);
    for client in [&ann, &guest] {
        assert_eq!(app.hear(client).await.matches("[\"x\"]").count(), 1);
    }

    let again = post().await;
    assert_eq!(again.members, Some(MemberCounts { users: 1, stored: 0, duplicates: 1 }));
    assert_eq!(again.emitted.matched, 0);
}
