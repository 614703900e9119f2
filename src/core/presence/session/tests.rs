//! Each arrow of the picture, and the machine against a naive model over random histories.

use super::{Presence, Removed, Session, Status};
use crate::types::{ChangeKind, Moment, Reason, Seq, SocketId, Timestamp, UserId, WallMs};
use proptest::prelude::*;
use std::time::Duration;

const GRACE_MS: u64 = 50;
const GRACE: Duration = Duration::from_millis(GRACE_MS);

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

fn at(ms: u64, seq: u64) -> Moment {
    Moment { now: Timestamp(ms), wall: WallMs(1_000_000 + ms), seq: Seq(seq) }
}

fn ann() -> Presence<()> {
    Presence::new(UserId::parse("ann").unwrap())
}

#[test]
fn the_first_socket_brings_the_user_online_and_the_second_changes_nothing() {
    let mut it = ann();

    let news = it.connect(socket(1), (), at(0, 7)).unwrap();

    assert_eq!((news.seq, news.session, news.kind), (Seq(7), Seq(7), ChangeKind::Online));
    assert_eq!(it.connect(socket(2), (), at(1, 8)), None);
    assert_eq!(it.connect(socket(2), (), at(1, 9)), None, "the same socket twice is one socket");
    assert_eq!(it.sockets().count(), 2);
}

#[test]
fn only_the_last_socket_starts_the_grace() {
    let mut it = ann();
    it.connect(socket(1), (), at(0, 1));
    it.connect(socket(2), (), at(0, 2));

    assert_eq!(it.disconnect(socket(1), Reason::TransportClose, GRACE, at(5, 3)), Removed::Others);
    let removed = it.disconnect(socket(2), Reason::PingTimeout, GRACE, at(10, 4));

    assert_eq!(removed, Removed::Last(Timestamp(60)));
    assert_eq!(it.deadline(), Some(Timestamp(60)));
    assert!(matches!(it.status(), Status::Lingering(_)));
}

#[test]
fn gone_after_the_grace_and_not_a_moment_before() {
    let mut it = ann();
    it.connect(socket(1), (), at(0, 1));
    it.disconnect(socket(1), Reason::PingTimeout, GRACE, at(10, 2));

    assert_eq!(it.expire(at(59, 3)), None);
    let news = it.expire(at(60, 4)).unwrap();

    assert_eq!((news.seq, news.session), (Seq(4), Seq(1)));
    let ChangeKind::Offline { reason, online_since, last_socket_closed_at } = news.kind else {
        panic!("not an offline: {news:?}");
    };
    assert_eq!(reason, Reason::PingTimeout);
    assert_eq!((online_since, last_socket_closed_at), (WallMs(1_000_000), WallMs(1_000_010)));
    assert!(it.is_absent());
    assert_eq!(it.expire(at(61, 5)), None, "offline is said once");
}

#[test]
fn back_within_the_grace_is_the_same_session() {
    let mut it = ann();
    it.connect(socket(1), (), at(0, 1));
    it.disconnect(socket(1), Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.connect(socket(2), (), at(59, 3)), None);

    assert_eq!(it.status(), Status::Online(Session { id: Seq(1), since: WallMs(1_000_000) }));
    assert_eq!(it.expire(at(1000, 4)), None);
}

#[test]
fn a_late_or_repeated_disconnect_changes_nothing() {
    let mut it = ann();
    it.connect(socket(1), (), at(0, 1));
    it.disconnect(socket(1), Reason::TransportClose, GRACE, at(10, 2));

    let late = it.disconnect(socket(1), Reason::Audit, Duration::ZERO, at(20, 3));

    assert_eq!(late, Removed::Unknown);
    assert_eq!(it.deadline(), Some(Timestamp(60)));
}

#[test]
fn a_kick_ends_a_grace_that_is_running_but_never_lengthens_it() {
    let mut it = ann();
    it.connect(socket(1), (), at(0, 1));
    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(5)), None, "still connected");
    it.disconnect(socket(1), Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(20)), Some(Timestamp(20)));
    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(30)), Some(Timestamp(20)));

    let news = it.expire(at(30, 3)).unwrap();
    assert!(matches!(news.kind, ChangeKind::Offline { reason: Reason::Kicked, .. }));
}

#[test]
fn a_ghost_who_returns_is_silent_and_one_who_does_not_is_offline_once() {
    let session = Session { id: Seq(3), since: WallMs(500) };
    let ghost = || -> Presence<()> {
        let user = UserId::parse("ann").unwrap();
        Presence::ghost(user, session, WallMs(900), Timestamp(30))
    };

    let mut returner = ghost();
    assert_eq!(returner.connect(socket(1), (), at(29, 9)), None);
    assert_eq!(returner.status(), Status::Online(session));

    let mut gone = ghost();
    let news = gone.expire(at(30, 9)).unwrap();
    assert_eq!((news.seq, news.session), (Seq(9), Seq(3)));
    let expected = ChangeKind::Offline {
        reason: Reason::ServerRestart,
        online_since: WallMs(500),
        last_socket_closed_at: WallMs(900),
    };
    assert_eq!(news.kind, expected);
}

