//! Nodes of a cluster that read one log, each as fast as it does: whichever of them a client comes back to, it gets each event
//! once, in order, also if its node was killed with all that it knew.

use super::{
    TestSocket, attach, id, member, parse, pid, room, socket, socket_of, to, to_user, user,
};
use crate::core::cluster::follower::Follower;
use crate::core::cluster::node::EventId;
use crate::core::emit::audience::Audience;
use crate::core::recovery::{
    DetachedSession, Member, Offset, Recovery, RecoveryLimits, SessionClaim, Verdict,
};
use crate::types::{Except, SocketId, Target, Timestamp};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const NODES: usize = 3;
const LIFE: u64 = 7;
const LIMITS: RecoveryLimits = RecoveryLimits {
    window: Duration::from_mins(1),
    events_max: 1000,
    bytes_max: 1 << 20,
    sessions_max: 10,
    sessions_per_user: 10,
    replay_bytes_max: 1 << 20,
};

#[derive(Clone, Debug)]
enum Op {
    /// For the client's user, for its room, for somebody else.
    Emit(u8),
    /// Its user leaves the room.
    Leave,
    /// A node reads so many entries.
    Read(usize, usize),
    /// The session of a live socket is written down.
    WriteDown,
    /// The connection is cut; the client has received all but the last so many events.
    Cut(usize),
    /// The same because its node is killed, which starts again with nothing.
    Kill(usize),
    /// The client comes back to a node; if it is there still, its connection of before has lost the last so many events.
    Return(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3_u8).prop_map(Op::Emit),
        1 => Just(Op::Leave),
        5 => (0..NODES, 1..5_usize).prop_map(|(node, count)| Op::Read(node, count)),
        1 => Just(Op::WriteDown),
        2 => (0..3_usize).prop_map(Op::Cut),
        1 => (0..3_usize).prop_map(Op::Kill),
        4 => (0..NODES, 0..3_usize).prop_map(|(node, lost)| Op::Return(node, lost)),
    ]
}

#[derive(Clone)]
enum Entry {
    Emit(Arc<Audience>, u32),
    Leave,
}

struct Node {
    it: Recovery<TestSocket>,
    read: usize,
}

impl Node {
    fn new() -> Self {
        let mut it = Recovery::in_cluster(LIMITS, LIFE);
        it.begin_after(0);
        Self { it, read: 0 }
    }
}

struct Connected {
    node: usize,
    socket: TestSocket,
    follower: Follower,
}

struct Cluster {
    log: Vec<Entry>,
    nodes: Vec<Node>,
    /// What all nodes find of the session, and which socket has it.
    kept: Option<(DetachedSession, bool, SocketId)>,
    live: Option<Connected>,
    sockets: u8,
    offset: Option<String>,
    flying: Vec<Bytes>,
    received: Vec<u32>,
    /// What the client may get, in this order.
    expected: Vec<u32>,
    /// What of that was for its room: if it leaves that, it may miss some of what it has not got by then.
    to_room: Vec<u32>,
    is_in_room: bool,
}

fn number(place: usize) -> u64 {
    10 * (u64::try_from(place).unwrap() + 1)
}

fn to_room() -> Audience {
    to(Target { rooms: vec![room("all")], ..Target::default() }, Except::default())
}

impl Cluster {
    fn new() -> Self {
        let mut it = Self {
            log: Vec::new(),
            nodes: (0..NODES).map(|_| Node::new()).collect(),
            kept: None,
            live: None,
            sockets: 0,
            offset: None,
            flying: Vec::new(),
            received: Vec::new(),
            expected: Vec::new(),
            to_room: Vec::new(),
            is_in_room: true,
        };
        it.connect(0, None);
        it
    }

    fn emit(&mut self, to: u8) {
        let name = u32::try_from(self.log.len()).unwrap();
        let audience = match to {
            0 => to_user(1),
            1 => Arc::new(to_room()),
            _ => to_user(9),
        };
        if to == 0 || to == 1 && self.is_in_room {
            self.expected.push(name);
        }
        if to == 1 && self.is_in_room {
            self.to_room.push(name);
        }
        self.log.push(Entry::Emit(audience, name));
    }

