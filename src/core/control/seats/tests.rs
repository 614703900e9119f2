//! Seats of one user, in the cases that matter and in random ones.

use super::{SeatLimit, Seated, Seating, Standing, WhenFull, find};
use crate::core::recovery::Pid;
use crate::types::DeviceId;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

#[derive(Debug, Clone, PartialEq)]
struct Socket {
    connection: u32,
    device: Option<DeviceId>,
    pid: Option<Pid>,
    standing: Rc<Cell<Standing>>,
}

impl Seated for Socket {
    fn shares_connection(&self, other: &Self) -> bool {
        self.connection == other.connection
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn pid(&self) -> Option<&Pid> {
        self.pid.as_ref()
    }

    fn standing(&self) -> Standing {
        self.standing.get()
    }

    fn evict(&self) {
        self.standing.set(Standing::Leaving);
    }

    fn replace(&self) {
        self.standing.set(Standing::Leaving);
    }
}

fn socket(connection: u32) -> Socket {
    let standing = Rc::new(Cell::new(Standing::Here));
    Socket { connection, device: None, pid: None, standing }
}

fn with_device(connection: u32, device: &str) -> Socket {
    Socket { device: Some(DeviceId::parse(device).unwrap()), ..socket(connection) }
}

fn limit(max: usize, when_full: WhenFull) -> SeatLimit {
    SeatLimit { max, when_full }
}

/// The connections that have to go; none if there is no seat.
fn ask(seated: &[Socket], newcomer: &Socket, limit: SeatLimit) -> Option<Vec<u32>> {
    match find(seated.iter(), newcomer, None, limit) {
        Seating::Seat { evicted, .. } => Some(evicted.iter().map(|it| it.connection).collect()),
        Seating::ComeAgain | Seating::Full => None,
    }
}

#[test]
fn two_namespaces_of_one_connection_are_one() {
    let seated = [socket(1), socket(1), socket(2)];
    for when_full in [WhenFull::Refuse, WhenFull::EvictOldest] {
        assert_eq!(ask(&seated, &socket(2), limit(2, when_full)), Some(vec![]));
        assert_eq!(ask(&seated, &socket(3), limit(3, when_full)), Some(vec![]));
    }
    assert_eq!(ask(&seated, &socket(3), limit(2, WhenFull::Refuse)), None);
    let both = Some(vec![1, 1]);
    assert_eq!(ask(&seated, &socket(3), limit(2, WhenFull::EvictOldest)), both);
}

#[test]
fn the_same_device_or_session_makes_room_for_itself() {
    let seated = [socket(1), with_device(2, "d")];
    let two = |when_full| limit(2, when_full);
    assert_eq!(ask(&seated, &with_device(3, "d"), two(WhenFull::Refuse)), Some(vec![2]));
    assert_eq!(ask(&seated, &with_device(3, "d"), two(WhenFull::EvictOldest)), Some(vec![2]));
    assert_eq!(ask(&seated, &with_device(3, "e"), two(WhenFull::Refuse)), None);

    let pid = Pid::new("p".to_owned());
    let ghost = Socket { pid: Some(pid.clone()), ..socket(2) };
    let seated = [with_device(1, "d"), ghost.clone()];
    let found = find(seated.iter(), &with_device(3, "d"), Some(&pid), two(WhenFull::Refuse));
    assert_eq!(found, Seating::Seat { replaced: vec![ghost], evicted: vec![], leaving: vec![] });
    let three = limit(3, WhenFull::Refuse);
    assert_eq!(find(seated.iter(), &socket(3), Some(&pid), three), free(), "nobody has to go");
}

#[test]
fn who_may_be_gone_makes_a_newcomer_come_again_and_who_is_gone_does_not_count() {
    let seated = [socket(1), socket(2)];
    let refuse = limit(2, WhenFull::Refuse);
    assert_eq!(find(seated.iter(), &socket(3), None, refuse), Seating::Full);
    seated[1].standing.set(Standing::OwesPong);
    assert_eq!(find(seated.iter(), &socket(3), None, refuse), Seating::ComeAgain);
    seated[1].evict();
    let gone =
        Seating::Seat { replaced: vec![], evicted: vec![], leaving: vec![seated[1].clone()] };
    assert_eq!(find(seated.iter(), &socket(3), None, refuse), gone);
}

fn free() -> Seating<Socket> {
    Seating::Seat { replaced: vec![], evicted: vec![], leaving: vec![] }
}

proptest! {
    #[test]
    fn there_are_never_more_connections_than_seats(
        max in 1_usize..5,
        evicts in any::<bool>(),
        comers in prop::collection::vec((0_u32..12, prop::option::of(0_u32..3), 0_u8..4), 0..60),
    ) {
        let when_full = if evicts { WhenFull::EvictOldest } else { WhenFull::Refuse };
        let mut seated: Vec<Socket> = Vec::new();
        for (connection, device, state) in comers {
            let newcomer = match device {
                Some(device) => with_device(connection, &device.to_string()),
                None => socket(connection),
            };
            let had: BTreeSet<u32> = seated.iter().map(|it| it.connection).collect();
            match find(seated.iter(), &newcomer, None, limit(max, when_full)) {
                Seating::Seat { replaced, evicted: gone, .. } => {
                    prop_assert!(replaced.is_empty());
                    prop_assert!(gone.is_empty() || had.len() == max);
                    prop_assert!(!gone.iter().any(|it| it.connection == connection));
                    seated.retain(|it| !gone.contains(it));
                    seated.push(newcomer);
                }
                Seating::ComeAgain => {
                    let owes = seated.iter().any(|it| it.standing() == Standing::OwesPong);
                    prop_assert!(!evicts && had.len() == max && owes);
                }
                Seating::Full => prop_assert!(!evicts && had.len() == max),
            }
            let now: BTreeSet<u32> = seated.iter().map(|it| it.connection).collect();
            prop_assert!(now.len() <= max);
            if state == 0 && let Some(last) = seated.last() {
                last.standing.set(Standing::OwesPong);
            }
        }
    }
}
