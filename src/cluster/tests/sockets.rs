//! The sockets of a node: how they join, come back to their sessions, and get what comes by the log. Around the shipped rules
//! this does what the shell of the server does.

use super::claims::KEPT;
use super::clients::{Audience, ToClient};
use super::mutants::Mutant;
use super::parts::{GRACE_MS, user_id};
use super::world::World;
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::follower::Follower;
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::EventId;
use crate::core::cluster::sessions::{AwayBounds, KeptSession, SessionOp};
use crate::core::emit::audience::Audience as Target;
use crate::core::recovery::{
    DetachedSession, Live, Member, Newcomer, Offset, Pid, RecoveryOutcome, SessionClaim,
};
use crate::core::rooms::RoomMoves;
use crate::types::{Except, Namespace, Reason, Room, SocketId, UserId, WallMs};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A socket, as its session knows it.
#[derive(Debug, Clone)]
pub(super) struct SimSocket {
    pub(super) number: u64,
    user: UserId,
    pub(super) member: Rc<RefCell<Member>>,
    addressed: Rc<Cell<u64>>,
    follower: Rc<RefCell<Follower>>,
}

impl Live for SimSocket {
    fn id(&self) -> SocketId {
        id_of(self.number)
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn member(&self) -> Member {
        self.member.borrow().clone()
    }

    fn addressed(&self) -> u64 {
        let addressed = self.addressed.get();
        // Until an event with a number follows one without, its client may lack that one.
        if self.follower.borrow().is_placed(addressed) { addressed } else { u64::MAX }
    }
}

/// A socket that is in.
pub(super) struct Joined {
    pub(super) client: usize,
    pub(super) node: usize,
    pub(super) pid: Pid,
    pub(super) socket: SimSocket,
}

/// A session as it stands in Redis: the record there is its place among these.
pub(super) struct Record {
    /// The node that wrote it down.
    pub(super) node: usize,
    pub(super) epoch: Epoch,
    pub(super) is_away: bool,
    pub(super) session: DetachedSession,
}

pub(super) fn id_of(number: u64) -> SocketId {
    let mut bytes = [0; SocketId::BYTES];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SocketId::from_bytes(bytes)
}

/// Tells the lives of a log apart.
pub(super) fn life(epoch: &Epoch) -> u64 {
    epoch.bytes().fold(7, |life: u64, byte| life.wrapping_mul(1_000_003) ^ u64::from(byte))
}

pub(super) fn audience(of: Audience) -> Arc<Target> {
    let mut target = crate::types::Target::default();
    match of {
        Audience::User(user) => target.users.push(user_id(user)),
        Audience::Room(number) => target.rooms.push(room(number)),
        Audience::All => target.all = true,
    }
    Arc::new(Target { namespace: Namespace::root(), target, except: Except::default() })
}

pub(super) fn room(number: usize) -> Room {
    Room::parse(&format!("r{number}")).unwrap()
}

fn frame(event: usize, offset: &Offset) -> Bytes {
    Bytes::from(format!("{event}@{offset}"))
}

/// The event and the offset in a frame.
fn read(frame: &Bytes) -> (usize, String) {
    let (event, offset) = std::str::from_utf8(frame).unwrap().split_once('@').unwrap();
    (event.parse().unwrap(), offset.to_owned())
}

pub(super) fn number_in(event: &Bytes) -> usize {
    std::str::from_utf8(event).unwrap().parse().unwrap()
}

impl World {
    /// Notes an event that clients may have to get later; returns its offset.
    pub(super) fn log(&mut self, node: usize, number: u64, event: usize) -> String {
        let (audience, now) = (audience(self.events[event].audience), self.time());
        let encode = |offset: &Offset| frame(event, offset);
        read(&self.nodes[node].recovery.hear(number, audience, now, encode)).1
    }

