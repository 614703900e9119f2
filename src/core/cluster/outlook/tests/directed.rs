//! What random histories seldom need.

use super::{State, rooms, user};
use crate::core::cluster::outlook::{Outlook, OutlookAsk, SeenUser, USERS_MAX};
use crate::core::cluster::places::{UserPlaces, UserRooms};
use crate::types::{Namespace, Room, Timestamp, UserId};

/// What an outlook asks next, done and answered; whether it asked anything.
fn turn(outlook: &mut Outlook, state: &mut State, now: u64) -> bool {
    match outlook.next(Timestamp(now), |_| true) {
        Some(OutlookAsk::Moved(question)) => outlook.heard(state.hear(question)),
        Some(OutlookAsk::Places(users)) => {
            let places = state.look(&users);
            outlook.looked(users, places);
        }
        None => return false,
    }
    true
}

fn online(nodes: &[Option<u8>]) -> UserPlaces {
    let nodes = nodes.iter().map(|it| it.map(rooms)).collect();
    UserPlaces { is_online: true, nodes }
}

#[test]
fn nobody_is_taken_for_offline_before_nodes_have_had_the_time_to_say_who_is_there() {
    let mut state = State { is_settled: true, ..State::default() };
    state.users.insert(user(1), online(&[Some(1)]));
    let mut outlook = Outlook::default();
    outlook.want(&[user(1)]);
    while turn(&mut outlook, &mut state, 0) {}
    let seen = SeenUser { is_online: true, rooms: Some(rooms(1)) };
    assert_eq!(outlook.user(&user(1)), Some(&seen));

    // All is lost, and nobody has noticed it yet.
    state = State { number: 1, ..State::default() };
    for now in [100, 200, 1300] {
        while turn(&mut outlook, &mut state, now) {}
        assert_eq!(outlook.user(&user(1)), Some(&seen), "{now}");
    }
    // It turns out that the user's node is gone as well.
    state.is_settled = true;
    for now in [2400, 2500] {
        while turn(&mut outlook, &mut state, now) {}
    }
    assert_eq!(outlook.user(&user(1)), Some(&SeenUser::default()));
}

#[test]
fn a_user_stays_in_its_rooms_until_the_node_that_it_has_come_to_has_said_in_which_it_is() {
    let mut state = State { is_settled: true, ..State::default() };
    let mut outlook = Outlook::default();
    outlook.want(&[user(1)]);
    let mut sees = |state: &mut State, nodes: &[Option<u8>], now| {
        state.users.insert(user(1), online(nodes));
        state.moved(&user(1));
        while turn(&mut outlook, state, now) {}
        outlook.user(&user(1)).unwrap().rooms.clone()
    };
    assert_eq!(sees(&mut state, &[Some(1)], 0), Some(rooms(1)));
    assert_eq!(sees(&mut state, &[None], 200), Some(rooms(1)));
    assert_eq!(sees(&mut state, &[Some(2)], 400), Some(rooms(2)));
    assert_eq!(sees(&mut state, &[], 600), None, "without a socket it is in none");
}

#[test]
fn many_notes_are_heard_in_several_answers() {
    let mut state = State { is_settled: true, ..State::default() };
    let mut outlook = Outlook::default();
    let all: Vec<UserId> =
        (0..3 * USERS_MAX).map(|it| UserId::parse(&format!("v{it}")).unwrap()).collect();
    outlook.want(&all);
    while turn(&mut outlook, &mut state, 0) {}
    for it in &all {
        state.users.insert(it.clone(), online(&[]));
        state.moved(it);
    }
    for now in [200, 400] {
        while turn(&mut outlook, &mut state, now) {}
    }
    assert!(all.iter().all(|it| outlook.user(it).unwrap().is_online));
}

#[test]
fn whom_nobody_watches_any_more_is_forgotten_and_then_nothing_is_asked() {
    let mut state = State { is_settled: true, ..State::default() };
    let mut outlook = Outlook::default();
    outlook.want(&[user(1), user(2)]);
    while turn(&mut outlook, &mut state, 0) {}
    outlook.release(&[user(1), user(2)]);
    state.moved(&user(1));
    let ask = outlook.next(Timestamp(100), |_| false);
    let Some(OutlookAsk::Moved(question)) = ask else { panic!("{ask:?}") };
    outlook.heard(state.hear(question));
    assert_eq!(outlook.next(Timestamp(100), |_| false), None);
    assert!(!outlook.knows(&[user(1)]) && outlook.knows(&[user(2)]));
    outlook.rest();
    assert!(outlook.is_empty() && outlook.next(Timestamp(9000), |_| false).is_none());
}

#[test]
fn what_a_node_says_of_rooms_is_read_as_it_was_meant() {
    let mut all = rooms(1);
    all.add(&Namespace::parse("/chat").unwrap(), []);
    assert_eq!(&*all.text(), r#"{"/":["r1"],"/chat":[]}"#);
    assert_eq!(UserRooms::parse(&all.text()), Some(all));
    for wrong in ["", "[]", r#"{"/":[""]}"#, r#"{"":["r"]}"#, r#"{"/":"r"}"#] {
        assert_eq!(UserRooms::parse(wrong), None, "{wrong}");
    }
    let mut many = UserRooms::default();
    let names: Vec<Room> =
        (0..2000).map(|it| Room::parse(&format!("{it:-<100}")).unwrap()).collect();
    many.add(&Namespace::parse("/").unwrap(), &names);
    assert!(many.text().len() <= 64_000 && UserRooms::parse(&many.text()).is_some());
}
