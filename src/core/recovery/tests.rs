//! Exactly once, in order, over any history of emits, cuts and returns; and each refusal by itself.

mod claims;
mod erase;
mod moved;
mod random;
mod shared;
mod shares;

use super::{
    Attached, Live, Member, Newcomer, Offset, Pid, Recovery, RecoveryLimits, SessionClaim,
};
use crate::core::emit::audience::Audience;
use crate::core::rooms::RoomMoves;
use crate::types::{DeviceId, Except, Namespace, Room, SocketId, Target, Timestamp, UserId};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: RecoveryLimits = RecoveryLimits {
    window: Duration::from_millis(100),
    events_max: 50,
    bytes_max: 1 << 20,
    sessions_max: 10,
    sessions_per_user: 10,
    replay_bytes_max: 1000,
};

/// A socket: as whom it is addressed, and the last event that was for it.
#[derive(Clone, Debug)]
struct TestSocket {
    user: UserId,
    member: Rc<RefCell<Member>>,
    addressed: Rc<Cell<u64>>,
}

impl Live for TestSocket {
    fn id(&self) -> SocketId {
        self.member.borrow().ids[0]
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn member(&self) -> Member {
        self.member.borrow().clone()
    }

    fn addressed(&self) -> u64 {
        self.addressed.get()
    }
}

/// Socket `n` of user `u`.
fn socket(u: u8, n: u8) -> TestSocket {
    socket_of(member(u, n))
}

fn socket_of(member: Member) -> TestSocket {
    let (user, member) = (member.user.clone(), Rc::new(RefCell::new(member)));
    TestSocket { user, member, addressed: Rc::default() }
}

fn user(n: u8) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn room(text: &str) -> Room {
    Room::parse(text).unwrap()
}

fn id(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

fn device(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

fn member(u: u8, socket: u8) -> Member {
    let rooms = vec![Room::parse("all").unwrap()];
    let (device, moves) = (Some(device("d1")), RoomMoves::default());
    Member { user: user(u), rooms, ids: vec![id(socket)], device, moves, anyway: [].into() }
}

fn to_user(u: u8) -> Arc<Audience> {
    let target = Target { users: vec![user(u)], ..Target::default() };
    Arc::new(to(target, Except::default()))
}

fn to(target: Target, except: Except) -> Audience {
    Audience { namespace: Namespace::root(), target, except }
}

fn emit(it: &mut Recovery<TestSocket>, audience: &Arc<Audience>, name: u32, now: u64) -> String {
    let mut offset = None;
    it.append(Arc::clone(audience), Timestamp(now), |at: &Offset| {
        offset = Some(at.to_string());
        Bytes::from(format!("{name}@{at}"))
    });
    offset.unwrap()
}

fn parse(frame: &Bytes) -> (u32, String) {
    let (name, offset) = std::str::from_utf8(frame).unwrap().split_once('@').unwrap();
    (name.parse().unwrap(), offset.to_owned())
}

fn names(frames: &[Bytes]) -> Vec<u32> {
    frames.iter().map(|frame| parse(frame).0).collect()
}

/// A socket becomes live, and takes the ids of those before it.
fn attach(
    it: &mut Recovery<TestSocket>,
    socket: TestSocket,
    claim: Option<SessionClaim<'_>>,
    fresh: &str,
    now: u64,
) -> Attached<TestSocket> {
    let member = Rc::clone(&socket.member);
    let attached = it.attach(Newcomer { socket, fresh: pid(fresh) }, claim, Timestamp(now));
    member.borrow_mut().ids.extend(&attached.earlier);
    attached
}

fn pid(text: &str) -> Pid {
    Pid::new(text)
}

/// A session `p` of user 1 with socket 1, detached at time 0, with events 1 and 2 behind it.
fn away() -> (Recovery<TestSocket>, String) {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    let seen = emit(&mut it, &to_user(1), 1, 0);
    one.addressed.set(1);
    it.detach(&pid("p"), id(1), Timestamp(0));
    emit(&mut it, &to_user(1), 2, 0);
    (it, seen)
}

fn come_back(
    it: &mut Recovery<TestSocket>,
    u: u8,
    claimed: &str,
    offset: Option<&str>,
    now: u64,
) -> (bool, Vec<u32>) {
    let claimed = pid(claimed);
    let claim = SessionClaim { pid: &claimed, offset };
    let two = socket(u, 2);
    let attached = attach(it, two.clone(), Some(claim), "fresh", now);
    two.addressed.set(attached.last_missed);
    assert_eq!(attached.pid == claimed, attached.outcome.is_recovered());
    (attached.outcome.is_recovered(), names(&attached.missed))
}

#[test]
fn what_was_missed_is_replayed_once() {
    let (mut it, seen) = away();

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 100), (true, vec![2]));
}

#[test]
fn a_client_that_has_seen_nothing_gets_all_of_its_session() {
    let (mut it, _) = away();

    assert_eq!(come_back(&mut it, 1, "p", None, 50), (true, vec![1, 2]));
}

#[test]
fn a_live_session_is_taken_over_and_its_late_end_changes_nothing() {
    let (mut it, seen) = away();
    come_back(&mut it, 1, "p", Some(&seen), 10);
    let claimed = pid("p");
    let claim = SessionClaim { pid: &claimed, offset: Some(&seen) };

    let attached = attach(&mut it, socket(1, 3), Some(claim), "x", 20);
    assert_eq!(
        (attached.outcome.is_recovered(), attached.replaced.map(|it| it.id())),
        (true, Some(id(2)))
    );
    it.detach(&claimed, id(2), Timestamp(30));
    it.expire(Timestamp(1000));

    assert_eq!(it.sessions(), 1, "the new connection still has it");
}

#[test]
fn goodbye_is_for_good() {
    let (mut it, seen) = away();
    come_back(&mut it, 1, "p", Some(&seen), 10);
    it.end(&pid("p"), id(2));

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 20), (false, vec![]));
}

