//! The store loses nothing that it has acknowledged, whenever its process is killed.
//!
//! A child (this test binary again) writes changes as fast as it can and prints what is committed; the parent kills it
//! with SIGKILL at a random point, opens the file, and looks for everything that was printed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use userline::config::{Coalesce, EndpointConfig, HooksConfig, StoreConfig};
use userline::core::delivery::{Decision, DeliveryId, Verdict};
use userline::store::{OpenError, Recovered, Settlement, Store};
use userline::types::{Change, ChangeKind, Reason, Secret, Seq, UserId, WallMs};

const RUNS: u64 = 100;
/// Tells the child where to write; without it the child's test does nothing.
const DIR: &str = "POWER_CUT_DIR";
const USERS: u64 = 50;

#[tokio::test]
async fn what_was_acknowledged_survives_a_hundred_kills() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = 0;
    let mut random = u64::from(std::process::id());

    for run in 0..RUNS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(run);
        acknowledged = acknowledged.max(kill_at_random(&dir, random >> 33));

        let (store, recovered) = open_again(&dir).await;
        check(&store, &recovered, acknowledged).await;
        store.close().await;
    }

    assert!(RUNS < acknowledged, "the child was always killed before it did anything");
}

/// Runs only as the child: writes until it is killed.
#[tokio::test]
async fn power_cut_child() {
    #[expect(clippy::disallowed_methods, reason = "how a parent test talks to its child")]
    let Ok(dir) = std::env::var(DIR) else { return };
    let (store, recovered) = Store::open(&config(dir.as_ref()), &hooks()).unwrap();
    let endpoint = store.endpoint("a").unwrap();
    let mut seq = recovered.last_seq.0;
    loop {
        for _ in 0..=seq % 40 {
            seq += 1;
            store.reserve().await.unwrap().record(change(seq));
        }
        if seq % 3 == 0 {
            store.flush().await.unwrap();
        }
        let heads = store.pending(endpoint, DeliveryId(0), 7).await.unwrap();
        let settle = |head: &userline::core::delivery::Head| Settlement {
            decision: Decision {
                id: head.id,
                user: head.user.clone(),
                attempts: 1,
                verdict: Verdict::Delivered,
            },
            at: WallMs(0),
            next_attempt: None,
            error: None,
        };
        store.settle(endpoint, heads.iter().map(settle).collect()).await.unwrap();
        acknowledge(store.head().await.unwrap());
    }
}

#[expect(clippy::print_stdout, reason = "how a child test talks to its parent")]
fn acknowledge(id: u64) {
    println!("committed {id}");
}

/// Lets a child write, kills it after some acknowledgements, and says what the last one was.
fn kill_at_random(dir: &TempDir, random: u64) -> u64 {
    let mut child = start_child(dir);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = lines
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("committed ").and_then(|(_, id)| id.parse().ok()));
    let mut last = 0;
    for (n, id) in acknowledged.enumerate() {
        last = id;
        if n == usize::try_from(random % 12).unwrap() {
            // A little later, so that the kill falls between two acknowledgements.
            let pause = Duration::from_micros(random % 3000);
            let _received = std::sync::mpsc::channel::<()>().1.recv_timeout(pause);
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(0 < last, "the child never started");
    last
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

async fn check(store: &Store, recovered: &Recovered, acknowledged: u64) {
    let head = store.head().await.unwrap();
    assert!(acknowledged <= head, "event {acknowledged} was acknowledged, the file ends at {head}");
    assert_eq!(recovered.last_seq.0, head, "every event has its sequence number in the file");
    let online: Vec<u64> = (1..=USERS).filter(|user| is_online(*user, head)).collect();
    let mut open: Vec<u64> =
        recovered.sessions.iter().map(|it| it.user.as_str().parse().unwrap()).collect();
    open.sort_unstable();
    assert_eq!(open, online, "presence and events changed together");
    let last = store.events(head - 1, 10).await.unwrap();
    assert_eq!(last.items[0].seq.0, head);
    let endpoint = store.endpoint("a").unwrap();
    let pending = store.pending(endpoint, DeliveryId(0), u32::MAX).await.unwrap();
    assert_eq!(u64::try_from(pending.len()).unwrap(), store.backlog(endpoint));
    let newest = store.delivery(DeliveryId(head)).await.unwrap().unwrap().0;
    assert_eq!(newest.seq.0, head, "an event and its delivery are written together");
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
    }
}

fn is_online(user: u64, last_seq: u64) -> bool {
    let seqs = (1..=last_seq).rev().take(usize::try_from(USERS).unwrap());
    let last = seqs.into_iter().find(|seq| seq % USERS + 1 == user);
    last.is_some_and(|seq| (seq / USERS).is_multiple_of(2))
}

fn config(dir: &std::path::Path) -> StoreConfig {
    StoreConfig { data_dir: dir.to_owned(), keep_events: Duration::from_hours(72) }
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
        coalesce: Coalesce::None,
        backlog_max: 1_000_000,
        batch_max: 1,
    }
}
