use super::{Lane, NodeEffect, NodeMachine, Numbering};
use crate::core::cluster::command::{
    Applied, Attached, Command, NodeTimes, Observation, ReapReason, Reply, Standing, Told, ToldId,
};
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::incarnation::Incarnation;
use crate::types::{Reason, Timestamp, UserId, WallMs};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

const TIMES: NodeTimes = NodeTimes {
    heartbeat: Duration::from_secs(5),
    lease: Duration::from_secs(15),
    observe: Duration::from_secs(2),
    tend: Duration::from_secs(1),
    read: Duration::from_secs(1),
    remember: Duration::from_mins(1),
};

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}

fn attached(standing: Standing, epoch: &str) -> Reply {
    Reply::Attached(Attached {
        differs: Vec::new(),
        standing,
        epoch: epoch.into(),
        copy: epoch.into(),
        head: 100,
        common: 50,
    })
}

fn done(first: u64, sessions: &[u64]) -> Reply {
    let nodes = ["m.4", "n.1", "o.1", "o.2"].map(Incarnation::from_text).to_vec();
    Reply::Applied(Applied::Done { first, head: 200, sessions: sessions.to_vec(), nodes })
}

/// A node that was attached, in epoch `e`.
fn node() -> NodeMachine {
    let mut node = NodeMachine::new("n", TIMES);
    node.connected("run");
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    node.reply(ticket, &command, attached(Standing::New, "e"), at(0));
    node
}