#[test]
fn more_events_than_are_kept_cannot_be_recovered() {
    let (mut it, seen) = away();
    for n in 0..50 {
        emit(&mut it, &to_user(9), n, 1);
    }

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (false, vec![]));
}

#[test]
fn who_is_away_is_known_by_every_name_and_only_while_away() {
    let rooms = |name: &str| Target { rooms: vec![room(name)], ..Target::default() };
    let sockets = |n| Target { sockets: vec![id(n)], ..Target::default() };
    let users = |n| Target { users: vec![user(9), user(n)], ..Target::default() };
    let of = [
        Target { all: true, ..Target::default() },
        rooms("all"),
        rooms("user:u1"),
        rooms(&id(1).to_string()),
        sockets(1),
        users(1),
    ];
    let others =
        [Target::default(), rooms("a"), rooms("user:u"), rooms("user:"), sockets(9), users(2)];
    let check = |it: &Recovery<TestSocket>, expected: bool| {
        for target in &of {
            assert_eq!(it.is_any_away_in(target), expected, "{target:?}");
        }
        assert!(others.iter().all(|target| !it.is_any_away_in(target)));
    };
    let (mut it, seen) = away();
    check(&it, true);
    let mut restarted = Recovery::new(LIMITS, 8);
    restarted.restore(it.dump(), Timestamp(0));
    check(&restarted, true);
    restarted.expire(Timestamp(1000));
    check(&restarted, false);

    come_back(&mut it, 1, "p", Some(&seen), 10);
    check(&it, false);
    it.detach(&pid("p"), id(2), Timestamp(10));
    check(&it, true);
    it.end(&pid("p"), id(2));
    check(&it, false);
    for n in 20..40 {
        attach(&mut it, socket(1, n), None, &n.to_string(), 20);
        it.detach(&pid(&n.to_string()), id(n), Timestamp(20));
    }
    assert!(
        !it.is_any_away_in(&sockets(29)),
        "more than are kept: the longest absent is forgotten"
    );
    assert!(it.is_any_away_in(&sockets(30)) && it.is_any_away_in(&users(1)));
}

#[test]
fn what_is_pushed_out_before_its_time_is_counted() {
    let mut it: Recovery<TestSocket> = Recovery::new(LIMITS, 7);
    for n in 0..53 {
        emit(&mut it, &to_user(1), n, 0);
    }
    assert_eq!((it.take_pushed_out(), it.take_pushed_out()), (3, 0));
    emit(&mut it, &to_user(1), 99, 1000);
    assert_eq!(it.take_pushed_out(), 0, "those were old");
}

#[test]
fn more_bytes_than_a_connection_bears_are_not_replayed() {
    let (mut it, seen) = away();
    it.append(to_user(1), Timestamp(0), |_| Bytes::from(vec![b'x'; 1000]));

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (false, vec![]));
}

