//! Exactly once, in order, over any history of emits, cuts and returns of one stock client.

use super::{LIMITS, TestSocket, attach, emit, id, parse, socket, to_user};
use crate::core::recovery::{Pid, Recovery, SessionClaim};
use crate::types::Timestamp;
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone, Debug)]
enum Op {
    Emit(u8),
    Volatile,
    /// The connection is cut; the client has received all but the last so many events.
    Cut(usize),
    Return,
    /// The client comes back while its old connection still looks alive; the old one lost the last so many.
    Switch(usize),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (1..3_u8).prop_map(Op::Emit),
        1 => Just(Op::Volatile),
        2 => (0..3_usize).prop_map(Op::Cut),
        3 => Just(Op::Return),
        1 => (0..3_usize).prop_map(Op::Switch),
        1 => (0..60_u64).prop_map(Op::Wait),
    ]
}

/// A stock client and the wire to it.
struct Client {
    it: Recovery<TestSocket>,
    pid: Option<Pid>,
    offset: Option<String>,
    is_live: bool,
    socket: u8,
    addressed: Rc<Cell<u64>>,
    now: u64,
    next: u32,
    /// Frames on their way: name (none for volatile ones) and offset.
    flying: Vec<(Option<u32>, String)>,
    received: Vec<u32>,
    /// What was emitted for this user since the session began.
    emitted: Vec<u32>,
}

impl Client {
    fn land(&mut self, lost: usize) {
        let keep = self.flying.len().saturating_sub(lost);
        for (name, offset) in self.flying.drain(..).take(keep) {
            self.received.extend(name);
            self.offset = Some(offset);
        }
    }

    fn connect(&mut self) {
        self.socket += 1;
        let claimed = self.pid.clone();
        let offset = self.offset.clone();
        let claim = claimed.as_ref().map(|pid| SessionClaim { pid, offset: offset.as_deref() });
        let fresh = format!("p{}", self.socket);
        let newcomer = socket(1, self.socket);
        self.addressed = Rc::clone(&newcomer.addressed);
        let attached = attach(&mut self.it, newcomer, claim, &fresh, self.now);
        if !attached.outcome.is_recovered() {
            (self.received, self.emitted, self.offset) = (vec![], vec![], None);
        }
        self.addressed.set(attached.last_missed);
        for (name, offset) in attached.missed.iter().map(parse) {
            self.flying.push((Some(name), offset));
        }
        self.pid = Some(attached.pid);
        self.is_live = true;
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Emit(u) => {
                self.next += 1;
                let audience = to_user(u);
                let is_here = u == 1 && self.is_live;
                if !is_here && !self.it.is_any_away_in(&audience.target) {
                    // As an emit does: nobody will ask for it.
                    self.emitted.extend((u == 1).then_some(self.next));
                    return;
                }
                let offset = emit(&mut self.it, &audience, self.next, self.now);
                if u == 1 {
                    self.emitted.push(self.next);
                    if self.is_live {
                        self.addressed.set(self.it.head().number());
                        self.flying.push((Some(self.next), offset));
                    }
                }
            }
            Op::Volatile if self.is_live => self.flying.push((None, self.it.head().to_string())),
            Op::Cut(lost) if self.is_live => {
                self.land(lost);
                self.is_live = false;
                let gone = self.pid.clone().unwrap();
                self.it.detach(&gone, id(self.socket), Timestamp(self.now));
            }
            Op::Return if !self.is_live => self.connect(),
            Op::Switch(lost) => {
                self.land(lost);
                let old = (self.pid.clone(), self.socket);
                self.connect();
                if let (Some(pid), socket) = old {
                    self.it.detach(&pid, id(socket), Timestamp(self.now));
                }
            }
            Op::Wait(ms) => {
                self.now += ms;
                self.it.expire(Timestamp(self.now));
            }
            Op::Volatile | Op::Cut(_) | Op::Return => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_recovered_client_has_everything_exactly_once(ops in prop::collection::vec(op(), 0..80)) {
        let mut client = Client {
            it: Recovery::new(LIMITS, 1), pid: None, offset: None, is_live: false, socket: 0, addressed: Rc::default(), now: 0, next: 0,
            flying: vec![], received: vec![], emitted: vec![],
        };
        client.connect();
        for op in &ops {
            client.step(op);
            prop_assert!(client.emitted.starts_with(&client.received), "{:?} of {:?}", client.received, client.emitted);
        }
        client.step(&Op::Return);
        client.land(0);
        prop_assert_eq!(&client.received, &client.emitted);
    }
}
