//! Who gets an emit, how often, and what is counted.

use super::AckBudget;
use super::fanout::{Fanout, NotSent, SentCounts};
use super::{Emitted, Emitter, Emitting, groups};
use crate::app::testing::{TestApp, TestClient};
use crate::connection::Pump;
use crate::core::emit::acks::AckNeed;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{AckOptions, Emit};
use crate::registry::Socket;
use crate::types::{
    DeviceId, EventName, Except, Namespace, Payload, Room, SocketId, Target, UserId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Small numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }

    /// Up to `max` of these.
    fn some<T: Clone>(&mut self, max: usize, of: &[T]) -> Vec<T> {
        let count = self.below(max + 1);
        (0..count).map(|_| of[self.below(of.len())].clone()).collect()
    }
}

fn emitter(app: &TestApp) -> Emitter {
    let pump = Pump::start(&app.parts.tasks, &app.parts.connections);
    let (sockets, recoveries) = (app.parts.sockets.clone(), app.parts.recoveries.clone());
    Emitter::new(sockets, recoveries, (pump, None), 10, app.parts.clock.clone())
}

fn emit(audience: Audience, volatile: bool) -> Emit {
    let event = EventName::parse("x").unwrap();
    Emit {
        audience: Arc::new(audience),
        event,
        payload: Payload::default(),
        volatile,
        source: None,
    }
}

fn to_all() -> Audience {
    let target = Target { all: true, ..Target::default() };
    Audience { namespace: Namespace::root(), target, except: Except::default() }
}

async fn clients(app: &TestApp) -> Vec<TestClient> {
    let rooms = ["org:1", "org:2"];
    let mut clients = Vec::new();
    for (namespace, user, rooms, device) in [
        ("/", "ann", &rooms[..1], Some("d1")),
        ("/", "ann", &rooms[1..], Some("d2")),
        ("/chat", "ann", &rooms[..], Some("d1")),
        ("/", "bob", &rooms[..], None),
        ("/chat", "bob", &rooms[..0], None),
        ("/", "cy", &rooms[..0], Some("d1")),
    ] {
        clients.push(app.connect_in(namespace, user, rooms, device).await);
    }
    clients
}

/// Names that some of the clients have, and one of each kind that nobody has.
fn audience(dice: &mut Dice, clients: &[TestClient]) -> Audience {
    let users = ["ann", "bob", "cy", "nobody"].map(|it| UserId::parse(it).unwrap());
    let devices = ["d1", "d2", "none"].map(|it| DeviceId::parse(it).unwrap());
    let strange = SocketId::from_bytes([7; SocketId::BYTES]);
    let ids: Vec<_> = clients.iter().map(|it| it.socket.id).chain([strange]).collect();
    let mut rooms: Vec<_> =
        ["org:1", "org:2", "user:ann", "none"].map(|it| Room::parse(it).unwrap()).into();
    rooms.push(Room::of_socket(ids[0]));
    let namespace = clients[dice.below(clients.len())].socket.namespace.clone();
    let target = Target {
        users: users[..dice.below(users.len() + 1)].to_vec(),
        rooms: dice.some(2, &rooms),
        sockets: dice.some(2, &ids),
        all: dice.below(4) == 0,
    };
    let except = Except {
        users: dice.some(1, &users),
        rooms: dice.some(1, &rooms),
        sockets: dice.some(1, &ids),
        devices: dice.some(1, &devices),
    };
    Audience { namespace, target, except }
}

/// What is expected of an emit, by its audience alone.
fn expected(
    audience: &Audience,
    clients: &[TestClient],
) -> (BTreeSet<SocketId>, BTreeMap<UserId, usize>) {
    let sockets = clients.iter().map(|it| &it.socket);
    let meant: Vec<&Arc<Socket>> = sockets.filter(|it| audience.includes(&***it)).collect();
    let of = |user: &UserId| meant.iter().filter(|it| it.user() == user).count();
    let users = audience.target.users.iter().map(|user| (user.clone(), of(user)));
    (meant.iter().map(|it| it.id).collect(), users.collect())
}

/// Bytes that wait for each client: nobody polls here.
fn queued(clients: &[TestClient]) -> Vec<usize> {
    clients.iter().map(|it| it.socket.connection.queued()).collect()
}

