//! The store loses nothing that it has acknowledged, whenever its process is killed.
//!
//! A child (this test binary again) writes changes as fast as it can and prints what is committed; the parent kills it
//! with SIGKILL at a random point, opens the file, and looks for everything that was printed: every event, and every end
//! of a delivery. `POWER_CUT_SEED` chooses the points; a failure prints it.

use crate::rig::{Random, seed};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use userline::config::{Coalesce, EndpointConfig, HooksConfig, StoreConfig};
use userline::core::delivery::decision::{DeliveryDecision, DeliveryId, DeliveryVerdict};
use userline::core::delivery::outbox::Settlement;
use userline::core::delivery::record::DeliveryState;
use userline::store::{OpenError, Recovered, Store};
use userline::types::{Change, ChangeKind, Portrait, Reason, Secret, Seq, UserId, WallMs};

const RUNS: u64 = 100;
/// Tells the child where to write; without it the child's test does nothing.
const DIR: &str = "POWER_CUT_DIR";
const USERS: u64 = 50;
/// Deliveries that are ended together.
const TOGETHER: u32 = 7;

/// What the child has printed, in all its lives.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The last event.
    event: u64,
    /// Deliveries whose end was recorded.
    ended: BTreeSet<u64>,
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_hundred_kills() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut random = Random::new(seed("POWER_CUT_SEED"));

    let mut known = 0;
    for _ in 0..RUNS {
        let ended_before = acknowledged.ended.len();
        kill_at_random(&dir, random.next(), &mut acknowledged);

        let (store, recovered) = open_again(&dir).await;
        let head = check(&store, &recovered, &acknowledged).await;
        events_are_whole(&store, known, head).await;
        known = head;
        for id in acknowledged.ended.iter().skip(ended_before) {
            let delivery = store.outbox().delivery(DeliveryId(*id)).await.unwrap().unwrap().0;
            assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Delivered, 1), "{id}");
        }
        store.close().await;
    }

    // What one life has left, no later one has taken away.
    let (store, _) = open_again(&dir).await;
    events_are_whole(&store, 0, known).await;
    ends_are_whole(&store, &acknowledged).await;
    assert!(RUNS < acknowledged.event, "the child was always killed before it did anything");
    assert!(RUNS < u64::try_from(acknowledged.ended.len()).unwrap(), "it never ended a delivery");
}

/// Runs only as the child: writes until it is killed.
#[tokio::test]
async fn power_cut_child() {
    #[expect(clippy::disallowed_methods, reason = "how a parent test talks to its child")]
    let Ok(dir) = std::env::var(DIR) else { return };
    let (store, recovered) = Store::open(&config(dir.as_ref()), &hooks()).unwrap();
    let endpoint = store.outbox().endpoint("a").unwrap();
    let mut seq = recovered.last_seq.0;
    loop {
        for _ in 0..=seq % 40 {
            seq += 1;
            store.presence().reserve().await.unwrap().record(change(seq));
        }
        if seq % 3 == 0 {
            store.flush().await.unwrap();
        }
        let heads = store.outbox().pending(endpoint, DeliveryId(0), TOGETHER).await.unwrap();
        let settle = |head: &userline::core::delivery::decision::PendingHook| Settlement {
            decision: DeliveryDecision {
                id: head.id,
                user: head.user.clone(),
                attempts: 1,
                verdict: DeliveryVerdict::Delivered,
                has_more: true,
            },
            at: WallMs(0),
            next_attempt: None,
            error: None,
        };
        store.outbox().settle(endpoint, heads.iter().map(settle).collect()).await.unwrap();
        for head in heads {
            acknowledge("ended", head.id.0);
        }
        acknowledge("committed", store.events().head().await.unwrap());
    }
}

#[expect(clippy::print_stdout, reason = "how a child test talks to its parent")]
fn acknowledge(what: &str, id: u64) {
    println!("{what} {id}");
}