    /// A socket is in from now on.
    pub(super) fn join(
        &mut self,
        (node, number): (usize, u64),
        client: usize,
        claim: Option<(Pid, Option<String>)>,
        asked: u64,
    ) {
        let (it, now) = (&self.clients.all[client], self.time());
        let (of, rooms) = (it.user, it.rooms.iter().map(|it| room(*it)).collect::<Vec<_>>());
        let user = user_id(of);
        let member = Member {
            user: user.clone(),
            rooms: rooms.clone(),
            ids: vec![id_of(number)],
            device: None,
            moves: RoomMoves::default(),
            anyway: [].into(),
        };
        let member = Rc::new(RefCell::new(member));
        let it = &self.nodes[node];
        let (epoch, head) = (Epoch::clone(it.epoch.as_ref().unwrap()), it.recovery.head().number());
        let follower = Follower::new(Epoch::clone(&epoch), head, it.machine.last_event());
        let follower = Rc::new(RefCell::new(follower));
        let socket = SimSocket { number, user, member, addressed: Rc::default(), follower };
        self.up(node, of);
        self.tell_come(node, of, number);
        let newcomer = Newcomer { socket: socket.clone(), fresh: Pid::new(format!("p{number}")) };
        // Without the guard an offset of a life that is over is read as one of this life.
        let now_at = self.nodes[node].recovery.head().to_string();
        let mutated = self.is(Mutant::Epoch).then_some(now_at);
        let offset = |it: &String| mutated.as_ref().map_or(it.clone(), |head| relived(it, head));
        let claim = claim.map(|(pid, it)| (pid, it.as_ref().map(offset)));
        let claimed =
            claim.as_ref().map(|(pid, offset)| SessionClaim { pid, offset: offset.as_deref() });
        let attached = self.nodes[node].recovery.attach(newcomer, claimed, now);
        {
            let mut member = socket.member.borrow_mut();
            member.rooms = attached.moves.applied_to(&rooms).to_vec();
            member.moves = attached.moves;
            member.ids.extend(&attached.earlier);
        }
        socket.addressed.set(attached.last_missed);
        if let Some(before) = attached.replaced {
            self.close(before.number);
        }
        let pid = attached.pid;
        let recovered = attached.outcome.is_recovered();
        let joined = Joined { client, node, pid: pid.clone(), socket };
        self.clients.sockets.insert(number, joined);
        self.keep(node, &pid, !recovered, false);
        self.count(match attached.outcome {
            RecoveryOutcome::Recovered => "clients recovered",
            RecoveryOutcome::Lost(_) => "clients not recovered",
            RecoveryOutcome::New => "clients that begin",
        });
        let missed = attached.missed.len();
        let epoch = epoch.to_string();
        let at = self.now;
        self.send(number, ToClient::Connected { pid, recovered, epoch, head, missed, asked, at });
        for missed in &attached.missed {
            let (event, offset) = read(missed);
            self.send(number, ToClient::Event(event, offset));
        }
    }

    /// Has Redis know what is to be known of a session: that it lives, or that its client is away.
    pub(super) fn keep(&mut self, node: usize, pid: &Pid, is_new: bool, is_away: bool) {
        let it = &self.nodes[node];
        if let Some(session) = it.recovery.session(pid) {
            self.say(node, pid, session, (is_new, is_away));
        }
    }

    fn say(
        &mut self,
        node: usize,
        pid: &Pid,
        session: DetachedSession,
        (is_new, is_away): (bool, bool),
    ) {
        if self.nodes[node].void.contains(pid) {
            return;
        }
        let bounds = AwayBounds { namespace: "/".into(), of_namespace: 1000, of_user: 1000 };
        let kept = KeptSession {
            user: session.member.user.clone(),
            owner: owner(node, session.member.ids[0]),
            kept_for: KEPT,
            record: Bytes::from(self.clients.records.len().to_string()),
            is_new,
            away: is_away.then_some(bounds),
        };
        let epoch = Epoch::clone(self.nodes[node].epoch.as_ref().unwrap());
        self.clients.records.push(Record { node, epoch, is_away, session });
        self.nodes[node].machine.keep(name(pid), SessionOp::Keep(kept));
    }

    /// The live sessions of a node are written down again.
    pub(super) fn write_down(&mut self, node: usize) {
        let live: Vec<Pid> = self.nodes[node].recovery.live().map(|(pid, _)| pid.clone()).collect();
        for pid in live {
            self.keep(node, &pid, false, false);
        }
    }

    /// A node notices that the connection of a socket has ended.
    pub(super) fn close(&mut self, number: u64) {
        let Some(Joined { node, pid, socket, client }) = self.clients.sockets.remove(&number)
        else {
            return;
        };
        if let Some(session) = self.nodes[node].recovery.hand_over(&pid, socket.id()) {
            self.say(node, &pid, session, (false, true));
            self.nodes[node].void.remove(&pid);
        }
        let it = &mut self.clients.all[client];
        if it.away.from == (node, self.nodes[node].boot) {
            it.away.noticed.get_or_insert(self.now);
        }
        let user = it.user;
        self.tell_end(node, user, number);
        self.down(node, user);
        if self.random.chance(10) {
            self.count("graces that are ended");
            self.nodes[node].machine.end_grace(&user_id(user), Reason::Kicked);
        }
    }

    /// Nobody comes back to sessions that began before this epoch.
    pub(super) fn renew(&mut self, node: usize, epoch: &Epoch, read_to: u64) {
        let it = &mut self.nodes[node];
        if it.epoch.as_ref() == Some(epoch) {
            return;
        }
        it.epoch = Some(Epoch::clone(epoch));
        let live: Vec<(Pid, SocketId)> =
            it.recovery.live().map(|(pid, socket)| (pid.clone(), socket.id())).collect();
        for (pid, id) in live {
            it.machine.keep(name(&pid), SessionOp::End { owner: owner(node, id) });
            it.void.insert(pid);
        }
        it.recovery.rewind(life(epoch), read_to);
        it.read_to = read_to;
        self.go_on(node);
    }

