//! The store on real files: what is kept, what is refused, what happens when the disk fails.

mod aging;
mod commits;
mod erase;
mod fixture;
mod folder;
mod fresh;
mod hooks;
mod inbox;
mod memberships;
mod message_status;
mod pruning;
mod refused;
mod restrictions;
mod resume;
mod sockets;
mod undelivered;

use super::{Attaching, Closed, OpenError, OpenSession, Recovered, Store};
use crate::config::{Coalesce, EndpointConfig, HooksConfig, StoreConfig};
use crate::types::{Change, ChangeKind, Portrait, Reason, Secret, Seq, Timestamp, UserId, WallMs};
use futures_util::FutureExt as _;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::coop::unconstrained;

const NOW: u64 = 1_785_577_260_000;
const KEEP: Duration = Duration::from_hours(72);

#[tokio::test]
async fn who_is_online_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, first) = open(&dir, &hooks(&[]));
    assert_eq!(first, Recovered { sessions: vec![], last_seq: Seq(0), alive_at: None });

    record(&store, online("bob", 1)).await;
    record(&store, online("ann", 2)).await;
    record(&store, offline("bob", 3, 1)).await;
    store.presence().alive(WallMs(NOW + 5), Timestamp(0));
    store.close().await;

    let (_, second) = open(&dir, &hooks(&[]));
    let (session, since, portrait) = (Seq(2), WallMs(NOW + 2), Portrait::default());
    let ann = OpenSession { user: user("ann"), session, since, portrait };
    let alive_at = Some(WallMs(NOW + 5));
    assert_eq!(second, Recovered { sessions: vec![ann], last_seq: Seq(3), alive_at });
}

#[tokio::test]
async fn who_is_online_is_found_with_what_hooks_say_and_what_was_attached_since() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let granted = || Portrait { granted: Some(r#""rooms":["a"],"data":1"#.into()), attached: None };
    let attach = async |session: u64, attached: &str| {
        let place = store.presence().reserve().await.unwrap();
        let (session, attached) = (Seq(session), attached.into());
        place.attach(Attaching { user: user("ann"), session, attached }).await.unwrap();
    };

    record(&store, Change { portrait: granted(), ..online("ann", 1) }).await;
    attach(1, r#"{"of":"the first session"}"#).await;
    record(&store, offline("ann", 2, 1)).await;
    record(&store, Change { portrait: granted(), ..online("ann", 3) }).await;
    attach(1, r#"{"too":"late"}"#).await;
    attach(3, r#"{"plan":"pro"}"#).await;
    record(&store, online("bob", 4)).await;
    store.close().await;

    let (_, recovered) = open(&dir, &hooks(&[]));
    let portraits: Vec<Portrait> = recovered.sessions.into_iter().map(|it| it.portrait).collect();
    let attached = Some(r#"{"plan":"pro"}"#.into());
    assert_eq!(portraits, [Portrait { attached, ..granted() }, Portrait::default()]);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_by_name_and_free_again_after_close() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));

    let refused = Store::open(&config(&dir, KEEP), &hooks(&[])).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains(&dir.path().display().to_string()));
    assert!(refused.to_string().contains("another process"));

    store.close().await;
    open(&dir, &hooks(&[]));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    open(&dir, &hooks(&[])).0.close().await;
    database(&dir).pragma_update(None, "user_version", 99).unwrap();

    let refused = Store::open(&config(&dir, KEEP), &hooks(&[])).unwrap_err();

    assert!(matches!(refused, OpenError::Newer { found: 99, known: 10 }));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_not_a_fresh_start() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("userline.sqlite"), vec![b'x'; 8192]).unwrap();

    let refused = Store::open(&config(&dir, KEEP), &hooks(&[])).unwrap_err();

    assert!(matches!(refused, OpenError::Database(_)));
}

#[tokio::test]
async fn the_same_change_recorded_twice_is_one_event() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a"]));

    record(&store, online("ann", 1)).await;
    record(&store, online("ann", 1)).await;
    store.flush().await.unwrap();

    assert_eq!(store.events().page(0, 10).await.unwrap().items.len(), 1);
    assert_eq!(store.outbox().backlog(store.outbox().endpoint("a").unwrap()).await, 1);
    assert_eq!(*store.outbox().news().borrow(), 1);
}

