//! The inbox keeps what it has answered, whenever its process is killed: numbers without gaps, counts that agree.
//!
//! A child (this test binary again) stores, marks and deletes as fast as it can and prints what was answered; the
//! parent kills it with SIGKILL at a random point, opens the file, and compares.

use crate::rig::{Random, seed};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use userline::config::{Coalesce, HooksConfig, StoreConfig};
use userline::core::inbox::{Item, Naming, NewItem, PageQuery, Paging, Putting, SeenItems, Which};
use userline::store::{Inboxes, OpenError, Store};
use userline::types::{EventName, ItemId, ItemSeq, Namespace, Payload, UserId, WallMs};

const RUNS: u64 = 30;
/// Tells the child where to write; without it the child's test does nothing.
const DIR: &str = "INBOX_CUT_DIR";
/// Items of one user.
const MAX: u64 = 20;
const FOREVER: WallMs = WallMs(1 << 50);

#[tokio::test]
async fn an_inbox_keeps_what_it_answered_through_thirty_kills() {
    let dir = TempDir::new().unwrap();
    let mut answered = 0;
    let mut random = Random::new(seed("INBOX_CUT_SEED"));

    for _ in 0..RUNS {
        answered = answered.max(kill_at_random(&dir, random.next()));

        let store = open_again(dir.path()).await;
        check(&store.inboxes(), answered).await;
        store.close().await;
    }

    assert!(RUNS < answered, "the child was always killed before it did anything");
}

/// Runs only as the child: writes until it is killed. Item n has the name n.
#[tokio::test]
async fn inbox_cut_child() {
    #[expect(clippy::disallowed_methods, reason = "how a parent test talks to its child")]
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = open_again(dir.as_ref()).await;
    let inboxes = store.inboxes();
    let (mut seq, _) = read(&inboxes).await;
    loop {
        seq += 1;
        let put = inboxes.put(item(seq), &[(ann(), Putting::Store)]).await.unwrap();
        assert_eq!(put[0].unwrap().seq, ItemSeq(seq));
        answer(seq);
        match seq % 7 {
            2 => drop(
                inboxes.mark(&ann(), SeenItems::Upto(ItemSeq(seq - 5)), WallMs(1)).await.unwrap(),
            ),
            4 => drop(inboxes.mark(&ann(), names(seq - 1), WallMs(1)).await.unwrap()),
            6 => drop(inboxes.delete(&ann(), ItemSeq(seq - 2), WallMs(1)).await.unwrap()),
            _ => {}
        }
    }
}

#[expect(clippy::print_stdout, reason = "how a child test talks to its parent")]
fn answer(seq: u64) {
    println!("answered {seq}");
}

async fn check(inboxes: &Inboxes, answered: u64) {
    let (head, items) = read(inboxes).await;
    assert!(answered <= head, "item {answered} was answered, the file ends at {head}");
    let query = PageQuery { paging: Paging::Newest, which: Which::All, limit: 1, bytes_max: 1 };
    let state = inboxes.page(&ann(), query, WallMs(1)).await.unwrap().state;
    let unread: Vec<u64> = items.iter().filter(|it| !it.is_read).map(|it| it.seq.0).collect();
    assert_eq!(state.unread, u64::try_from(unread.len()).unwrap(), "the count is the count");
    assert_eq!(state.read_upto.0, unread.first().map_or(head, |seq| seq - 1));
    let names_fit = items.iter().all(|it| it.id == it.seq.0.to_string());
    assert!(names_fit, "every item has the number it was answered with: {items:?}");
    // Whatever the child answered with is a duplicate now, whether or not it is still there.
    for seq in head.saturating_sub(MAX - 1).max(1)..=head {
        let put = inboxes.put(item(seq), &[(ann(), Putting::Check)]).await.unwrap();
        assert!(put[0].is_some_and(|it| it.is_duplicate && it.seq.0 == seq), "{seq}: {put:?}");
    }
}

/// The newest number and all items, oldest first.
async fn read(inboxes: &Inboxes) -> (u64, Vec<Item>) {
    let paging = Paging::After(ItemSeq(0));
    let query = PageQuery { paging, which: Which::All, limit: 1000, bytes_max: usize::MAX };
    let page = inboxes.page(&ann(), query, WallMs(1)).await.unwrap();
    (page.state.head.0, page.items)
}

fn item(seq: u64) -> NewItem {
    NewItem {
        id: ItemId::parse(&seq.to_string()).unwrap(),
        naming: Naming::Given,
        message: format!("msg_{seq}"),
        namespace: Namespace::root(),
        event: EventName::parse("hello").unwrap(),
        payload: Payload::default(),
        collapse_key: None,
        at: WallMs(1),
        time: WallMs(1),
        expires: FOREVER,
        remembered_until: FOREVER,
        count_max: MAX,
    }
}

fn names(seq: u64) -> SeenItems {
    SeenItems::Ids(BTreeSet::from([ItemId::parse(&seq.to_string()).unwrap()]))
}

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

/// Lets a child write, kills it after some answers, and says what the last one was.
fn kill_at_random(dir: &TempDir, random: u64) -> u64 {
    let mut child = start_child(dir);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = lines
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("answered ").and_then(|(_, seq)| seq.parse().ok()));
    let mut last = 0;
    for (n, seq) in answered.enumerate() {
        last = seq;
        if n == usize::try_from(random % 40).unwrap() {
            // A little later, so that the kill falls between two answers.
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
        .args(["--exact", "inbox_cut::inbox_cut_child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The lock of a killed process goes with it, but the system may take a moment.
async fn open_again(dir: &Path) -> Store {
    let keep = Duration::from_hours(1);
    let config = StoreConfig { data_dir: dir.to_owned(), keep_events: keep, keep_items: keep };
    for _ in 0..200 {
        match Store::open(&config, &no_hooks()) {
            Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.expect("the file always opens").0,
        }
    }
    panic!("the lock of a killed process stays");
}

fn no_hooks() -> HooksConfig {
    HooksConfig {
        endpoints: Vec::new(),
        timeout: Duration::from_secs(15),
        retry_for: Duration::from_hours(1),
        concurrency: 1,
        reject_after: 1,
        allow_private: false,
        ca: Vec::new(),
        coalesce: Coalesce::None,
        backlog_max: 1000,
        identity: false,
        sockets: false,
        batch_max: 1,
    }
}