/// Lets a child write, kills it after some acknowledgements, and notes them.
fn kill_at_random(dir: &TempDir, random: u64, acknowledged: &mut Acknowledged) {
    let mut child = start_child(dir);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: &str, what| {
        line.rsplit_once(what).and_then(|(_, id): (&str, &str)| id.parse::<u64>().ok())
    };
    let mut times = 0;
    for line in lines.map_while(Result::ok) {
        acknowledged.ended.extend(number(&line, "ended "));
        let Some(id) = number(&line, "committed ") else { continue };
        assert!(acknowledged.event <= id, "the log ended at {}", acknowledged.event);
        acknowledged.event = id;
        times += 1;
        if times == random % 12 + 1 {
            // A little later, so that the kill falls between two acknowledgements.
            let pause = Duration::from_micros(random % 3000);
            let _received = std::sync::mpsc::channel::<()>().1.recv_timeout(pause);
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(0 < times, "the child never started");
}

fn start_child(dir: &TempDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::power_cut_child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The lock of a killed process goes with it, but the system may take a moment.
async fn open_again(dir: &TempDir) -> (Store, Recovered) {
    for _ in 0..200 {
        match Store::open(&config(dir.path()), &hooks()) {
            Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.expect("the file always opens"),
        }
    }
    panic!("the lock of a killed process stays");
}

/// Checks what every life must find; returns the last event.
async fn check(store: &Store, recovered: &Recovered, acknowledged: &Acknowledged) -> u64 {
    let head = store.events().head().await.unwrap();
    let event = acknowledged.event;
    assert!(event <= head, "event {event} was acknowledged, the file ends at {head}");
    assert_eq!(recovered.last_seq.0, head, "every event has its sequence number in the file");
    let online: Vec<u64> = (1..=USERS).filter(|user| is_online(*user, head)).collect();
    let mut open: Vec<u64> =
        recovered.sessions.iter().map(|it| it.user.as_str().parse().unwrap()).collect();
    open.sort_unstable();
    assert_eq!(open, online, "presence and events changed together");
    // Deliveries are ended in their order, so the rest of them waits: none is missing, none is ended unasked.
    let endpoint = store.outbox().endpoint("a").unwrap();
    let pending = store.outbox().pending(endpoint, DeliveryId(0), u32::MAX).await.unwrap();
    let pending: Vec<u64> = pending.iter().map(|it| it.id.0).collect();
    let ended = pending.first().map_or(head, |first| first - 1);
    let rest: Vec<u64> = (ended + 1..=head).collect();
    assert_eq!(pending, rest, "events and deliveries are one to one");
    let told = acknowledged.ended.last().copied().unwrap_or(0);
    let untold = u64::from(TOGETHER);
    assert!(told <= ended && ended <= told + untold, "{told} were ended, and {ended} are");
    assert_eq!(store.outbox().backlog(endpoint).await, head - ended);
    head
}

/// Every event after `after` up to `head` is there, as it was written.
async fn events_are_whole(store: &Store, after: u64, head: u64) {
    let mut last = after;
    while last < head {
        let page = store.events().page(last, 1000).await.unwrap();
        assert!(!page.items.is_empty() && !page.gap, "nothing after {last} of {head}");
        for event in page.items {
            last += 1;
            let expected = change(last);
            let hook_type =
                if expected.kind == ChangeKind::Online { "user.online" } else { "user.offline" };
            assert_eq!((event.id, event.seq), (last, expected.seq));
            assert_eq!((event.user, event.hook_type.as_str()), (expected.user, hook_type));
        }
    }
    assert_eq!(last, head, "the log ends with its head");
}

/// Every end of a delivery that was acknowledged is there, and at most one more round of them.
async fn ends_are_whole(store: &Store, acknowledged: &Acknowledged) {
    let mut delivered = BTreeSet::new();
    let mut after = None;
    loop {
        let page =
            store.outbox().deliveries(None, DeliveryState::Delivered, after, 1000).await.unwrap();
        delivered.extend(page.items.iter().map(|it| it.id.0));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert!(acknowledged.ended.is_subset(&delivered), "ends of deliveries are lost");
}

/// Change number `seq`: each user in turn, online and offline by turns.
fn change(seq: u64) -> Change {
    let (user, round) = (seq % USERS + 1, seq / USERS);
    let kind = if round % 2 == 0 {
        ChangeKind::Online
    } else {
        ChangeKind::Offline {
            reason: Reason::TransportClose,
            online_since: WallMs(seq),
            last_socket_closed_at: WallMs(seq),
        }
    };
    Change {
        user: UserId::parse(&user.to_string()).unwrap(),
        seq: Seq(seq),
        session: Seq(seq),
        at: WallMs(seq),
        kind,
        portrait: Portrait::default(),
    }
}

fn is_online(user: u64, last_seq: u64) -> bool {
    let seqs = (1..=last_seq).rev().take(usize::try_from(USERS).unwrap());
    let last = seqs.into_iter().find(|seq| seq % USERS + 1 == user);
    last.is_some_and(|seq| (seq / USERS).is_multiple_of(2))
}

fn config(dir: &std::path::Path) -> StoreConfig {
    let keep = Duration::from_hours(72);
    StoreConfig { data_dir: dir.to_owned(), keep_events: keep, keep_items: keep }
}

fn hooks() -> HooksConfig {
    HooksConfig {
        endpoints: vec![EndpointConfig {
            name: "a".to_owned(),
            url: "http://127.0.0.1:9/".to_owned(),
            secrets: vec![Secret::new(vec![1; 32])],
            events: vec!["user.online".to_owned(), "user.offline".to_owned()],
        }],
        timeout: Duration::from_secs(15),
        retry_for: Duration::from_hours(72),
        concurrency: 8,
        reject_after: 5,
        allow_private: true,
        ca: Vec::new(),
        coalesce: Coalesce::None,
        backlog_max: 1_000_000,
        identity: false,
        sockets: false,
        batch_max: 1,
    }
}