#[tokio::test]
async fn an_emit_reaches_each_socket_of_its_audience_once_and_says_how_many() {
    for recovers in [false, true] {
        let app = TestApp::with(|config| {
            config.socketio.namespaces.push(Namespace::parse("/chat").unwrap());
            config.recovery.window = Duration::from_secs(u64::from(recovers));
        });
        let clients = clients(&app).await;
        let emitter = emitter(&app);
        let mut dice = Dice(0x9e37_79b9);
        for step in 0..300 {
            let audience = audience(&mut dice, &clients);
            let (sockets, users) = expected(&audience, &clients);
            let before = queued(&clients);

            let emitted = emitter.emit_at_once(&emit(audience, false)).unwrap().emitted;

            let grown = queued(&clients).into_iter().zip(&before).map(|(now, before)| now - before);
            let grown: Vec<usize> = grown.collect();
            let got = clients.iter().zip(&grown).filter(|(_, bytes)| 0 < **bytes);
            let got: BTreeSet<_> = got.map(|(client, _)| client.socket.id).collect();
            assert_eq!(got, sockets, "step {step}");
            let sizes: BTreeSet<_> = grown.into_iter().filter(|bytes| 0 < *bytes).collect();
            assert!(sizes.len() < 2, "somebody got it twice: {sizes:?} in step {step}");
            assert_eq!((emitted.matched, emitted.sent), (sockets.len(), sockets.len()));
            let Emitted { users: counted, .. } = emitted;
            // A socket that an earlier name stands for, too, counts there; users come before all else but everybody.
            if !emitter.recent()[0].audience.target.all {
                let counted: BTreeMap<_, _> =
                    counted.into_iter().map(|(user, it)| (user, it.sent)).collect();
                assert_eq!(counted, users, "step {step}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_volatile_is_counted_as_matched_and_not_sent_where_somebody_is_busy() {
    let app = TestApp::new();
    let client = app.connect("ann").await;
    client.socket.connection.queue(&bytes::Bytes::from_static(b"\x81\x012"));

    let emitted = emitter(&app).emit_at_once(&emit(to_all(), true)).unwrap().emitted;

    assert_eq!((emitted.matched, emitted.sent), (1, 0));
}

#[tokio::test]
async fn a_delivery_in_slices_is_the_same_as_one_in_one_go() {
    let app = TestApp::new();
    let mut clients = Vec::new();
    for user in ["ann", "bob", "ann", "cy"] {
        clients.push(app.connect(user).await);
    }
    let names = ["bob", "ann", "nobody"].map(|it| UserId::parse(it).unwrap());
    let target = Target { users: names.to_vec(), all: true, ..Target::default() };
    let except = Except { sockets: vec![clients[3].socket.id], ..Except::default() };
    let audience = Audience { namespace: Namespace::root(), target, except };
    let deliver = |slice: usize| -> (Vec<SocketId>, usize, SentCounts) {
        let groups = groups::find(&app.parts.sockets, &audience);
        let mut fanout = Fanout::new(groups, &audience);
        assert_eq!(fanout.sockets(), 7, "everybody, and once more by name");
        let (mut given, mut rounds) = (Vec::new(), 1);
        let mut give = |socket: &Arc<Socket>| {
            given.push(socket.id);
            if socket.user().as_str() == "bob" { Err(NotSent::Closed) } else { Ok(()) }
        };
        while fanout.advance(slice, &mut give) {
            rounds += 1;
        }
        (given, rounds, fanout.end())
    };

    let (given, _, counts) = deliver(usize::MAX);
    assert_eq!((given.len(), counts.matched, counts.sent), (3, 3, 2));
    assert_eq!(counts.dropped.closed, 1);
    let users: Vec<&str> = counts.users.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(users, ["bob", "ann", "nobody"], "in the order they were named");
    for slice in 1..9 {
        let (same, rounds, same_counts) = deliver(slice);
        assert_eq!((same, same_counts), (given.clone(), deliver(usize::MAX).2));
        assert_eq!(rounds, 7_usize.div_ceil(slice), "slices of {slice}");
    }
}

#[tokio::test]
async fn who_is_asked_for_acks_is_counted_as_in_any_emit_and_who_is_not_here_is_named() {
    let app = TestApp::new();
    let ann = app.connect("ann").await;
    let emitter = emitter(&app);
    let users = ["ann", "bob", "cy"].map(|it| UserId::parse(it).unwrap());
    let target = Target { users: users.to_vec(), ..Target::default() };
    let except = Except { users: vec![users[2].clone()], ..Except::default() };
    let emit = emit(Audience { namespace: Namespace::root(), target, except }, false);
    let recipients = emitter.recipients(&emit.audience);
    assert_eq!(recipients.check(), Ok(()));

    let ask = AckOptions { need: AckNeed::All, timeout: Duration::from_mins(1) };
    let asked = emitter.ask(Emitter::fresh_id(), &emit, ask, recipients).await.unwrap();
    let (Emitting { emitted, .. }, asking) = asked;

    assert_eq!((emitted.matched, emitted.sent, emitted.users.len()), (1, 1, 3));
    assert_eq!(app.hear(&ann).await, r#"421["x"]"#);
    app.say(&ann, r#"431["yes"]"#).await;
    let summary = asking.end(&AckBudget::new(100).share()).await;
    assert!(summary.is_met);
    assert_eq!(
        (summary.acks.len(), &summary.absent[..]),
        (1, &users[1..2]),
        "left out is not absent"
    );
}