    pub(super) fn mark(&mut self, node: usize, number: u64) {
        self.nodes[node].recovery.lacks_some_to(number);
        self.clients.of(node).for_each(|it| it.socket.follower.borrow_mut().mark(number));
    }

    pub(super) fn miss(&mut self, node: usize) {
        self.nodes[node].recovery.skip();
        self.clients.of(node).for_each(|it| it.socket.follower.borrow_mut().miss());
    }

    /// An event comes by the log.
    pub(super) fn hear(
        &mut self,
        node: usize,
        (number, own): (u64, Option<EventId>),
        is_repeat: bool,
        event: usize,
    ) {
        let it = &self.events[event];
        if it.is_plain {
            // One's own sockets have it, and what is repeated came before.
            let is_own = it.node == node && it.boot == self.nodes[node].boot;
            let sentence = it.sentence;
            self.judge(node, number, event);
            match sentence {
                _ if is_own || is_repeat => {}
                Some(sentence) => self.carry_out(node, sentence),
                None => self.hand_out_plain(node, event),
            }
            return;
        }
        let offset = self.log(node, number, event);
        let own = own.filter(|_| !self.is(Mutant::OwnBack));
        let epoch = Epoch::clone(self.nodes[node].epoch.as_ref().unwrap());
        for socket in self.audience(node, event) {
            let it = self.clients.sockets.get_mut(&socket).unwrap();
            let heard = if is_repeat && own.is_none() {
                it.socket.follower.borrow_mut().hear_again(number, own, &epoch)
            } else {
                it.socket.follower.borrow_mut().hear(number, own)
            };
            let Some(counts) = heard else { continue };
            it.socket.addressed.set(number);
            let offset = if counts { offset.clone() } else { Offset::NONE.to_string() };
            self.send(socket, ToClient::Event(event, offset));
        }
    }

    /// An event without a number, for the sockets that are here.
    pub(super) fn hand_out_plain(&mut self, node: usize, event: usize) {
        for socket in self.audience(node, event) {
            self.send(socket, ToClient::Plain(socket, event));
        }
    }

    /// An event of this node waited for its number for too long.
    pub(super) fn degrade(&mut self, node: usize, own: EventId) {
        let event = self.nodes[node].own[&own];
        if self.events[event].is_plain {
            return;
        }
        for socket in self.audience(node, event) {
            let it = self.clients.sockets.get_mut(&socket).unwrap();
            if it.socket.follower.borrow_mut().degrade(own) {
                self.send(socket, ToClient::Event(event, Offset::NONE.to_string()));
            }
        }
    }

    fn audience(&self, node: usize, event: usize) -> Vec<u64> {
        let audience = self.events[event].audience;
        let sockets = self.clients.sockets.iter().filter(|(_, it)| it.node == node);
        let hears = |it: &Joined| match audience {
            Audience::Room(number) => it.socket.member.borrow().rooms.contains(&room(number)),
            Audience::User(_) | Audience::All => self.clients.hears(it.client, audience),
        };
        sockets.filter(|(_, it)| hears(it)).map(|(socket, _)| *socket).collect()
    }

    fn send(&mut self, socket: u64, message: ToClient) {
        let it = &self.clients.sockets[&socket];
        let (client, node) = (it.client, it.node);
        self.tell(|| format!("  client {client} at n{node} socket {socket}: {message:?}"));
        if self.clients.all[client].at == Some((node, socket)) {
            self.clients.all[client].wire.push_back(message);
        }
    }

    /// A node stops: its clients go, and it says so.
    pub(super) fn leave(&mut self, node: usize) {
        for client in 0..self.clients.all.len() {
            if self.clients.all[client].at.is_some_and(|at| at.0 == node) {
                self.drop_client(client);
            }
        }
        let here: Vec<u64> = (self.clients.sockets.iter())
            .filter(|(_, it)| it.node == node)
            .map(|(socket, _)| *socket)
            .collect();
        for socket in here {
            self.close(socket);
        }
        let departure = UserDeparture {
            grace: Duration::from_millis(2 * GRACE_MS),
            reason: Reason::ServerShutdown,
            closed_at: WallMs(self.now / 1000),
        };
        self.nodes[node].machine.leave(departure);
        self.nodes[node].is_leaving = true;
        self.count("nodes that stop in order");
    }
}

pub(super) fn name(pid: &Pid) -> Arc<str> {
    format!("/ {}", pid.as_str()).into()
}

pub(super) fn owner(node: usize, id: SocketId) -> Arc<str> {
    format!("n{node}/{id}").into()
}

/// The same place in the log that has this head.
fn relived(offset: &str, head: &str) -> String {
    let (life, place) = (head.split_once('.').unwrap().0, offset.split_once('.').unwrap().1);
    format!("{life}.{place}")
}