#[test]
fn a_client_that_has_missed_nothing_recovers_however_far_the_log_has_moved() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    let seen = emit(&mut it, &to_user(1), 1, 0);
    one.addressed.set(1);
    for n in 0..60 {
        emit(&mut it, &to_user(9), 100 + n, 1);
    }
    it.detach(&pid("p"), id(1), Timestamp(1));
    emit(&mut it, &to_user(1), 2, 2);

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (true, vec![2]));
}

#[test]
fn what_was_before_the_session_is_never_replayed() {
    let mut it = Recovery::new(LIMITS, 7);
    emit(&mut it, &to_user(1), 1, 0);
    attach(&mut it, socket(1, 1), None, "p", 0);
    it.detach(&pid("p"), id(1), Timestamp(0));
    let before = "7.0".to_owned();

    assert_eq!(come_back(&mut it, 1, "p", Some(&before), 10), (true, vec![]));
}

#[test]
fn a_quiet_log_survives_a_graceful_restart_with_its_numbers() {
    let (mut it, _) = away();
    let seen = it.head().to_string();
    it.expire(Timestamp(1000));
    attach(&mut it, socket(1, 5), None, "q", 1000);
    let mut next = Recovery::new(LIMITS, 8);
    next.restore(it.dump(), Timestamp(0));
    for n in 3..8 {
        emit(&mut next, &to_user(1), n, 0);
    }

    assert_eq!(come_back(&mut next, 1, "q", Some(&seen), 10), (true, vec![3, 4, 5, 6, 7]));
}

#[test]
fn a_file_with_holes_is_not_believed() {
    let (it, seen) = away();
    let mut dump = it.dump();
    dump.entries.remove(0);
    dump.last += 1;
    let mut next = Recovery::new(LIMITS, 8);
    next.restore(dump, Timestamp(0));

    assert_eq!(come_back(&mut next, 1, "p", Some(&seen), 10), (false, vec![]));
}

#[test]
fn rooms_that_were_taken_away_meanwhile_are_not_replayed() {
    let (mut it, seen) = away();
    let rooms = vec![Room::parse("all").unwrap()];
    let everywhere = to(Target { rooms, ..Target::default() }, Except::default());
    emit(&mut it, &Arc::new(everywhere), 3, 0);
    let claimed = pid("p");
    let claim = SessionClaim { pid: &claimed, offset: Some(&seen) };
    let now = Member { rooms: vec![], ..member(1, 2) };

    let attached = attach(&mut it, socket_of(now), Some(claim), "x", 1);

    assert_eq!(names(&attached.missed), [2]);
}

#[test]
fn who_was_addressed_and_who_was_left_out() {
    let all = || Target { all: true, ..Target::default() };
    let rooms = |name: &str| Target { rooms: vec![room(name)], ..Target::default() };
    let sockets = |n| Target { sockets: vec![id(n)], ..Target::default() };
    let none = Except::default;
    let table = [
        (to(all(), none()), true),
        (to(rooms("all"), none()), true),
        (to(rooms("user:u1"), none()), true),
        (to(rooms("user:u10"), none()), false),
        (to(rooms(&id(1).to_string()), none()), true),
        (to(sockets(1), none()), true),
        (to(sockets(2), none()), false),
        (to(Target::default(), none()), false),
        (to(all(), Except { users: vec![user(1)], ..none() }), false),
        (to(all(), Except { rooms: vec![room("all")], ..none() }), false),
        (to(all(), Except { sockets: vec![id(1)], ..none() }), false),
        (to(all(), Except { sockets: vec![id(2)], ..none() }), true),
        (to(all(), Except { devices: vec![device("d0"), device("d1")], ..none() }), false),
        (to(all(), Except { devices: vec![device("d")], ..none() }), true),
    ];
    for (audience, expected) in table {
        assert_eq!(audience.includes(&member(1, 1)), expected, "{audience:?}");
    }
}

#[test]
fn a_graceful_restart_loses_nothing() {
    let (it, seen) = away();
    let dump = it.dump();
    let mut next = Recovery::new(LIMITS, 8);
    next.restore(dump, Timestamp(0));
    emit(&mut next, &to_user(1), 3, 0);

    assert_eq!(come_back(&mut next, 1, "p", Some(&seen), 50), (true, vec![2, 3]));
}

#[test]
fn sessions_that_were_live_at_the_end_survive_a_graceful_restart() {
    let (mut it, seen) = away();
    come_back(&mut it, 1, "p", Some(&seen), 10);
    let dump = it.dump();
    let mut next = Recovery::new(LIMITS, 8);
    next.restore(dump, Timestamp(0));

    assert_eq!(come_back(&mut next, 1, "p", Some(&seen), 50), (true, vec![2]));
}
