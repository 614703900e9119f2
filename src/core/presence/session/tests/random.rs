//! Whoever keeps the sessions of users, against a naive model.
//!
//! The questions are those of [`Sessions`], and the checks know nothing of how sequence numbers are made or where the
//! state is: another keeper of sessions is held to the same by implementing the trait.

use crate::core::presence::session::{PresenceStatus, SessionMachine};
use crate::types::{Change, ChangeKind, Moment, Reason, Seq, Timestamp, UserId, WallMs};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use std::collections::BTreeMap;
use std::time::Duration;

const USERS: [&str; 2] = ["ann", "bob"];
/// Where the wall clock stands at time 0.
const WALL: u64 = 1_000_000;

/// Keeps the sessions of users. Time is what the caller says.
trait Sessions {
    /// The user has a socket. Returns the name of the session.
    fn up(&mut self, user: &UserId, now: Timestamp) -> Seq;
    /// The user has no socket any more.
    fn down(&mut self, user: &UserId, reason: Reason, grace: Duration, now: Timestamp);
    /// Ends the grace of a lingering user.
    fn end_grace(&mut self, user: &UserId, reason: Reason, now: Timestamp);
    /// Does what is due.
    fn pass(&mut self, now: Timestamp);
    /// All sockets are lost at once: who was online or lingering has until `deadline` to come back.
    fn restart(&mut self, ended_at: WallMs, deadline: Timestamp);
    /// What the outside sees.
    fn status(&self, user: &UserId) -> PresenceStatus;
    /// The news since the last call, in order.
    fn take_news(&mut self) -> Vec<Change>;
}

/// The machines of one node.
#[derive(Default)]
struct Machines {
    users: BTreeMap<UserId, SessionMachine>,
    seq: u64,
    news: Vec<Change>,
}

impl Machines {
    fn moment(&mut self, now: Timestamp) -> Moment {
        self.seq += 1;
        Moment { now, wall: wall(now), seq: Seq(self.seq) }
    }

    fn machine(&mut self, user: &UserId) -> &mut SessionMachine {
        self.users.entry(user.clone()).or_insert_with(|| SessionMachine::new(user.clone()))
    }
}

impl Sessions for Machines {
    fn up(&mut self, user: &UserId, now: Timestamp) -> Seq {
        let moment = self.moment(now);
        let up = self.machine(user).up(moment);
        self.news.extend(up.news);
        up.session.id
    }

    fn down(&mut self, user: &UserId, reason: Reason, grace: Duration, now: Timestamp) {
        let moment = self.moment(now);
        self.machine(user).down(reason, grace, moment);
    }

    fn end_grace(&mut self, user: &UserId, reason: Reason, now: Timestamp) {
        self.machine(user).end_grace(reason, now);
    }

    fn pass(&mut self, now: Timestamp) {
        for user in USERS.map(|it| UserId::parse(it).unwrap()) {
            let moment = self.moment(now);
            let news = self.machine(&user).expire(moment);
            self.news.extend(news);
        }
    }

    fn restart(&mut self, ended_at: WallMs, deadline: Timestamp) {
        for (user, machine) in std::mem::take(&mut self.users) {
            let session = match machine.status() {
                PresenceStatus::Offline => continue,
                PresenceStatus::Online(session) | PresenceStatus::Lingering(session) => session,
            };
            let ghost = SessionMachine::ghost(user.clone(), session, ended_at, deadline);
            self.users.insert(user, ghost);
        }
    }

    fn status(&self, user: &UserId) -> PresenceStatus {
        self.users.get(user).map_or(PresenceStatus::Offline, SessionMachine::status)
    }

    fn take_news(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.news)
    }
}

fn wall(now: Timestamp) -> WallMs {
    WallMs(WALL + now.0)
}

#[derive(Clone, Debug)]
enum Op {
    Up(usize),
    Down(usize, Reason, u64),
    EndGrace(usize),
    Wait(u64),
    /// The process dies and comes back: sockets are gone, the sessions are known from the store.
    Restart(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let user = || 0..USERS.len();
    let reason = prop::sample::select(vec![Reason::TransportClose, Reason::PingTimeout]);
    let grace = prop_oneof![Just(0), Just(50_u64)];
    let down = (user(), reason, grace).prop_map(|(user, why, grace)| Op::Down(user, why, grace));
    prop_oneof![
        4 => user().prop_map(Op::Up),
        4 => down,
        1 => user().prop_map(Op::EndGrace),
        3 => (0..80_u64).prop_map(Op::Wait),
        1 => (0..80_u64).prop_map(Op::Restart),
    ]
}

/// What a child would write down of one user: since when somebody is there, and when an empty house counts as left.
#[derive(Default)]
struct Model {
    since: Option<WallMs>,
    left: Option<Left>,
    said: Vec<Said>,
}

#[derive(Clone, Copy)]
struct Left {
    gone_at: u64,
    reason: Reason,
    closed_at: WallMs,
}

/// News without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Online(WallMs),
    Offline { reason: Reason, online_since: WallMs, last_socket_closed_at: WallMs, at: WallMs },
}

