//! The log's index against the plain rule, how much is looked at, what is counted, and what erasing leaves.

use super::{LogEntry, NAME_BYTES, RecoveryLog};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Lost, Member, RecoveryLimits};
use crate::core::rooms::RoomMoves;
use crate::types::{DeviceId, Except, Namespace, Room, SocketId, Target, Timestamp, UserId};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: RecoveryLimits = RecoveryLimits {
    window: Duration::from_millis(100),
    events_max: 20_000,
    bytes_max: usize::MAX,
    sessions_max: 10,
    sessions_per_user: 10,
    replay_bytes_max: usize::MAX,
};

fn user(n: usize) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn room(text: &str) -> Room {
    Room::parse(text).unwrap()
}

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

fn to(target: Target, except: Except) -> Arc<Audience> {
    Arc::new(Audience { namespace: Namespace::root(), target, except })
}

fn to_users(users: impl IntoIterator<Item = usize>) -> Arc<Audience> {
    to(
        Target { users: users.into_iter().map(user).collect(), ..Target::default() },
        Except::default(),
    )
}

/// Appends an event that carries its own number.
fn append(it: &mut RecoveryLog, audience: &Arc<Audience>, now: u64) {
    it.append(Arc::clone(audience), Timestamp(now), |at| Bytes::from(at.number().to_string()));
}

fn numbers(it: &RecoveryLog, after: u64, member: &Member) -> Result<Vec<u64>, Lost> {
    let missed = it.since(after, member)?;
    let numbers: Vec<u64> =
        missed.frames.iter().map(|it| std::str::from_utf8(it).unwrap().parse().unwrap()).collect();
    assert_eq!(missed.last, numbers.last().copied().unwrap_or_default());
    Ok(numbers)
}

fn member() -> Member {
    let (rooms, device) = (vec![room("all")], Some(DeviceId::parse("d1").unwrap()));
    Member {
        user: user(1),
        rooms,
        ids: vec![socket(1), socket(2)],
        device,
        moves: RoomMoves::default(),
        anyway: [].into(),
    }
}

#[test]
fn whoever_comes_back_looks_at_what_was_for_it_and_at_nothing_else() {
    let mut it = RecoveryLog::new(LIMITS, 7);
    let crowd = to_users(1000..1100);
    for n in 0..10_000 {
        append(&mut it, &crowd, 0);
        if n % 1000 == 0 {
            append(&mut it, &to_users([1]), 0);
        }
    }

    let looked_at = it.index.naming(&member(), 0).len();

    assert_eq!(looked_at, 10, "of {} events for {} names", it.entries.len(), 1_000_010);
}

#[test]
fn what_an_event_counts_are_its_frame_and_all_names_it_is_for_and_not_for() {
    let mut it = RecoveryLog::new(LIMITS, 7);
    let except = Except {
        users: vec![user(1)],
        rooms: vec![room("abc")],
        sockets: vec![socket(1)],
        devices: vec![DeviceId::parse("four").unwrap()],
    };
    let target =
        Target { users: vec![user(2), user(3)], rooms: vec![room("r")], ..Target::default() };
    append(&mut it, &to(target, except), 0);

    assert_eq!(it.bytes, 1 + 7 * NAME_BYTES + (2 + 3 + 4) + (2 + 2 + 1));
    it.expire(Timestamp(1000));
    assert_eq!(it.bytes, 0);
}

#[test]
fn names_push_out_what_is_old_as_bytes_do() {
    let bytes_max = 16_000_000;
    let mut it = RecoveryLog::new(RecoveryLimits { bytes_max, ..LIMITS }, 7);
    let crowd = to_users(0..1000);

    for _ in 0..1_000 {
        append(&mut it, &crowd, 0);
    }

    assert!(it.bytes <= bytes_max);
    let kept = it.entries.len();
    assert!((70..80).contains(&kept), "{kept}");
    assert_eq!(it.take_pushed_out(), 1_000 - u64::try_from(kept).unwrap());
    let last = to_users([1]);
    append(&mut it, &last, 0);
    assert_eq!(numbers(&it, 1_000, &member()), Ok(vec![1_001]));
    assert_eq!(numbers(&it, 800, &member()), Err(Lost::Truncated));
}

