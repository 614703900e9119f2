//! The pure parts that every connection, event and hook goes through, and what must not grow with the number of users.
//! `cargo bench --bench hot`; figures are for comparing two versions on one quiet machine.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion};
use http::Request;
use http_body_util::Empty;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use userline::clock::Clock;
use userline::config::{Config, Sources};
use userline::connection::{Acceptor, AcceptorConfig, Connection, Connections};
use userline::core::backend::signature;
use userline::core::emit::audience::Audience;
use userline::core::presence::roster::Roster;
use userline::core::presence::session::SessionMachine;
use userline::core::protocol::outbound::OutboundQueue;
use userline::core::protocol::packet;
use userline::core::recovery::{Recovery, RecoveryLimits};
use userline::realtime::sockets::Sockets;
use userline::registry::{Socket, SocketParts};
use userline::store::Store;
use userline::tasks::Tasks;
use userline::types::{
    Except, Grants, Moment, Namespace, Payload, Reason, Room, Secret, Seq, SocketId, Target,
    Timestamp, UserId, WallMs,
};

const GRACE: Duration = Duration::from_secs(10);
const QUEUE_BYTES: usize = 1_000_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    outbound(&mut criterion);
    packets(&mut criterion);
    presence(&mut criterion);
    recovery(&mut criterion);
    signatures(&mut criterion);
    registry(&mut criterion);
    criterion.final_summary();
}

fn payload() -> Payload {
    let data = format!("\"{}\"", "x".repeat(128));
    Payload::try_new(vec![serde_json::value::RawValue::from_string(data).unwrap()]).unwrap()
}

fn outbound(criterion: &mut Criterion) {
    let event = packet::event(&Namespace::root(), "\"bench\"", &payload(), None);
    let mut busy = OutboundQueue::new(QUEUE_BYTES);
    criterion.bench_function("outbound: push and write", |bencher| {
        bencher.iter(|| {
            busy.push(event.clone()).unwrap();
            black_box(busy.wrote(event.len()));
        });
    });
}

fn packets(criterion: &mut Criterion) {
    let (root, payload) = (Namespace::root(), payload());
    criterion.bench_function("packet: encode an event of 128 bytes", |bencher| {
        bencher.iter(|| packet::event(&root, "\"bench\"", black_box(&payload), Some("a.1")));
    });
    criterion.bench_function("packet: tell an answer to CONNECT", |bencher| {
        bencher.iter(|| packet::is_answer_to_connect(black_box(b"40/chat,{\"sid\":\"x\"}")));
    });
}

fn presence(criterion: &mut Criterion) {
    let user = UserId::parse("u1").unwrap();
    let moment = |seq: u64| Moment { now: Timestamp(seq), wall: WallMs(seq), seq: Seq(seq) };
    let id = SocketId::from_bytes([7; SocketId::BYTES]);
    criterion.bench_function("presence: online, offline", |bencher| {
        bencher.iter(|| {
            let mut roster = Roster::default();
            let mut session = SessionMachine::new(user.clone());
            black_box((roster.add(id, ()), session.up(moment(1))));
            let down = session.down(Reason::TransportClose, GRACE, moment(2));
            black_box((roster.remove(id), down));
            session.expire(moment(20_000))
        });
    });
}

fn recovery(criterion: &mut Criterion) {
    let limits = RecoveryLimits {
        window: Duration::from_mins(2),
        events_max: 10_000,
        bytes_max: 16_000_000,
        sessions_per_user: 64,
        sessions_max: 100_000,
        replay_bytes_max: 500_000,
    };
    let (root, payload) = (Namespace::root(), payload());
    let (target, except) = (Target::default(), Except::default());
    let audience = Arc::new(Audience { namespace: root.clone(), target, except });
    let mut recovery: Recovery<Arc<Socket>> = Recovery::new(limits, 1);
    criterion.bench_function("recovery: number and keep an event", |bencher| {
        bencher.iter(|| {
            let encode = |offset: &_| {
                let offset: &userline::core::recovery::Offset = offset;
                packet::event(&root, "\"bench\"", &payload, Some(&offset.to_string()))
            };
            recovery.append(Arc::clone(&audience), Timestamp(1), encode)
        });
    });
}

