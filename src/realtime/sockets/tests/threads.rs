//! Many threads at the same few users: whatever comes first, what is recorded makes sense.

use super::fixture::{Fixture, user_id};
use crate::config::PresenceConfig;
use crate::core::delivery::record::RecordedEvent;
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::realtime::sockets::NodeCounts;
use crate::registry::Socket;
use crate::types::{Reason, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Handle;

const THREADS: u64 = 8;
const STEPS: usize = 1500;
/// Races of two threads.
const ROUNDS: u32 = 3000;
const USERS: [&str; 4] = ["ann", "bob", "eve", "joe"];

/// Small numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }
}

/// One thread's part: sockets come and go, graces end, deadlines pass.
fn work(it: &Fixture, mut dice: Dice, runtime: &Handle) {
    let permit = || runtime.block_on(it.sockets.presence.reserve()).unwrap();
    // One socket at most, so that users are often without any.
    let mut here: Vec<Arc<Socket>> = Vec::new();
    for _ in 0..STEPS {
        let user = USERS[dice.below(USERS.len())];
        match dice.below(8) {
            0..3 if here.is_empty() => {
                let socket = it.socket(user, &["org:7"]);
                assert!(it.sockets.connect(&socket, permit()).is_some());
                here.push(socket);
            }
            3..6 if !here.is_empty() => {
                let socket = here.swap_remove(0);
                let reason = [Reason::Kicked, Reason::TransportClose][dice.below(2)];
                if reason == Reason::Kicked {
                    socket.kick(Grace::Skip);
                }
                assert!(it.sockets.disconnect(&socket, reason));
                assert!(!it.sockets.disconnect(&socket, reason));
            }
            6 => drop(it.sockets.presence.end_grace(&user_id(user), Reason::Kicked)),
            _ => it.sockets.presence.expire(user_id(user), permit()),
        }
    }
    for socket in here {
        it.sockets.disconnect(&socket, Reason::TransportClose);
    }
}

/// Each user's changes alternate and grow in the order of the log, and belong to the session that is open.
fn check(events: &[RecordedEvent]) {
    let mut last: BTreeMap<&str, (Seq, Option<Seq>)> = BTreeMap::new();
    for event in events {
        let (seq, open) = last.get(event.user.as_str()).copied().unwrap_or((Seq(0), None));
        assert!(seq < event.seq, "not in order: {event:?} after {seq:?}");
        let is_online = event.hook_type == "user.online";
        match open {
            None => assert!(is_online && event.session == event.seq, "{event:?}"),
            Some(session) => assert!(!is_online && event.session == session, "{event:?}"),
        }
        last.insert(event.user.as_str(), (event.seq, is_online.then_some(event.seq)));
    }
    for (user, (_, open)) in last {
        assert_eq!(open, None, "{user} is online for ever");
    }
}

/// Waits without sleeping, so that both go on at the same time.
fn spin_until(counter: &AtomicU32, round: u32) {
    let mut spins = 0;
    while counter.load(Ordering::Acquire) < round {
        spins += 1;
        if spins % 1000 == 0 {
            std::thread::yield_now();
        }
    }
}

/// No grace for those who are kicked, and not much for others.
fn short() -> PresenceConfig {
    PresenceConfig {
        // So short that it often ends while somebody connects.
        grace: Duration::from_millis(1),
        startup_grace: Duration::ZERO,
        sweep_interval: Duration::from_secs(10),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_threads_do_changes_alternate_and_nothing_remains() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::with(&folder, short()).await;
    let runtime = Handle::current();

    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for seed in 1..=THREADS {
                let (it, runtime) = (&it, &runtime);
                let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                scope.spawn(move || work(it, dice, runtime));
            }
        });
    });
    super::fixture::until("nothing remains", || it.sockets.counts() == NodeCounts::default()).await;

    let events = it.events().await;
    assert!(500 < events.len(), "too little happened to prove anything: {}", events.len());
    check(&events);
    for user in USERS {
        assert_eq!(it.sockets.user(&user_id(user)).0, PresenceStatus::Offline);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_returns_in_the_very_moment_the_grace_ends_has_changes_in_order() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::with(&folder, short()).await;
    let (runtime, began, ended) = (Handle::current(), AtomicU32::new(0), AtomicU32::new(0));
    let permit = || runtime.block_on(it.sockets.presence.reserve()).unwrap();

    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let expire = |round| {
                let permits = [permit(), permit(), permit()];
                spin_until(&began, round);
                let expire = |permit| it.sockets.presence.expire(user_id("ann"), permit);
                permits.into_iter().for_each(expire);
                ended.store(round, Ordering::Release);
            };
            scope.spawn(move || (1..=ROUNDS).for_each(expire));
            let mut socket = it.connect("ann");
            for round in 1..=ROUNDS {
                let (next, permit) = (it.socket("ann", &[]), permit());
                // Without a grace, so that the end of it is due at once.
                socket.kick(Grace::Skip);
                began.store(round, Ordering::Release);
                it.sockets.disconnect(&socket, Reason::Kicked);
                it.sockets.connect(&next, permit);
                spin_until(&ended, round);
                socket = next;
            }
            it.sockets.disconnect(&socket, Reason::Kicked);
        });
    });
    super::fixture::until("nothing remains", || it.sockets.counts() == NodeCounts::default()).await;

    check(&it.events().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_comes_and_goes_in_the_same_moment_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::with(&folder, short()).await;
    let sockets: Vec<_> = (0..ROUNDS).map(|_| it.socket("ann", &["org:7", "org:8"])).collect();
    let (runtime, began) = (Handle::current(), AtomicU32::new(0));

    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let leave = |(round, socket): (u32, &Arc<Socket>)| {
                spin_until(&began, round);
                it.sockets.disconnect(socket, Reason::TransportClose);
            };
            let sockets = &sockets;
            scope.spawn(move || (1..).zip(sockets).for_each(leave));
            for (round, socket) in (1..).zip(sockets) {
                let permit = runtime.block_on(it.sockets.presence.reserve()).unwrap();
                began.store(round, Ordering::Release);
                it.sockets.connect(socket, permit);
            }
        });
    });

    super::fixture::until("nothing remains", || it.sockets.counts() == NodeCounts::default()).await;
    check(&it.events().await);
}