#[derive(Clone, Debug)]
enum Op {
    Connect(u8),
    Disconnect(u8),
    DisconnectNow(u8),
    EndGrace,
    Wait(u64),
    /// The process dies and comes back: sockets are gone, the session is known from the store.
    Crash(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Op::Connect),
        4 => (0..4_u8).prop_map(Op::Disconnect),
        1 => (0..4_u8).prop_map(Op::DisconnectNow),
        1 => Just(Op::EndGrace),
        3 => (0..80_u64).prop_map(Op::Wait),
        1 => (0..80_u64).prop_map(Op::Crash),
    ]
}

/// What a child would write down: who is connected, and at what time an empty house counts as left.
#[derive(Default)]
struct Model {
    sockets: Vec<u8>,
    gone_at: Option<u64>,
    session: Option<u64>,
    log: Vec<(u64, &'static str, u64)>,
}

impl Model {
    fn connect(&mut self, n: u8, seq: u64) {
        if self.session.is_none() {
            self.session = Some(seq);
            self.log.push((seq, "user.online", seq));
        }
        self.gone_at = None;
        if !self.sockets.contains(&n) {
            self.sockets.push(n);
        }
    }

    fn disconnect(&mut self, n: u8, now: u64, grace: u64) {
        let before = self.sockets.len();
        self.sockets.retain(|it| *it != n);
        if before > 0 && self.sockets.is_empty() {
            self.gone_at = Some(now + grace);
        }
    }

    fn expire(&mut self, now: u64, seq: u64) {
        if self.gone_at.is_some_and(|at| at <= now) {
            self.gone_at = None;
            self.log.push((seq, "user.offline", self.session.take().unwrap()));
        }
    }
}

struct Run {
    it: Presence<u8>,
    model: Model,
    log: Vec<(u64, &'static str, u64)>,
    now: u64,
    seq: u64,
}

impl Run {
    fn step(&mut self, op: &Op) {
        self.seq += 1;
        let moment = at(self.now, self.seq);
        let news = match *op {
            Op::Connect(n) => {
                self.model.connect(n, self.seq);
                self.it.connect(socket(n), n, moment)
            }
            Op::Disconnect(n) => {
                self.model.disconnect(n, self.now, GRACE_MS);
                self.it.disconnect(socket(n), Reason::TransportClose, GRACE, moment);
                None
            }
            Op::DisconnectNow(n) => {
                self.model.disconnect(n, self.now, 0);
                self.it.disconnect(socket(n), Reason::Kicked, Duration::ZERO, moment);
                None
            }
            Op::EndGrace => {
                self.model.gone_at = self.model.gone_at.map(|at| at.min(self.now));
                self.it.end_grace(Reason::Kicked, moment.now);
                None
            }
            Op::Wait(ms) => {
                self.now += ms;
                None
            }
            Op::Crash(grace) => {
                self.crash(grace);
                None
            }
        };
        self.hear(news);
        self.seq += 1;
        self.model.expire(self.now, self.seq);
        let news = self.it.expire(at(self.now, self.seq));
        self.hear(news);
    }

    fn crash(&mut self, grace: u64) {
        let user = self.it.user.clone();
        self.model.sockets.clear();
        if self.model.session.is_some() {
            self.model.gone_at = Some(self.now + grace);
        }
        self.it = match self.it.status() {
            Status::Offline => Presence::new(user),
            Status::Online(session) | Status::Lingering(session) => {
                Presence::ghost(user, session, WallMs(0), Timestamp(self.now + grace))
            }
        };
    }

    fn hear(&mut self, news: Option<crate::types::Change>) {
        self.log.extend(news.map(|it| (it.seq.0, it.hook_type(), it.session.0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_the_naive_model(ops in prop::collection::vec(op(), 0..60)) {
        let it = Presence::new(UserId::parse("ann").unwrap());
        let mut run = Run { it, model: Model::default(), log: Vec::new(), now: 0, seq: 0 };
        for op in &ops {
            run.step(op);
            prop_assert_eq!(&run.log, &run.model.log);
            let sockets: Vec<u8> = run.it.sockets().copied().collect();
            prop_assert_eq!(&sockets, &run.model.sockets);
            prop_assert_eq!(run.it.is_absent(), run.model.session.is_none());
            prop_assert_eq!(run.it.deadline().map(|at| at.0), run.model.gone_at);
        }
        for n in 0..4 {
            run.step(&Op::Disconnect(n));
        }
        run.step(&Op::Wait(2 * GRACE_MS));
        prop_assert!(run.it.is_absent(), "nothing is remembered once everybody left");
        let kinds: Vec<&str> = run.log.iter().map(|it| it.1).collect();
        let turns = ["user.online", "user.offline"].iter().cycle();
        prop_assert!(kinds.iter().zip(turns).all(|(a, b)| a == b), "{kinds:?} does not alternate");
        prop_assert!(run.log.windows(2).all(|pair| pair[0].0 < pair[1].0), "seq grows");
    }
}
