//! Roster and session machine together, against a naive model over random histories.

use super::{EntryDown, EntryUp, PresenceEntry};
use crate::core::memory::assert_size;
use crate::core::presence::session::{PresenceStatus, Up, UserSession};
use crate::types::{
    Change, ChangeKind, Moment, Portrait, Reason, Seq, SocketId, Timestamp, UserId, WallMs,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const GRACE_MS: u64 = 50;
const GRACE: Duration = Duration::from_millis(GRACE_MS);

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

fn at(ms: u64, seq: u64) -> Moment {
    Moment { now: Timestamp(ms), wall: WallMs(1_000_000 + ms), seq: Seq(seq) }
}

fn user() -> UserId {
    UserId::parse("ann").unwrap()
}

/// What this node has decided, as it does alone.
fn up<S>(it: &mut PresenceEntry<S>, id: SocketId, socket: S, at: Moment) -> Up {
    match it.up(id, socket, at) {
        EntryUp::Decided(up) => up,
        EntryUp::Shared { .. } => panic!("there is no cluster"),
    }
}

fn due(down: Option<EntryDown>) -> Option<Timestamp> {
    down.map(|it| match it {
        EntryDown::Due(at) => at,
        EntryDown::LastHere => panic!("there is no cluster"),
    })
}

fn ann() -> PresenceEntry<()> {
    PresenceEntry::new(user())
}

#[test]
fn the_first_socket_brings_the_user_online_and_the_second_changes_nothing() {
    let mut it = ann();

    let Up { session, news } = up(&mut it, socket(1), (), at(0, 7));

    let news = news.unwrap();
    assert_eq!((news.seq, news.session, news.kind), (Seq(7), Seq(7), ChangeKind::Online));
    assert_eq!(up(&mut it, socket(2), (), at(1, 8)), Up { session, news: None });
    assert_eq!(up(&mut it, socket(2), (), at(1, 9)), Up { session, news: None });
    assert_eq!(it.roster().sockets().count(), 2, "the same socket twice is one socket");
}

#[test]
fn only_the_last_socket_starts_the_grace() {
    let mut it = ann();
    it.up(socket(1), (), at(0, 1));
    it.up(socket(2), (), at(0, 2));

    assert_eq!(it.down(socket(1), Reason::TransportClose, GRACE, at(5, 3)), None);
    let due = it.down(socket(2), Reason::PingTimeout, GRACE, at(10, 4));

    assert_eq!(due, Some(EntryDown::Due(Timestamp(60))));
    assert!(matches!(it.status(), PresenceStatus::Lingering(_)));
}

#[test]
fn the_last_socket_and_what_was_attached_are_told_with_the_offline_and_only_then() {
    let mut it = PresenceEntry::new(user());
    let portray: fn(&&str) -> Arc<str> = |granted| (*granted).into();
    let go = |it: &mut PresenceEntry<&'static str>, n, ms| {
        it.keep_granted(portray);
        it.down(socket(n), Reason::TransportClose, GRACE, at(ms, ms))
    };
    it.up(socket(1), "first", at(0, 1));
    it.set_attached("{}".into());
    it.up(socket(2), "second", at(1, 2));

    assert_eq!(go(&mut it, 2, 5), None);
    go(&mut it, 1, 10).unwrap();
    let back = up(&mut it, socket(3), "third", at(20, 20));
    assert_eq!(back.news, None);
    go(&mut it, 3, 30).unwrap();

    let Portrait { granted, attached } = it.expire(at(80, 80)).unwrap().portrait;
    assert_eq!((granted.as_deref(), attached.as_deref()), (Some("third"), Some("{}")));
    let again = up(&mut it, socket(4), "fourth", at(90, 90)).news.unwrap();
    assert_eq!(again.portrait, Portrait::default(), "another session");
}