    /// A node reads the next entry, if there is one.
    fn read(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(entry) = self.log.get(node.read).cloned() else { return };
        let number = number(node.read);
        node.read += 1;
        let live = self.live.as_mut().filter(|it| it.node == place);
        match entry {
            Entry::Emit(audience, name) => {
                let frame = node.it.hear(number, Arc::clone(&audience), Timestamp(0), |offset| {
                    Bytes::from(format!("{name}@{offset}"))
                });
                if let Some(it) = live
                    && audience.includes(&*it.socket.member.borrow())
                    && it.follower.hear(number, None).is_some()
                {
                    it.socket.addressed.set(number);
                    self.flying.push(frame);
                }
            }
            Entry::Leave => {
                let verdict = Verdict::Leave(to_room(), vec![room("all")]);
                node.it.judge(number, verdict, Timestamp(0));
                if let Some(it) = live {
                    let mut member = it.socket.member.borrow_mut();
                    member.rooms.clear();
                    member.moves.left.insert(room("all"));
                }
            }
        }
        node.it.read_to(number);
    }

    fn land(&mut self, lost: usize) {
        let keep = self.flying.len().saturating_sub(lost);
        for frame in self.flying.drain(..).take(keep) {
            let (name, offset) = parse(&frame);
            self.received.push(name);
            self.offset = Some(offset);
        }
    }

    fn write_down(&mut self) {
        if let Some(it) = &self.live {
            let session = self.nodes[it.node].it.session(&pid("p")).unwrap();
            self.kept = Some((session, false, it.socket.member.borrow().ids[0]));
        }
    }

    fn cut(&mut self, lost: usize) {
        self.land(lost);
        if let Some(it) = self.live.take() {
            let id = it.socket.member.borrow().ids[0];
            let session = self.nodes[it.node].it.hand_over(&pid("p"), id).unwrap();
            self.kept = Some((session, true, id));
        }
    }

    fn kill(&mut self, lost: usize) {
        if let Some(it) = self.live.take() {
            self.land(lost);
            self.nodes[it.node] = Node::new();
        }
    }

    fn come_back(&mut self, node: usize, lost: usize) {
        self.land(lost);
        while self.nodes[node].read < self.log.len() {
            self.read(node);
        }
        // What its own connection gets since is lost with it.
        self.land(usize::MAX);
        let (session, is_away, owner) = self.kept.clone().unwrap();
        let it = &mut self.nodes[node].it;
        it.forget_away(&pid("p"));
        it.take_up(&pid("p"), (session, is_away), Some(owner), Timestamp(0));
        let before = self.live.take();
        let offset = self.offset.clone();
        let (claimed, offset) = (pid("p"), offset.as_deref());
        self.connect(node, Some(SessionClaim { pid: &claimed, offset }));
        // It is told to go.
        if let Some(before) = before {
            let id = before.socket.member.borrow().ids[0];
            assert!(
                self.nodes[before.node].it.hand_over(&pid("p"), id).is_none()
                    || before.node != node
            );
        }
    }

    fn connect(&mut self, node: usize, claim: Option<SessionClaim<'_>>) {
        self.sockets += 1;
        let socket = socket_of(member(1, self.sockets));
        let it = &mut self.nodes[node].it;
        let fresh = if claim.is_some() { "fresh" } else { "p" };
        let attached = attach(it, socket.clone(), claim, fresh, 0);
        assert_eq!(attached.outcome.is_recovered(), claim.is_some(), "{:?}", attached.outcome);
        {
            let mut member = socket.member.borrow_mut();
            member.rooms = attached.moves.applied_to(&member.rooms).to_vec();
            member.moves = attached.moves;
        }
        socket.addressed.set(attached.last_missed);
        self.flying = attached.missed;
        let follower = Follower::new("e".into(), attached.head.number(), EventId::default());
        self.live = Some(Connected { node, socket, follower });
        self.write_down();
    }
}

proptest! {
    #[test]
    fn whichever_node_it_comes_back_to_each_event_comes_once_and_in_order(
        ops in prop::collection::vec(op(), 0..80),
    ) {
        let mut it = Cluster::new();
        for op in ops {
            match op {
                Op::Emit(to) => it.emit(to),
                Op::Leave => {
                    it.is_in_room = false;
                    it.log.push(Entry::Leave);
                }
                Op::Read(node, count) => (0..count).for_each(|_| it.read(node)),
                Op::WriteDown => it.write_down(),
                Op::Cut(lost) => it.cut(lost),
                Op::Kill(lost) => it.kill(lost),
                Op::Return(node, lost) => it.come_back(node, lost),
            }
        }
        it.come_back(0, 0);
        it.land(0);
        let may_miss = |name: &u32| !it.is_in_room && it.to_room.contains(name);
        let has_got = |name: &u32| it.received.contains(name) || !may_miss(name);
        it.expected.retain(has_got);
        prop_assert_eq!(it.received, it.expected);
    }
}