fn signatures(criterion: &mut Criterion) {
    let secrets = [Secret::new([7; 32])];
    let body = vec![b'x'; 400];
    criterion.bench_function("signature: a hook of 400 bytes", |bencher| {
        bencher.iter(|| signature::sign(&secrets, "msg_1", 1_700_000_000, black_box(&body)));
    });
}

/// Must be the same in every row: what is done for one user costs the same however many there are.
fn registry(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("registry");
    for users in [1_000_u32, 18_000] {
        let crowd = runtime.block_on(Crowd::gather(users));
        let user = user(users / 2);
        group.bench_with_input(BenchmarkId::new("find a user", users), &user, |bencher, user| {
            bencher.iter(|| crowd.sockets.user(black_box(user)));
        });
        let root = Namespace::root();
        let room = Room::of_user(&user);
        group.bench_with_input(BenchmarkId::new("find a room", users), &room, |bencher, room| {
            bencher.iter(|| crowd.sockets.room(&root, black_box(room)));
        });
        group.bench_function(BenchmarkId::new("connect and disconnect", users), |bencher| {
            let setup = || {
                let place = runtime.block_on(crowd.sockets.presence.reserve()).unwrap();
                (place, crowd.socket(u32::MAX))
            };
            let come_and_go = |(place, socket): (_, Arc<Socket>)| {
                crowd.sockets.connect(&socket, place).unwrap();
                crowd.sockets.disconnect(&socket, Reason::TransportClose);
                socket
            };
            bencher.iter_batched(setup, come_and_go, BatchSize::SmallInput);
        });
        runtime.block_on(crowd.store.close());
    }
    group.finish();
}

fn user(number: u32) -> UserId {
    UserId::parse(&format!("u{number}")).unwrap()
}

/// So many users, online with a socket each; all sockets share one connection.
struct Crowd {
    sockets: Sockets,
    store: Store,
    connection: Arc<Connection>,
    _folder: tempfile::TempDir,
}

impl Crowd {
    async fn gather(users: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = [
            ("auth.mode", "trust"),
            ("listen.public", "127.0.0.1:0"),
            ("store.data_dir", folder.path().to_str().unwrap()),
        ];
        let sources = Sources::new();
        let sources = flags
            .iter()
            .fold(sources, |sources, (key, value)| sources.with_flag("bench", key, value));
        let config = Config::load(&sources).unwrap();
        let (store, _) = Store::open(&config.store, &config.hooks).unwrap();
        let bounds = (config.watching.bounds, config.sessions.resume_ttl);
        let clock = Clock::start(Seq(0));
        let sockets = Sockets::new(config.presence, bounds, store.presence(), clock);
        let connection = connection(&config).await;
        let crowd = Self { sockets, store, connection, _folder: folder };
        for number in 0..users {
            let place = crowd.sockets.presence.reserve().await.unwrap();
            crowd.sockets.connect(&crowd.socket(number), place).unwrap();
        }
        crowd.store.flush().await.unwrap();
        crowd
    }

    fn socket(&self, number: u32) -> Arc<Socket> {
        let mut id = [0; SocketId::BYTES];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Arc::new(Socket::new(SocketParts {
            id: SocketId::from_bytes(id),
            namespace: Namespace::root(),
            user: user(number),
            device: None,
            connected_at: WallMs(0),
            grants: Grants::default(),
            connection: Arc::clone(&self.connection),
        }))
    }
}

/// A connection without a client: by long-polling, because that needs no stream.
async fn connection(config: &Config) -> Arc<Connection> {
    let connections = Connections::new(1);
    let acceptor = Acceptor::new(
        AcceptorConfig::new(&config.listen, config.limits, &config.socketio),
        connections.clone(),
        Tasks::new(),
        Clock::start(Seq(0)),
        |_| {},
    );
    let uri = "/socket.io/?EIO=4&transport=polling";
    let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    acceptor.answer(request).await;
    connections.snapshot().remove(0)
}