#[test]
fn back_within_the_grace_is_the_same_session() {
    let mut it = ann();
    let session = up(&mut it, socket(1), (), at(0, 1)).session;
    it.down(socket(1), Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(up(&mut it, socket(2), (), at(59, 3)), Up { session, news: None });

    assert_eq!(it.status(), PresenceStatus::Online(session));
    assert_eq!(it.expire(at(1000, 4)), None);
}

#[test]
fn a_late_or_repeated_disconnect_changes_nothing() {
    let mut it = ann();
    it.up(socket(1), (), at(0, 1));
    it.down(socket(1), Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.down(socket(1), Reason::Audit, Duration::ZERO, at(20, 3)), None);

    assert_eq!(it.expire(at(59, 4)), None);
    let news = it.expire(at(60, 5)).unwrap();
    assert!(matches!(news.kind, ChangeKind::Offline { reason: Reason::TransportClose, .. }));
}

#[test]
fn where_the_cluster_decides_it_is_told_of_the_first_socket_and_the_last() {
    let mut it = PresenceEntry::shared();
    let session = UserSession::numbered(7_000);
    let first = |up| match up {
        EntryUp::Shared { session, is_first } => (session, is_first),
        EntryUp::Decided(up) => panic!("{up:?}"),
    };

    assert_eq!(first(it.up(socket(1), (), at(0, 1))), (None, true));
    assert_eq!(first(it.up(socket(2), (), at(0, 2))), (None, false));
    assert_eq!(it.status(), PresenceStatus::Offline, "the cluster has not said otherwise");
    assert!(it.know(session), "both waited for that");
    assert!(!it.know(session));
    assert_eq!(first(it.up(socket(3), (), at(0, 3))), (Some(session), false));
    assert_eq!(it.status(), PresenceStatus::Online(session));

    for n in [1, 2] {
        assert_eq!(it.down(socket(n), Reason::TransportClose, GRACE, at(1, 4)), None);
    }
    let last = it.down(socket(3), Reason::TransportClose, GRACE, at(1, 5));
    assert_eq!(last, Some(EntryDown::LastHere));
    assert!(it.is_vacant(), "the grace is the cluster's");
    assert_eq!(it.expire(at(1000, 6)), None);
    assert_eq!(first(it.up(socket(1), (), at(2, 7))), (None, true), "in another one, perhaps");
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
    it: PresenceEntry<u8>,
    model: Model,
    log: Vec<(u64, &'static str, u64)>,
    /// When [`PresenceEntry::expire`] is due, as far as was said.
    due: Option<u64>,
    now: u64,
    seq: u64,
}

impl Run {
    fn step(&mut self, op: &Op) {
        self.seq += 1;
        let moment = at(self.now, self.seq);
        let due = match *op {
            Op::Connect(n) => {
                self.model.connect(n, self.seq);
                let up = up(&mut self.it, socket(n), n, moment);
                self.due = None;
                self.hear(up.news);
                None
            }
            Op::Disconnect(n) => {
                self.model.disconnect(n, self.now, GRACE_MS);
                due(self.it.down(socket(n), Reason::TransportClose, GRACE, moment))
            }
            Op::DisconnectNow(n) => {
                self.model.disconnect(n, self.now, 0);
                due(self.it.down(socket(n), Reason::Kicked, Duration::ZERO, moment))
            }
            Op::EndGrace => {
                self.model.gone_at = self.model.gone_at.map(|at| at.min(self.now));
                self.it.end_grace(Reason::Kicked, moment.now)
            }
            Op::Wait(ms) => {
                self.now += ms;
                None
            }
            Op::Crash(grace) => self.crash(grace),
        };
        self.due = due.map(|at| at.0).or(self.due);
        self.seq += 1;
        self.model.expire(self.now, self.seq);
        if let Some(news) = self.it.expire(at(self.now, self.seq)) {
            self.due = None;
            self.hear(Some(news));
        }
    }

    fn crash(&mut self, grace: u64) -> Option<Timestamp> {
        self.model.sockets.clear();
        if self.model.session.is_some() {
            self.model.gone_at = Some(self.now + grace);
        }
        let deadline = Timestamp(self.now + grace);
        let (it, due) = match self.it.status() {
            PresenceStatus::Offline => (PresenceEntry::new(user()), None),
            PresenceStatus::Online(session) | PresenceStatus::Lingering(session) => {
                (PresenceEntry::ghost(user(), session, WallMs(0), deadline), Some(deadline))
            }
        };
        self.it = it;
        due
    }

    fn hear(&mut self, news: Option<Change>) {
        self.log.extend(news.map(|it| (it.seq.0, it.hook_type(), it.session.0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_the_naive_model(ops in prop::collection::vec(op(), 0..60)) {
        let it = PresenceEntry::new(user());
        let mut run = Run { it, model: Model::default(), log: Vec::new(), due: None, now: 0, seq: 0 };
        for op in &ops {
            run.step(op);
            prop_assert_eq!(&run.log, &run.model.log);
            let sockets: Vec<u8> = run.it.roster().sockets().copied().collect();
            prop_assert_eq!(&sockets, &run.model.sockets);
            prop_assert_eq!(run.it.status() == PresenceStatus::Offline, run.model.session.is_none());
            prop_assert_eq!(matches!(run.it.status(), PresenceStatus::Online(_)), !sockets.is_empty());
            prop_assert_eq!(run.due, run.model.gone_at);
        }
        for n in 0..4 {
            run.step(&Op::Disconnect(n));
        }
        run.step(&Op::Wait(2 * GRACE_MS));
        let status = run.it.status();
        prop_assert_eq!(status, PresenceStatus::Offline, "nothing is remembered once everybody left");
        let kinds: Vec<&str> = run.log.iter().map(|it| it.1).collect();
        let turns = ["user.online", "user.offline"].iter().cycle();
        prop_assert!(kinds.iter().zip(turns).all(|(a, b)| a == b), "{kinds:?} does not alternate");
        prop_assert!(run.log.windows(2).all(|pair| pair[0].0 < pair[1].0), "seq grows");
    }
}

/// Each user has one.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_user_is_small() {
    assert_size::<PresenceEntry<Arc<()>>>(112);
}
