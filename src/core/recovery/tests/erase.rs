//! What is left of a user who is erased.

use super::{
    LIMITS, attach, away, come_back, emit, id, member, pid, room, socket, socket_of, to_user,
};
use crate::core::recovery::{Member, Recovery};
use crate::types::{Target, Timestamp};

#[test]
fn nothing_is_left_of_a_user_who_is_away() {
    let (mut it, seen) = away();
    attach(&mut it, socket(2, 5), None, "q", 0);
    it.detach(&pid("q"), id(5), Timestamp(0));
    emit(&mut it, &to_user(2), 3, 0);

    it.erase(&super::user(1));

    let dump = format!("{:?}", it.dump());
    assert!(!dump.contains("u1") && !dump.contains(&id(1).to_string()), "{dump}");
    let to_one = Target { users: vec![super::user(1)], sockets: vec![id(1)], ..Target::default() };
    assert!(!it.is_any_away_in(&to_one));
    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (false, vec![]));
    assert_eq!(come_back(&mut it, 2, "q", None, 10), (true, vec![3]), "others have their place");
}

#[test]
fn a_user_who_is_erased_begins_anew() {
    let (mut it, _) = away();
    it.erase(&super::user(1));
    attach(&mut it, socket(1, 7), None, "anew", 10);
    it.detach(&pid("anew"), id(7), Timestamp(10));
    emit(&mut it, &to_user(1), 3, 10);

    assert_eq!(come_back(&mut it, 1, "anew", None, 20), (true, vec![3]));
}

#[test]
fn a_live_socket_keeps_its_session() {
    let mut it = Recovery::new(LIMITS, 7);
    attach(&mut it, socket(1, 1), None, "p", 0);

    it.erase(&super::user(1));
    it.detach(&pid("p"), id(1), Timestamp(0));

    assert_eq!(come_back(&mut it, 1, "p", None, 10), (true, vec![]));
}

#[test]
fn a_session_is_away_under_the_names_that_its_socket_had_last() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket_of(Member { rooms: vec![room("before")], ..member(1, 1) });
    attach(&mut it, one.clone(), None, "p", 0);

    one.member.borrow_mut().rooms = vec![room("after")];
    it.detach(&pid("p"), id(1), Timestamp(0));

    let is_any = |name| it.is_any_away_in(&Target { rooms: vec![room(name)], ..Target::default() });
    assert!(is_any("after") && !is_any("before"));
}