/// A session as it stood at this number, with the client away or not.
fn session(cut_off_at: u64) -> DetachedSession {
    DetachedSession { member: member(1, 1), began_at: 0, addressed: 0, cut_off_at }
}

fn come_back(
    verdict: Verdict,
    (session, is_away): (DetachedSession, bool),
    until: u64,
) -> Option<Member> {
    let mut it: Recovery<TestSocket> = Recovery::in_cluster(LIMITS, LIFE);
    it.begin_after(0);
    it.judge(50, verdict, Timestamp(0));
    it.read_to(until);
    assert!(it.take_up(&pid("p"), (session, is_away), Some(id(1)), Timestamp(0)).is_none());
    it.session(&pid("p")).map(|it| it.member)
}

#[test]
fn who_was_there_when_it_was_kicked_is_over_and_who_was_away_is_not() {
    let to_all = to(Target { all: true, ..Target::default() }, Except::default());
    for verdict in [Verdict::EndUser(user(1)), Verdict::EndSocket(id(1)), Verdict::End(to_all)] {
        assert!(come_back(verdict.clone(), (session(40), false), 60).is_none(), "{verdict:?}");
        assert!(come_back(verdict.clone(), (session(50), false), 60).is_some(), "it began later");
        assert!(come_back(verdict, (session(40), true), 60).is_some());
    }
    for verdict in [Verdict::EndUser(user(2)), Verdict::EndSocket(id(2))] {
        assert!(come_back(verdict, (session(40), false), 60).is_some());
    }
}

#[test]
fn a_room_that_was_left_stays_left() {
    let leave = Verdict::Leave(to_room(), vec![room("all")]);
    for is_away in [false, true] {
        let member = come_back(leave.clone(), (session(40), is_away), 60).unwrap();
        assert!(member.rooms.is_empty() && member.moves.left.contains(&room("all")));
    }
}

#[test]
fn whoever_is_put_into_a_room_or_taken_out_meanwhile_is_found_so() {
    let out = come_back(Verdict::TakeOut(user(1), room("all")), (session(40), true), 60);
    assert!(out.unwrap().rooms.is_empty());
    let put = come_back(Verdict::PutIn(user(1), room("new")), (session(40), true), 60).unwrap();
    assert_eq!((put.rooms.len(), put.moves.since(&room("new"))), (2, 50));
    for other in [Verdict::TakeOut(user(2), room("all")), Verdict::PutIn(user(2), room("new"))] {
        assert_eq!(come_back(other, (session(40), true), 60).unwrap().rooms, [room("all")]);
    }
}

#[test]
fn what_was_not_read_or_was_lost_is_not_said_to_be_complete() {
    let claim = |it: &mut Recovery<TestSocket>, number: u64| {
        let (pid, offset) = (pid("p"), Offset { life: LIFE, number }.to_string());
        let mut session = session(number);
        session.addressed = number;
        it.take_up(&pid, (session, true), None, Timestamp(0));
        let claim = SessionClaim { pid: &pid, offset: Some(&offset) };
        let attached = attach(it, socket(1, 2), Some(claim), "fresh", 0);
        it.hand_over(&attached.pid, id(2));
        attached.outcome.is_recovered()
    };
    let hear = |it: &mut Recovery<TestSocket>, number| {
        it.hear(number, to_user(1), Timestamp(0), |_| Bytes::new());
    };
    let mut it = Recovery::in_cluster(LIMITS, LIFE);
    it.begin_after(20);
    hear(&mut it, 30);
    hear(&mut it, 40);
    assert!(!claim(&mut it, 10) && claim(&mut it, 20) && claim(&mut it, 40));
    it.skip();
    assert!(!claim(&mut it, 40));
    hear(&mut it, 60);
    assert!(!claim(&mut it, 50) && claim(&mut it, 59) && claim(&mut it, 60));
    it.lacks_some_to(60);
    assert!(!claim(&mut it, 59) && claim(&mut it, 60));

    // The log lost what came after 55: another life, in which numbers go on elsewhere.
    it.rewind(LIFE + 1, 55);
    assert!(!it.is_of_this_life(&Offset { life: LIFE, number: 60 }.to_string()));
    assert_eq!(it.head(), Offset { life: LIFE + 1, number: 55 });
    hear(&mut it, 70);
    assert_eq!(it.head().number(), 70);
}