#[test]
fn an_erased_user_is_named_nowhere_and_the_places_of_others_stay() {
    let mut it = RecoveryLog::new(LIMITS, 7);
    let own = Room::of_user(&user(1));
    let rooms = |rooms: Vec<Room>| Target { rooms, ..Target::default() };
    let all = || Target { all: true, ..Target::default() };
    append(&mut it, &to_users([1]), 0);
    append(&mut it, &to_users([1, 2]), 0);
    append(&mut it, &to(rooms(vec![own.clone(), room("all")]), Except::default()), 0);
    append(&mut it, &to(rooms(vec![own.clone()]), Except::default()), 0);
    append(&mut it, &to(rooms(vec![Room::of_socket(socket(1))]), Except::default()), 0);
    append(
        &mut it,
        &to(Target { sockets: vec![socket(2), socket(9)], ..Target::default() }, Except::default()),
        0,
    );
    append(
        &mut it,
        &to(
            all(),
            Except {
                users: vec![user(1)],
                rooms: vec![own],
                sockets: vec![socket(1)],
                devices: vec![],
            },
        ),
        0,
    );
    append(&mut it, &to_users([2]), 0);

    it.erase(&user(1), &[socket(1), socket(2)]);

    let left: Vec<(u64, usize, usize, bool)> = it
        .entries()
        .map(|it| {
            let Audience { target, except, .. } = &*it.audience;
            (it.number, target.names(), except.names(), it.frame.is_empty())
        })
        .collect();
    let expected = [
        (1, 0, 0, true),
        (2, 1, 0, false),
        (3, 1, 0, false),
        (4, 0, 0, true),
        (5, 0, 0, true),
        (6, 1, 0, false),
        (7, 1, 0, false),
        (8, 1, 0, false),
    ];
    assert_eq!(left, expected);
    let text = format!("{it:?}");
    assert!(!text.contains("u1") && !text.contains(&socket(1).to_string()), "{text}");
    let bob = Member { user: user(2), ids: vec![socket(9)], device: None, ..member() };
    assert_eq!(numbers(&it, 0, &bob), Ok(vec![2, 3, 6, 7, 8]));
    assert_eq!(it.bytes, it.entries().map(LogEntry::bytes).sum::<usize>());
}

fn few<T: std::fmt::Debug + Clone + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(prop::sample::select(all), 0..3)
}

fn rooms() -> Vec<Room> {
    let mut rooms: Vec<Room> = ["all", "other", "user:u"].map(room).to_vec();
    rooms.extend((0..3).map(|n| Room::of_user(&user(n))));
    rooms.extend((0..3).map(|n| Room::of_socket(socket(n))));
    rooms
}

fn audience() -> impl Strategy<Value = Audience> {
    let users = || few((0..3).map(user).collect());
    let sockets = || few((0..3).map(socket).collect());
    let devices = few(["d1", "d2"].map(|it| DeviceId::parse(it).unwrap()).to_vec());
    let target = (users(), few(rooms()), sockets(), prop::bool::weighted(0.2));
    (target, (users(), few(rooms()), sockets(), devices), prop::bool::weighted(0.5)).prop_map(
        |((users, rooms, sockets, all), except, leaves_out)| Audience {
            namespace: Namespace::root(),
            target: Target { users, rooms, sockets, all },
            except: if leaves_out {
                Except { users: except.0, rooms: except.1, sockets: except.2, devices: except.3 }
            } else {
                Except::default()
            },
        },
    )
}

fn anybody() -> impl Strategy<Value = Member> {
    let device = prop::option::of(Just(DeviceId::parse("d1").unwrap()));
    (0..3_usize, few(rooms()), prop::collection::vec(0..3_u8, 1..3), device).prop_map(
        |(u, rooms, ids, device)| Member {
            user: user(u),
            rooms,
            ids: ids.into_iter().map(socket).collect(),
            device,
            moves: RoomMoves::default(),
            anyway: [].into(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn finds_what_the_rule_of_audiences_says(
        events in prop::collection::vec((audience(), 0..40_u64), 0..20),
        members in prop::collection::vec((anybody(), 0..25_u64), 1..5),
    ) {
        let mut it = RecoveryLog::new(RecoveryLimits { events_max: 12, ..LIMITS }, 7);
        let mut now = 0;
        for (audience, wait) in &events {
            now += wait;
            append(&mut it, &Arc::new(audience.clone()), now);
        }
        for (member, after) in members {
            let first = it.entries.front().map_or(it.last + 1, |first| first.number);
            let expected = it.entries.iter().filter(|it| after < it.number && it.audience.includes(&member));
            let expected: Vec<u64> = expected.map(|it| it.number).collect();
            if first <= after + 1 {
                prop_assert_eq!(numbers(&it, after, &member), Ok(expected));
            } else {
                prop_assert_eq!(numbers(&it, after, &member), Err(Lost::Truncated));
            }
        }
        it.expire(Timestamp(now + 1000));
        prop_assert_eq!(it.bytes, 0);
        prop_assert!(it.index.is_empty(), "{:?}", it.index);
    }
}

impl super::NameIndex {
    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.by_name.is_empty()
    }
}
