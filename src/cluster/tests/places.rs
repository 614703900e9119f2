//! Whatever changes of a user that others may see, there is a note of it for nodes that listen; and what they find when they look.

use super::directed::{Bench, Node};
use super::parts::user_id;
use crate::core::cluster::command::{Command, ReapReason, Reply};
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::places::{MovedQuestion, MovedUsers, Places, UserPlaces, UserRooms};
use crate::types::{Namespace, Reason, Room, UserId, WallMs};
use std::time::Duration;

impl Bench {
    fn hear(&mut self, after: Option<u64>) -> MovedUsers {
        let question = MovedQuestion { after, users_max: 3 };
        let Reply::Moved(moved) = self.ask(&Command::Moved(question)) else { panic!() };
        moved
    }

    fn find(&mut self, users: &[usize]) -> Places {
        let users = users.iter().map(|it| user_id(*it)).collect();
        let Reply::Places(places) = self.ask(&Command::Places(users)) else { panic!() };
        places
    }

    fn place_in(&mut self, node: &mut Node, user: usize, room: &str) {
        let place = FactOp::Place { user: user_id(user), rooms: rooms(room).text() };
        self.apply(node, vec![place], &[]);
    }

    fn leave(&mut self, node: &mut Node, user: usize) {
        let grace = Duration::from_secs(1);
        let (reason, closed_at) = (Reason::TransportClose, WallMs(1));
        let departure = UserDeparture { grace, reason, closed_at };
        self.apply(node, vec![FactOp::Down { user: user_id(user), departure }], &[]);
    }
}

fn rooms(room: &str) -> UserRooms {
    let mut rooms = UserRooms::default();
    rooms.add(&Namespace::parse("/").unwrap(), [&Room::parse(room).unwrap()]);
    rooms
}

/// What a node that listens hears from one step to the next.
struct Listening(u64);

impl Listening {
    fn news(&mut self, bench: &mut Bench) -> Option<Vec<UserId>> {
        let MovedUsers { number, users } = bench.hear(Some(self.0));
        self.0 = number;
        users
    }
}

#[test]
fn a_node_that_listens_hears_of_every_change_and_one_that_does_not_costs_nothing() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let mut b = bench.attach("run", None, "b.1");
    bench.tend_for(Duration::from_secs(30));
    bench.up_user(&mut a, 1);
    assert_eq!(bench.change_redis(&["EXISTS", "moved"]), 0);

    let begun = bench.hear(None);
    assert_eq!(begun.users, None, "what was before it has to look at");
    let mut listening = Listening(begun.number);
    assert_eq!(listening.news(&mut bench), Some(vec![]));
    let one = Some(vec![user_id(1)]);

    bench.place_in(&mut a, 1, "r");
    assert_eq!(listening.news(&mut bench), one);
    bench.place_in(&mut a, 1, "r");
    assert_eq!(listening.news(&mut bench), Some(vec![]), "it was there already");
    bench.up_user(&mut b, 1);
    bench.place_in(&mut b, 1, "s");
    assert_eq!(listening.news(&mut bench), one);
    bench.leave(&mut b, 1);
    assert_eq!(listening.news(&mut bench), one);
    bench.place_in(&mut b, 1, "t");
    assert_eq!(listening.news(&mut bench), Some(vec![]), "nobody is there");

    // A node is gone, its users linger, and then they are offline.
    bench.reap(&a, ReapReason::Own);
    assert_eq!(listening.news(&mut bench), one);
    bench.tend_for(Duration::from_secs(30));
    assert_eq!(listening.news(&mut bench), one);
    assert_eq!(bench.find(&[1]).users, [UserPlaces::default()]);
}

#[test]
fn many_changes_are_heard_in_the_order_in_which_they_came_a_few_at_a_time() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let mut listening = Listening(bench.hear(None).number);
    for user in [5, 1, 4, 2, 1] {
        bench.up_user(&mut a, user);
        bench.place_in(&mut a, user, &format!("r{user}"));
    }
    let ids = |users: &[usize]| Some(users.iter().map(|it| user_id(*it)).collect());
    // Of each its last change.
    assert_eq!(listening.news(&mut bench), ids(&[5, 4, 2]));
    assert_eq!(listening.news(&mut bench), ids(&[1]));
    assert_eq!(listening.news(&mut bench), ids(&[]));
}

#[test]
fn whoever_may_have_missed_a_note_is_told_so() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let (early, late) = (bench.hear(None).number, bench.hear(None).number);
    bench.up_user(&mut a, 1);
    let mut listening = Listening(late);
    assert_eq!(listening.news(&mut bench), Some(vec![user_id(1)]));
    // It is too long ago for whoever has not heard of it, and makes no difference to the others.
    bench.wait(Duration::from_secs(31));
    assert_eq!(listening.news(&mut bench), Some(vec![]));
    assert_eq!(bench.hear(Some(early)).users, None);

    // Nobody listened for a while: another node is the first one that does again.
    bench.change_redis(&["DEL", "watching"]);
    bench.up_user(&mut a, 2);
    assert_eq!(bench.hear(None).users, None);
    assert_eq!(listening.news(&mut bench), None);
    assert_eq!(listening.news(&mut bench), Some(vec![]));

    // The number that it knows was given in a state that was lost.
    let ahead = listening.0 + 1_000_000_000;
    assert_eq!(bench.hear(Some(ahead)).users, None);
    let kept: i64 = bench.change_redis(&["PTTL", "watching"]);
    assert!((1..=10_000).contains(&kept), "{kept}");
}

#[test]
fn a_look_says_in_which_rooms_users_are_and_whether_all_had_the_time_to_say_so() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let mut b = bench.attach("run", None, "b.1");
    bench.up_user(&mut a, 1);
    bench.place_in(&mut a, 1, "r");
    bench.up_user(&mut b, 1);
    assert!(!bench.find(&[1]).is_settled, "nobody has done yet what is due");
    bench.tend_for(Duration::from_secs(1));
    assert!(!bench.find(&[1]).is_settled, "it is held");
    bench.tend_for(Duration::from_secs(30));

    let found = bench.find(&[2, 1]);
    let [nobody, mut one] = <[_; 2]>::try_from(found.users).unwrap();
    one.nodes.sort_by_key(Option::is_some);
    assert!(found.is_settled && nobody == UserPlaces::default());
    assert_eq!(one, UserPlaces { is_online: true, nodes: vec![None, Some(rooms("r"))] });
    assert_eq!(one.rooms(), Some(rooms("r")));

    // Whoever lingers is online, and in no room.
    bench.leave(&mut a, 1);
    bench.leave(&mut b, 1);
    assert_eq!(bench.find(&[1]).users, [UserPlaces { is_online: true, nodes: vec![] }]);
    bench.wait(Duration::from_secs(6));
    assert!(!bench.find(&[1]).is_settled, "nobody did what is due for too long");
    // Another server, or the same one started again.
    bench.tend_for(Duration::from_secs(30));
    assert!(bench.find(&[1]).is_settled);
    bench.attach("another run", Some(&a), "a.2");
    assert!(!bench.find(&[1]).is_settled);
}