impl Model {
    fn step(&mut self, op: &Op, me: usize, now: u64) {
        let closed_at = WallMs(WALL + now);
        match *op {
            Op::Up(user) if user == me => {
                self.left = None;
                if self.since.is_none() {
                    self.since = Some(WallMs(WALL + now));
                    self.said.push(Said::Online(WallMs(WALL + now)));
                }
            }
            Op::Down(user, reason, grace)
                if user == me && self.since.is_some() && self.left.is_none() =>
            {
                self.left = Some(Left { gone_at: now + grace, reason, closed_at });
            }
            Op::EndGrace(user) if user == me => {
                if let Some(left) = &mut self.left {
                    left.gone_at = left.gone_at.min(now);
                    left.reason = Reason::Kicked;
                }
            }
            Op::Restart(grace) if self.since.is_some() => {
                let reason = Reason::ServerRestart;
                self.left = Some(Left { gone_at: now + grace, reason, closed_at });
            }
            Op::Up(_) | Op::Down(..) | Op::EndGrace(_) | Op::Wait(_) | Op::Restart(_) => {}
        }
        let Some(left) = self.left.filter(|it| it.gone_at <= now) else { return };
        self.left = None;
        self.said.push(Said::Offline {
            reason: left.reason,
            online_since: self.since.take().unwrap(),
            last_socket_closed_at: left.closed_at,
            at: WallMs(WALL + now),
        });
    }
}

/// What was heard of one user, and the numbers it came with.
#[derive(Default)]
struct Heard {
    said: Vec<Said>,
    last: Seq,
    open: Option<Seq>,
}

impl Heard {
    fn hear(&mut self, change: &Change) -> TestCaseResult {
        prop_assert!(self.last < change.seq, "{:?} after {:?}", change, self.last);
        self.last = change.seq;
        let said = match change.kind {
            ChangeKind::Online => {
                prop_assert_eq!(self.open.replace(change.seq), None, "online twice");
                prop_assert_eq!(change.session, change.seq);
                Said::Online(change.at)
            }
            ChangeKind::Offline { reason, online_since, last_socket_closed_at } => {
                prop_assert_eq!(self.open.take(), Some(change.session));
                Said::Offline { reason, online_since, last_socket_closed_at, at: change.at }
            }
        };
        self.said.push(said);
        Ok(())
    }
}

/// Holds a keeper of sessions to the model.
fn check(mut it: impl Sessions, ops: &[Op]) -> TestCaseResult {
    let users = USERS.map(|it| UserId::parse(it).unwrap());
    let mut models = users.each_ref().map(|_| Model::default());
    let mut heard = users.each_ref().map(|_| Heard::default());
    let mut now = 0;
    for op in ops {
        let mut came = None;
        match *op {
            Op::Up(user) => came = Some((user, it.up(&users[user], Timestamp(now)))),
            Op::Down(user, reason, grace) => {
                it.down(&users[user], reason, Duration::from_millis(grace), Timestamp(now));
            }
            Op::EndGrace(user) => it.end_grace(&users[user], Reason::Kicked, Timestamp(now)),
            Op::Wait(ms) => now += ms,
            Op::Restart(grace) => it.restart(wall(Timestamp(now)), Timestamp(now + grace)),
        }
        it.pass(Timestamp(now));
        for change in it.take_news() {
            let user = users.iter().position(|it| *it == change.user).unwrap();
            heard[user].hear(&change)?;
        }
        for (me, (model, heard)) in models.iter_mut().zip(&heard).enumerate() {
            model.step(op, me, now);
            prop_assert_eq!(&heard.said, &model.said);
            let (session, lingers) = match it.status(&users[me]) {
                PresenceStatus::Offline => (None, false),
                PresenceStatus::Online(session) => (Some(session), false),
                PresenceStatus::Lingering(session) => (Some(session), true),
            };
            prop_assert_eq!(session.map(|it| it.id), heard.open);
            prop_assert_eq!(session.map(|it| it.since), model.since);
            prop_assert_eq!(lingers, model.left.is_some());
        }
        if let Some((user, session)) = came {
            prop_assert_eq!(Some(session), heard[user].open, "who comes is told the session");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_machine_agrees_with_the_naive_model(ops in prop::collection::vec(op(), 0..60)) {
        check(Machines::default(), &ops)?;
    }
}