fn event(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn nothing_is_said_on_a_connection_before_it_was_attached() {
    let mut node = node();
    node.disconnected();
    node.connected("run 2");
    node.ring();

    assert!(node.next(Lane::Read, at(0)).is_none() && node.next(Lane::Watch, at(0)).is_none());
    let (_, command) = node.next(Lane::Write, at(0)).unwrap();
    assert!(matches!(command, Command::Attach(_)), "{command:?}");
    assert!(node.next(Lane::Write, at(0)).is_none() && node.question().is_none());
}

#[test]
fn an_answer_of_an_earlier_connection_is_not_heard_and_its_batch_is_said_again() {
    let mut node = node();
    let question = node.question().unwrap();
    let (id, _) = node.append(event("x"), Numbering::Numbered, at(0)).unwrap();
    let (old, said) = node.next(Lane::Write, at(0)).unwrap();
    node.disconnected();
    node.connected("run");
    assert_eq!(node.reply(old, &said, done(150, &[]), at(0)), []);
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    node.reply(ticket, &command, attached(Standing::Same, "e"), at(0));
    assert!(!node.is_current(question));

    let (ticket, again) = node.next(Lane::Write, at(0)).unwrap();
    assert_eq!(again, said);
    let effects = node.reply(ticket, &again, done(150, &[]), at(0));
    let others = Arc::from(["m".into(), "o".into()]);
    assert_eq!(effects, [NodeEffect::Taken { event: id, number: 150, others }]);
}

#[test]
fn a_new_life_asserts_everything_before_it_lets_the_earlier_one_go() {
    let mut node = node();
    let user = UserId::parse("u").unwrap();
    node.up(&user);
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    let effects = node.reply(ticket, &command, done(0, &[7]), at(0));
    assert_eq!(effects, [NodeEffect::Session { user: user.clone(), session: 7 }]);
    let earlier = node.incarnation().unwrap().clone();
    let (id, _) = node.append(event("x"), Numbering::Numbered, at(0)).unwrap();
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    node.reply(ticket, &command, Reply::Applied(Applied::Refused), at(0));

    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    let effects = node.reply(ticket, &command, attached(Standing::New, "e"), at(0));
    assert_eq!(effects, [NodeEffect::Unknown { event: id }]);

    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    let Command::Apply(apply) = &command else { panic!("{command:?}") };
    assert_eq!(
        apply.facts,
        [FactOp::Up { user, hint: None, is_kept: false }],
        "no loss: no session is told of"
    );
    assert_eq!((apply.number, apply.incarnation == earlier), (1, false));
    node.reply(ticket, &command, done(0, &[8]), at(0));
    let (_, command) = node.next(Lane::Write, at(0)).unwrap();
    let Command::Reap(reap) = &command else { panic!("{command:?}") };
    assert_eq!((&reap.incarnation, reap.why), (&earlier, ReapReason::Own));
}

#[test]
fn events_wait_a_quarter_of_a_second_and_then_for_a_marker() {
    let mut node = node();
    let append =
        |node: &mut NodeMachine, ms| node.append(event("x"), Numbering::Numbered, at(ms)).unwrap();
    let (first, none) = append(&mut node, 0);
    assert_eq!((none, node.tick(at(249))), (Vec::new(), Vec::new()));
    let (ticket, command) = node.next(Lane::Write, at(249)).unwrap();
    assert_eq!(node.tick(at(250)), [NodeEffect::Degraded { event: first }]);
    let (second, effects) = append(&mut node, 251);
    assert_eq!(effects, [NodeEffect::Degraded { event: second }]);

    assert_eq!(node.reply(ticket, &command, done(150, &[]), at(260)), []);
    let (ticket, command) = node.next(Lane::Write, at(260)).unwrap();
    assert!(matches!(&command, Command::Apply(it) if it.marker && it.events.is_empty()));
    let (_, effects) = append(&mut node, 270);
    assert_eq!(effects, [], "the marker is under way");
    let effects = node.reply(ticket, &command, done(160, &[]), at(280));
    assert_eq!(effects, [NodeEffect::Marked { number: 160 }]);
}

#[test]
fn a_node_that_slept_says_so_and_one_that_is_silent_is_let_go() {
    let mut node = node();
    assert_eq!(node.tick(at(0)), []);
    assert_eq!(node.tick(at(7501)), [NodeEffect::Verify]);

    let others = Observation { nodes: vec![(Incarnation::new("m", 1), 3)], dead: Vec::new() };
    let mut reaped = Vec::new();
    for ms in (8000..26_000).step_by(500) {
        while let Some((ticket, command)) = node.next(Lane::Watch, at(ms)) {
            let reply = match &command {
                Command::Observe => Reply::Observed(others.clone()),
                Command::Tend => Reply::Tended { head: 0 },
                Command::Reap(reap) => {
                    reaped.push((ms, reap.why));
                    Reply::Reaped { left: 0 }
                }
                Command::Attach(_)
                | Command::Apply(_)
                | Command::Read { .. }
                | Command::Presence(_)
                | Command::Lingering(_)
                | Command::Ledger(_)
                | Command::Book(_)
                | Command::Answers(_)
                | Command::Feed(_)
                | Command::Inboxes(_)
                | Command::Tell(_)
                | Command::Seats(_)
                | Command::Attached(_)
                | Command::Moved(_)
                | Command::Places(_)
                | Command::Erase(_)
                | Command::Resume(_)
                | Command::CountUsers
                | Command::Claim(_)
                | Command::Missed { .. } => panic!("{command:?}"),
            };
            node.reply(ticket, &command, reply, at(ms));
        }
    }
    assert_eq!(reaped.first(), Some(&(24_000, ReapReason::Silent(3))));
}

#[test]
fn a_user_who_came_and_went_while_nobody_heard_is_never_mentioned() {
    let mut node = node();
    let user = UserId::parse("u").unwrap();
    let departure =
        UserDeparture { grace: Duration::ZERO, reason: Reason::Kicked, closed_at: WallMs(0) };
    node.up(&user);
    node.down(&user, departure);
    let (_, command) = node.next(Lane::Write, at(0)).unwrap();
    assert!(
        matches!(&command, Command::Apply(it) if it.facts.is_empty()),
        "a heartbeat: {command:?}"
    );
}

#[test]
fn a_node_that_leaves_tells_of_its_users_first_and_then_is_gone() {
    let mut node = node();
    let user = UserId::parse("u").unwrap();
    node.up(&user);
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    node.reply(ticket, &command, done(0, &[7]), at(0));
    let departure = UserDeparture {
        grace: Duration::from_secs(20),
        reason: Reason::ServerShutdown,
        closed_at: WallMs(0),
    };

    node.leave(departure);

    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    let down = FactOp::Down { user, departure };
    assert!(matches!(&command, Command::Apply(it) if it.facts == [down]), "{command:?}");
    node.reply(ticket, &command, done(0, &[]), at(0));
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    assert!(matches!(&command, Command::Reap(it) if it.why == ReapReason::Own), "{command:?}");
    let effects = node.reply(ticket, &command, Reply::Reaped { left: 0 }, at(0));
    assert_eq!(effects, [NodeEffect::Left]);
    assert!(Lane::ALL.into_iter().all(|lane| node.next(lane, at(60_000)).is_none()));
}

#[test]
fn what_others_are_told_goes_with_the_next_batch_and_is_dropped_if_that_comes_too_late() {
    let (mut node, asker) = (node(), Incarnation::from_text("m.4"));
    assert!(node.tell(asker.clone(), event("yes"), at(0)));
    let (ticket, said) = node.next(Lane::Write, at(0)).unwrap();
    let Command::Apply(apply) = &said else { panic!("{said:?}") };
    assert_eq!(apply.tells, [(asker.clone(), event("yes"))]);
    node.reply(ticket, &said, done(0, &[]), at(0));

    node.disconnected();
    assert!(node.tell(asker.clone(), event("late"), at(10)));
    assert!(node.tell(asker.clone(), event("in time"), at(20)));
    node.tick(at(2015));
    node.connected("run");
    let (ticket, command) = node.next(Lane::Write, at(2015)).unwrap();
    node.reply(ticket, &command, attached(Standing::Same, "e"), at(2015));
    let (_, said) = node.next(Lane::Write, at(2015)).unwrap();
    let Command::Apply(apply) = &said else { panic!("{said:?}") };
    assert_eq!(apply.tells, [(asker, event("in time"))]);
}

#[test]
fn there_is_an_end_to_what_waits_to_be_told() {
    let (mut node, asker) = (node(), Incarnation::from_text("m.4"));
    let large = Bytes::from(vec![b'x'; 7_000_000]);
    assert!(node.tell(asker.clone(), large.clone(), at(0)));
    assert!(node.tell(asker.clone(), large.clone(), at(0)));
    assert!(!node.tell(asker.clone(), large.clone(), at(0)));
    drop(node.next(Lane::Write, at(0)));
    assert!(node.tell(asker, large, at(0)), "what is under way does not wait");
}

#[test]
fn what_this_node_was_told_is_read_once_and_the_next_life_begins_anew() {
    let mut node = node();
    let told = |id: &str| Told {
        id: ToldId(id.into()),
        from: Incarnation::from_text("m.4"),
        message: event("yes"),
    };
    node.ring();
    let (ticket, read) = node.next(Lane::Read, at(0)).unwrap();
    let effects = node.reply(ticket, &read, Reply::Entries(Vec::new(), vec![told("5-0")]), at(0));
    let from = Incarnation::from_text("m.4");
    assert_eq!(effects, [NodeEffect::Told { from, message: event("yes") }]);

    let after = |node: &NodeMachine| match node.doorbell() {
        Some(Command::Read { told: (own, after), .. }) => (own.as_str().to_owned(), after.0),
        other => panic!("{other:?}"),
    };
    assert_eq!(after(&node), ("n.1".to_owned(), "5-0".into()));
    node.disconnected();
    node.connected("run 2");
    let (ticket, command) = node.next(Lane::Write, at(0)).unwrap();
    node.reply(ticket, &command, attached(Standing::Lost, "f"), at(0));
    assert_eq!(after(&node), ("n.2".to_owned(), "0-0".into()));
}
