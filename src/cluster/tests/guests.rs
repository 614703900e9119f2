//! Guests: online as users are, and told of only if the nodes agree on it.

use super::directed::Bench;
use crate::core::cluster::agreement::Term;
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::types::{Reason, UserId, WallMs};
use std::time::Duration;

#[test]
fn guests_come_and_go_untold_unless_nodes_agree_to_tell_of_them() {
    for (tells_of_guests, expected) in [("true", &["on", "on", "off"][..]), ("false", &["on"])] {
        let mut bench = Bench::new(None);
        bench.set_up(|it| it.should.push(Term::shown("guests.hooks", tells_of_guests)));
        let mut node = bench.attach("run", None, "a.1");
        let user = UserId::parse("guest:1").unwrap();
        let up = FactOp::Up { user: user.clone(), hint: None, is_kept: false };
        bench.apply(&mut node, vec![up], &[]);
        assert!(!bench.ask_redis(&["HKEYS", "u:guest:1"]).is_empty(), "the guest is online");
        bench.up_user(&mut node, 1);
        let (grace, reason) = (Duration::ZERO, Reason::TransportClose);
        let departure = UserDeparture { grace, reason, closed_at: WallMs(1) };
        bench.apply(&mut node, vec![FactOp::Down { user, departure }], &[]);
        bench.tend_for(Duration::from_mins(1));
        assert!(bench.ask_redis(&["HKEYS", "u:guest:1"]).is_empty(), "the guest is offline");
        let told: Vec<String> = bench.events().into_iter().map(|it| it[1].clone()).collect();
        assert_eq!(told, expected, "guests.hooks = {tells_of_guests}");
    }
}