#[tokio::test]
async fn changes_that_come_one_soon_after_the_other_are_committed_together() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a"]));

    for n in 1..=200 {
        record(&store, online(&format!("u{n}"), n)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.flush().await.unwrap();

    assert_eq!(store.events().head().await.unwrap(), 200);
    let commits = store.state.commits.load(Ordering::Relaxed);
    assert!(commits <= 100, "{commits} commits of 200 changes");
}

#[tokio::test]
async fn events_are_pulled_page_by_page_in_the_order_of_commit() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    assert_eq!(store.events().head().await.unwrap(), 0);
    for n in 1..=5 {
        record(&store, online(&format!("u{n}"), n)).await;
    }
    store.flush().await.unwrap();

    let first = store.events().page(0, 3).await.unwrap();
    let second = store.events().page(first.next, 3).await.unwrap();
    let third = store.events().page(second.next, 3).await.unwrap();

    let users: Vec<_> = first.items.iter().chain(&second.items).map(|it| it.user.clone()).collect();
    assert_eq!(users, ["u1", "u2", "u3", "u4", "u5"].map(user));
    assert!(third.items.is_empty() && !third.gap);
    assert_eq!(third.next, store.events().head().await.unwrap());
    assert_eq!(first.items[0].hook_type, "user.online");
    assert!(first.items[0].body.contains(r#""user":"u1""#));
}

#[tokio::test]
async fn last_seen_is_when_the_last_socket_closed() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    record(&store, online("ann", 1)).await;
    store.flush().await.unwrap();
    assert_eq!(store.presence().last_seen(&user("ann")).await.unwrap(), None);

    record(&store, offline("ann", 2, 1)).await;
    record(&store, online("ann", 3)).await;
    store.flush().await.unwrap();

    assert_eq!(store.presence().last_seen(&user("ann")).await.unwrap(), Some(WallMs(NOW - 1000)));
}

#[tokio::test]
async fn who_pulls_from_behind_the_end_of_the_log_is_told_that_it_is_another_log() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    assert!(!store.events().page(0, 10).await.unwrap().gap, "an empty log has no gap");
    for n in 1..=3 {
        record(&store, online(&format!("u{n}"), n)).await;
    }
    store.flush().await.unwrap();

    let at_the_end = store.events().page(3, 10).await.unwrap();
    let behind = store.events().page(4, 10).await.unwrap();

    assert_eq!((at_the_end.gap, at_the_end.next), (false, 3));
    assert_eq!((behind.gap, behind.next), (true, 3));
    assert!(behind.items.is_empty());
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_only() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("new/data");
    let config = StoreConfig { data_dir: data_dir.clone(), keep_events: KEEP, keep_items: KEEP };
    let (store, _) = Store::open(&config, &hooks(&[])).unwrap();
    record(&store, online("ann", 1)).await;
    store.flush().await.unwrap();

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("new")), 0o700);
    assert_eq!(mode(&data_dir), 0o700);
    let files: Vec<_> =
        std::fs::read_dir(&data_dir).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(files.iter().any(|it| it.ends_with("userline.sqlite-wal")), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn while_the_disk_fails_changes_wait_and_then_all_are_kept_in_order() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let other = database(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut count = 0;
    until(async || {
        while let Some(permit) = unconstrained(store.presence().reserve()).now_or_never() {
            count += 1;
            permit.unwrap().record(online(&format!("u{count}"), count));
        }
        !store.healthy()
    })
    .await;
    assert!((10_000..=10_512).contains(&count), "the queue is bounded: took {count}");
    assert_eq!(store.events().head().await.unwrap(), 0, "nothing is seen that is not kept");

    other.execute_batch("ROLLBACK").unwrap();
    store.flush().await.unwrap();

    assert!(store.healthy());
    assert_eq!(store.events().head().await.unwrap(), count);
    let page = store.events().page(0, 1000).await.unwrap();
    assert!(page.items.iter().all(|event| event.id == event.seq.0));
}

#[tokio::test]
async fn closing_while_the_disk_fails_ends_all_the_same() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let other = database(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    record(&store, online("ann", 1)).await;

    store.close().await;

    assert!(!store.healthy());
}

#[tokio::test]
async fn a_closed_store_refuses_everything_and_closes_twice() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    record(&store, online("ann", 1)).await;

    tokio::join!(store.close(), store.close());
    store.close().await;

    assert_eq!(store.presence().reserve().await.err(), Some(Closed));
    assert_eq!(store.flush().await, Err(Closed));
    store.presence().alive(WallMs(NOW), Timestamp(0));
    assert!(store.events().page(0, 1).await.is_err());
    let (_, again) = open(&dir, &hooks(&[]));
    assert_eq!(again.sessions.len(), 1, "what was queued before is kept");
}

#[tokio::test]
async fn a_permit_that_is_taken_before_close_still_records() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let permit = store.presence().reserve().await.unwrap();

    let closing = store.clone();
    let ((), ()) = tokio::join!(closing.close(), async {
        until(async || store.presence().reserve().now_or_never().is_some_and(|it| it.is_err()))
            .await;
        permit.record(online("ann", 1));
    });

    assert_eq!(open(&dir, &hooks(&[])).1.sessions.len(), 1);
}

fn open(dir: &TempDir, hooks: &HooksConfig) -> (Store, Recovered) {
    Store::open(&config(dir, KEEP), hooks).unwrap()
}

fn config(dir: &TempDir, keep_events: Duration) -> StoreConfig {
    StoreConfig { data_dir: dir.path().to_owned(), keep_events, keep_items: KEEP }
}

fn database(dir: &TempDir) -> Connection {
    Connection::open(Path::join(dir.path(), "userline.sqlite")).unwrap()
}

fn hooks(endpoints: &[&str]) -> HooksConfig {
    let endpoint = |name: &&str| EndpointConfig {
        name: (*name).to_owned(),
        url: "http://127.0.0.1:9/".to_owned(),
        secrets: vec![Secret::new(vec![1; 32])],
        events: vec!["user.online".to_owned(), "user.offline".to_owned()],
    };
    HooksConfig {
        endpoints: endpoints.iter().map(endpoint).collect(),
        timeout: Duration::from_secs(15),
        retry_for: KEEP,
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

async fn record(store: &Store, change: Change) {
    store.presence().reserve().await.unwrap().record(change);
}

fn online(name: &str, seq: u64) -> Change {
    let seq = Seq(seq);
    Change {
        user: user(name),
        seq,
        session: seq,
        at: WallMs(NOW + seq.0),
        kind: ChangeKind::Online,
        portrait: Portrait::default(),
    }
}

fn offline(name: &str, seq: u64, session: u64) -> Change {
    let kind = ChangeKind::Offline {
        reason: Reason::TransportClose,
        online_since: WallMs(NOW + session),
        last_socket_closed_at: WallMs(NOW - 1000),
    };
    Change { session: Seq(session), kind, ..online(name, seq) }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it happens in time");
}
