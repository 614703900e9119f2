//! Threads that log and threads that come and go: what is done under the lock is one step with what is logged.

use super::{Departure, Logged, Recoveries};
use crate::clock::Clock;
use crate::config::RecoveryConfig;
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Live, Member, Newcomer, Pid, SessionClaim};
use crate::core::rooms::RoomMoves;
use crate::types::{Except, Namespace, Seq, SocketId, Target, UserId};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const EVENTS: u64 = 20_000;

/// A socket that takes everything, and remembers it.
#[derive(Debug)]
struct TestSocket {
    id: SocketId,
    user: UserId,
    addressed: AtomicU64,
    frames: Mutex<Vec<Bytes>>,
}

impl Live for Arc<TestSocket> {
    fn id(&self) -> SocketId {
        self.id
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn member(&self) -> Member {
        let (user, moves) = (self.user.clone(), RoomMoves::default());
        Member { user, rooms: vec![], ids: vec![self.id], device: None, moves, anyway: [].into() }
    }

    fn addressed(&self) -> u64 {
        self.addressed.load(Ordering::Relaxed)
    }
}

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

fn recoveries() -> Recoveries<Arc<TestSocket>> {
    let config = RecoveryConfig {
        window: Duration::from_hours(1),
        events_max: 1_000_000,
        bytes_max: 1 << 30,
        sessions_max: 10,
        sessions_per_user: 10,
        except: Vec::new(),
    };
    Recoveries::new(&config, &[Namespace::root()], 1 << 30, Clock::start(Seq(0)))
}

fn socket(n: u64) -> Arc<TestSocket> {
    let mut id = [0; SocketId::BYTES];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Arc::new(TestSocket {
        id: SocketId::from_bytes(id),
        user: ann(),
        addressed: AtomicU64::new(0),
        frames: Mutex::default(),
    })
}

fn number(frame: &Bytes) -> (u64, String) {
    let (number, offset) = std::str::from_utf8(frame).unwrap().split_once('@').unwrap();
    (number.parse().unwrap(), offset.to_owned())
}

#[tokio::test]
async fn a_client_that_comes_and_goes_while_others_emit_gets_everything_once_and_in_order() {
    let recoveries = recoveries();
    let recovery = recoveries.of(&Namespace::root()).unwrap();
    let target = Target { users: vec![ann()], ..Target::default() };
    let audience =
        Arc::new(Audience { namespace: Namespace::root(), target, except: Except::default() });
    let here: Mutex<Option<Arc<TestSocket>>> = Mutex::default();
    let (has_begun, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let deliver = |found: Option<Arc<TestSocket>>, logged: Logged| {
        let Some(socket) = found else { return };
        socket.addressed.fetch_max(logged.number, Ordering::Relaxed);
        socket.frames.lock().push(logged.frame);
    };
    let emit = || {
        // Before its session begins a client is owed nothing.
        while !has_begun.load(Ordering::Acquire) {
            thread::yield_now();
        }
        for n in 1..=EVENTS {
            let find = || {
                let socket = here.lock().clone();
                let is_any = socket.is_some();
                (socket, is_any)
            };
            let encode = |at: &_| Bytes::from(format!("{n}@{at}"));
            recovery.append(&audience, encode, find, deliver);
        }
        is_over.store(true, Ordering::Release);
    };
    let come_and_go = || {
        let (mut received, mut offset, mut n) = (Vec::new(), None::<String>, 0);
        let pid = Pid::new("p");
        loop {
            // Seen before the last visit, so that nothing comes after it.
            let is_last = is_over.load(Ordering::Acquire);
            n += 1;
            let socket = socket(n);
            let newcomer = Newcomer { socket: Arc::clone(&socket), fresh: pid.clone() };
            let claim = (1 < n).then_some(SessionClaim { pid: &pid, offset: offset.as_deref() });
            let attached = recovery.attach(newcomer, claim, |attached| {
                socket.addressed.fetch_max(attached.last_missed, Ordering::Relaxed);
                socket.frames.lock().extend(attached.missed.iter().cloned());
                *here.lock() = Some(Arc::clone(&socket));
                true
            });
            has_begun.store(true, Ordering::Release);
            assert_eq!(
                attached.outcome.is_recovered(),
                1 < n,
                "{n} {offset:?} {:?}",
                attached.outcome
            );
            thread::yield_now();
            recovery.detach(&pid, socket.id, Departure::Away, || *here.lock() = None);
            for (number, at) in socket.frames.lock().iter().map(number) {
                received.push(number);
                offset = Some(at);
            }
            if is_last {
                return received;
            }
        }
    };

    let received = thread::scope(|scope| {
        scope.spawn(emit);
        scope.spawn(come_and_go).join().unwrap()
    });

    assert!(received.iter().copied().eq(1..=EVENTS), "{} events", received.len());
}

#[tokio::test]
async fn a_socket_that_is_gone_before_it_has_joined_is_away() {
    let recoveries = recoveries();
    let recovery = recoveries.of(&Namespace::root()).unwrap();
    let (pid, one) = (Pid::new("p"), socket(1));
    let newcomer = Newcomer { socket: Arc::clone(&one), fresh: pid.clone() };

    recovery.attach(newcomer, None, |_| false);

    assert_eq!(Arc::strong_count(&one), 1, "it is not kept");
    let two = Newcomer { socket: socket(2), fresh: Pid::new("q") };
    let claim = SessionClaim { pid: &pid, offset: None };
    assert!(recovery.attach(two, Some(claim), |_| true).outcome.is_recovered());
}

#[tokio::test]
async fn a_session_is_over_when_its_socket_leaves_for_good() {
    let recoveries = recoveries();
    let recovery = recoveries.of(&Namespace::root()).unwrap();
    let (pid, one) = (Pid::new("p"), socket(1));
    recovery.attach(Newcomer { socket: Arc::clone(&one), fresh: pid.clone() }, None, |_| true);

    recovery.detach(&pid, one.id, Departure::ForGood, || ());

    let two = Newcomer { socket: socket(2), fresh: Pid::new("q") };
    let claim = SessionClaim { pid: &pid, offset: None };
    assert!(!recovery.attach(two, Some(claim), |_| true).outcome.is_recovered());
}
