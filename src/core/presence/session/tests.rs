//! Each arrow of the picture, and the machine against a naive model over random histories.

mod random;

use super::{PresenceStatus, SessionMachine, Up, UserSession};
use crate::types::{ChangeKind, Moment, Reason, Seq, Timestamp, UserId, WallMs};
use std::time::Duration;

const GRACE_MS: u64 = 50;
const GRACE: Duration = Duration::from_millis(GRACE_MS);

fn at(ms: u64, seq: u64) -> Moment {
    Moment { now: Timestamp(ms), wall: WallMs(1_000_000 + ms), seq: Seq(seq) }
}

fn user() -> UserId {
    UserId::parse("ann").unwrap()
}

/// Ann, online since time 0 with session 1.
fn online() -> SessionMachine {
    let mut it = SessionMachine::new(user());
    it.up(at(0, 1));
    it
}

const SESSION: UserSession = UserSession { id: Seq(1), since: WallMs(1_000_000) };

#[test]
fn the_first_socket_brings_the_user_online_and_to_hear_it_again_changes_nothing() {
    let mut it = SessionMachine::new(user());

    let Up { session, news } = it.up(at(0, 7));

    let news = news.unwrap();
    assert_eq!((news.seq, news.session, news.kind), (Seq(7), Seq(7), ChangeKind::Online));
    assert_eq!(it.status(), PresenceStatus::Online(session));
    assert_eq!(it.up(at(1, 8)), Up { session, news: None });
}

#[test]
fn without_a_socket_the_grace_runs() {
    let mut it = online();

    assert_eq!(it.down(Reason::PingTimeout, GRACE, at(10, 4)), Some(Timestamp(60)));
    assert_eq!(it.status(), PresenceStatus::Lingering(SESSION));
}

#[test]
fn gone_after_the_grace_and_not_a_moment_before() {
    let mut it = online();
    it.down(Reason::PingTimeout, GRACE, at(10, 2));

    assert_eq!(it.expire(at(59, 3)), None);
    let news = it.expire(at(60, 4)).unwrap();

    assert_eq!((news.seq, news.session), (Seq(4), Seq(1)));
    let ChangeKind::Offline { reason, online_since, last_socket_closed_at } = news.kind else {
        panic!("not an offline: {news:?}");
    };
    assert_eq!(reason, Reason::PingTimeout);
    assert_eq!((online_since, last_socket_closed_at), (WallMs(1_000_000), WallMs(1_000_010)));
    assert_eq!(it.status(), PresenceStatus::Offline);
    assert_eq!(it.expire(at(61, 5)), None, "offline is said once");
}

#[test]
fn back_within_the_grace_is_the_same_session() {
    let mut it = online();
    it.down(Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.up(at(59, 3)), Up { session: SESSION, news: None });

    assert_eq!(it.status(), PresenceStatus::Online(SESSION));
    assert_eq!(it.expire(at(1000, 4)), None);
}

#[test]
fn to_hear_again_that_there_is_no_socket_changes_nothing() {
    let mut it = online();
    it.down(Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.down(Reason::Audit, Duration::ZERO, at(20, 3)), None);

    assert_eq!(it.expire(at(59, 4)), None, "the grace is as long as before");
    let news = it.expire(at(60, 5)).unwrap();
    assert!(matches!(news.kind, ChangeKind::Offline { reason: Reason::TransportClose, .. }));
    assert_eq!(it.down(Reason::Audit, GRACE, at(61, 6)), None, "nor after it");
}

#[test]
fn a_kick_ends_a_grace_that_is_running_but_never_lengthens_it() {
    let mut it = online();
    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(5)), None, "still connected");
    it.down(Reason::TransportClose, GRACE, at(10, 2));

    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(20)), Some(Timestamp(20)));
    assert_eq!(it.end_grace(Reason::Kicked, Timestamp(30)), Some(Timestamp(20)));

    let news = it.expire(at(30, 3)).unwrap();
    assert!(matches!(news.kind, ChangeKind::Offline { reason: Reason::Kicked, .. }));
}

#[test]
fn a_ghost_who_returns_is_silent_and_one_who_does_not_is_offline_once() {
    let session = UserSession { id: Seq(3), since: WallMs(500) };
    let ghost = || SessionMachine::ghost(user(), session, WallMs(900), Timestamp(30));

    let mut returner = ghost();
    assert_eq!(returner.up(at(29, 9)), Up { session, news: None });
    assert_eq!(returner.status(), PresenceStatus::Online(session));

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
