//! Erasing a user: the tables themselves say what may name one.

mod filled;

use super::hooks::delivered;
use super::inbox::plain;
use super::{NOW, database, hooks, online, open, record, user};
use crate::core::delivery::decision::DeliveryId;
use crate::core::inbox::{NewItem, PageQuery, Paging, Which};
use crate::types::{ItemSeq, WallMs};
use filled::{filled, given, put};
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

/// Every column, and whether it names users. **A new column fails the first test until it is here**, and one that names
/// users fails the second until `erase` deletes it.
const COLUMNS: &[(&str, &[(&str, Holds)])] = &[
    ("meta", &[("key", Nobody), ("value", Nobody)]),
    (
        "presence",
        &[
            ("user", User),
            ("session", Nobody),
            ("since_ms", Nobody),
            ("granted", User),
            ("attached", User),
        ],
    ),
    (
        "open_sockets",
        &[
            ("user", User),
            ("socket", Nobody),
            ("session", Nobody),
            ("event", Nobody),
            ("connected_ms", Nobody),
            ("facts", User),
        ],
    ),
    (
        "events",
        &[
            ("id", Nobody),
            ("user", User),
            ("seq", Nobody),
            ("session", Nobody),
            ("type", Nobody),
            ("body", User),
            ("created_ms", Nobody),
            ("closed_ms", Nobody),
        ],
    ),
    ("endpoints", &[("id", Nobody), ("name", Nobody)]),
    (
        "deliveries",
        &[
            ("id", Nobody),
            ("endpoint", Nobody),
            ("event", Nobody),
            ("user", User),
            ("state", Nobody),
            ("since_ms", Nobody),
            ("attempts", Nobody),
            ("coalesced", Nobody),
            ("next_ms", Nobody),
            ("ended_ms", Nobody),
            ("error", Nobody),
        ],
    ),
    (
        "inbox_head",
        &[
            ("user", User),
            ("revision", Nobody),
            ("head", Nobody),
            ("unread", Nobody),
            ("read_upto", Nobody),
            ("min_seq", Nobody),
            ("count", Nobody),
            ("first_expiry_ms", Nobody),
        ],
    ),
    (
        "inbox",
        &[
            ("user", User),
            ("seq", Nobody),
            ("id", Nobody),
            ("namespace", Nobody),
            ("event", Nobody),
            ("args", Nobody),
            ("created_ms", Nobody),
            ("expires_ms", Nobody),
            ("is_read", Nobody),
            ("collapse_key", Nobody),
        ],
    ),
    (
        "inbox_ids",
        &[
            ("user", User),
            ("id", Nobody),
            ("seq", Nobody),
            ("expires_ms", Nobody),
            ("message", Nobody),
            ("gone", Nobody),
            ("was_read", Nobody),
        ],
    ),
    ("inbox_erased", &[("user_hash", Nobody), ("revision", Nobody), ("head", Nobody)]),
    (
        "restrictions",
        &[
            ("user", User),
            ("not_before_ms", Nobody),
            ("since_ms", Nobody),
            ("blocked_by", Nobody),
            ("reason", Nobody),
            ("until_ms", Nobody),
        ],
    ),
    (
        "memberships",
        &[
            ("user", User),
            ("room", Nobody),
            ("namespace", Nobody),
            ("denied", Nobody),
            ("until_ms", Nobody),
        ],
    ),
    (
        "resume_families",
        &[
            ("family", Nobody),
            ("user", User),
            ("generation", Nobody),
            ("exchanged_ms", Nobody),
            ("expires_ms", Nobody),
            ("is_revoked", Nobody),
        ],
    ),
    ("resume_log_outs", &[("user", User), ("at_ms", Nobody)]),
    ("resume_erased", &[("name_hash", Nobody), ("is_guest", Nobody), ("at_ms", Nobody)]),
    ("secrets", &[("name", Nobody), ("value", Nobody)]),
];

/// Whether a column holds the names of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    User,
    Nobody,
}
use Holds::{Nobody, User};

/// Names that are in nothing else.
const ANN: &str = "ann-8c1f";
const BOB: &str = "bob-77aa";

#[tokio::test]
async fn every_column_of_the_file_is_known_for_whether_it_names_users() {
    let dir = TempDir::new().unwrap();
    open(&dir, &hooks(&[])).0.close().await;

    let found = columns(&database(&dir));

    let listed = COLUMNS.iter().flat_map(|(table, columns)| {
        columns.iter().map(|(column, _)| ((*table).to_owned(), (*column).to_owned()))
    });
    assert_eq!(found, listed.collect(), "tell in `COLUMNS` whether it names users");
}

#[tokio::test]
async fn what_names_a_user_is_deleted_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;
    let db = database(&dir);
    for (column, holds) in all_columns() {
        let rows = [ANN, BOB].map(|name| rows_naming(&db, &column, name));
        let is_as_listed = rows.iter().all(|rows| (0 < *rows) == (holds == User));
        assert!(is_as_listed, "{column:?} names users: {rows:?} rows, listed as {holds:?}");
    }
    let before = rows_of(&db, BOB);

    // At endpoint `a`: the second online, and the message that did not arrive.
    assert_eq!(store.erase(&user(ANN), None).await, Ok(2));

    assert_eq!(rows_of(&db, ANN).values().sum::<usize>(), 0, "{:?}", rows_of(&db, ANN));
    assert_eq!(rows_of(&db, BOB), before);
    let outbox = store.outbox();
    let a = outbox.endpoint("a").unwrap();
    let pending = outbox.pending(a, DeliveryId(0), 100).await.unwrap();
    assert!(pending.iter().all(|it| it.user.as_str() == BOB));
    assert_eq!(outbox.backlog(a).await, 2);
    assert!(store.events().page(0, 100).await.unwrap().gap, "whoever pulls takes a fresh snapshot");
    assert_eq!(store.erase(&user(ANN), None).await, Ok(0), "again, nothing is left");
}

#[tokio::test]
async fn nothing_is_deleted_while_hooks_are_to_be_sent_if_that_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;
    let before = rows_of(&database(&dir), ANN);

    assert_eq!(store.erase_if_told(&user(ANN), None).await, Ok(Err(2)));
    assert_eq!(rows_of(&database(&dir), ANN), before);

    let a = store.outbox().endpoint("a").unwrap();
    let pending = store.outbox().pending(a, DeliveryId(0), 100).await.unwrap();
    let of_ann = pending.iter().filter(|it| it.user.as_str() == ANN);
    store.outbox().settle(a, of_ann.map(delivered).collect()).await.unwrap();
    assert_eq!(store.erase_if_told(&user(ANN), None).await, Ok(Ok(())));
    assert_eq!(rows_of(&database(&dir), ANN).values().sum::<usize>(), 0);
}

#[tokio::test]
async fn the_name_is_not_in_the_bytes_of_the_file_any_more() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;

    store.erase(&user(ANN), None).await.unwrap();
    store.close().await;

    let bytes = std::fs::read(dir.path().join("userline.sqlite")).unwrap();
    let has = |name: &str| bytes.windows(name.len()).any(|it| it == name.as_bytes());
    assert_eq!((has(ANN), has(BOB)), (false, true));
}

#[tokio::test]
async fn a_dispatcher_that_has_a_hook_of_the_user_at_hand_finds_nothing_to_send() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a"]));
    let outbox = store.outbox();
    let a = outbox.endpoint("a").unwrap();
    record(&store, online(ANN, 1)).await;
    record(&store, online(BOB, 2)).await;
    store.flush().await.unwrap();
    let pending = outbox.pending(a, DeliveryId(0), 10).await.unwrap();

    store.erase(&user(ANN), None).await.unwrap();

    let ids = pending.iter().map(|it| it.id).collect();
    let payloads = outbox.payloads(a, ids).await.unwrap();
    assert_eq!(payloads.iter().map(|it| it.id).collect::<Vec<_>>(), [pending[1].id]);
    let late = outbox.settle(a, vec![delivered(&pending[0])]).await.unwrap();
    assert_eq!(late[0].head, None);
    assert_eq!(outbox.backlog(a).await, 1, "nor does an end that comes late count");
}

#[tokio::test]
async fn the_numbers_of_an_inbox_go_on_also_after_a_restart_and_a_second_erasure() {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir, &hooks(&[])).0;
    let mut expected = 0;
    for round in 1..=3 {
        for _ in 0..2 {
            expected += 1;
            let put = put(&store, ANN, plain("1")).await;
            assert_eq!(put.seq, ItemSeq(expected), "round {round}");
        }
        let inboxes = store.inboxes();
        let before = inboxes.state(&user(ANN), WallMs(0)).await.unwrap();

        store.erase(&user(ANN), None).await.unwrap();

        let state = inboxes.state(&user(ANN), WallMs(0)).await.unwrap();
        assert_eq!((state.head, state.read_upto), (ItemSeq(expected), ItemSeq(expected)));
        assert_eq!((state.unread, state.min_seq), (0, ItemSeq(expected + 1)));
        assert_eq!(state.revision, before.revision);
        store.close().await;
        store = open(&dir, &hooks(&[])).0;
    }
    let stranger = store.inboxes().state(&user("bob"), WallMs(0)).await.unwrap();
    assert_eq!(stranger.head, ItemSeq(0));
}

#[tokio::test]
async fn names_of_items_are_forgotten_with_their_user() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    assert!(!put(&store, ANN, given("order-1")).await.is_duplicate);
    assert!(put(&store, ANN, given("order-1")).await.is_duplicate);

    store.erase(&user(ANN), None).await.unwrap();

    let again = put(&store, ANN, given("order-1")).await;
    assert_eq!((again.seq, again.is_duplicate), (ItemSeq(2), false));
}

#[tokio::test]
async fn inboxes_that_wait_to_be_told_of_are_forgotten() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    for name in [ANN, BOB] {
        put(&store, name, NewItem { expires: WallMs(NOW + 1), ..plain("1") }).await;
    }
    store.presence().alive(WallMs(NOW + 10), crate::types::Timestamp(0));
    super::until(async || {
        let query = PageQuery { paging: Paging::Newest, which: Which::All, limit: 1, bytes_max: 1 };
        let page = store.inboxes().page(&user(BOB), query, WallMs(0)).await.unwrap();
        page.items.is_empty()
    })
    .await;

    store.erase(&user(ANN), None).await.unwrap();

    assert_eq!(store.inboxes().expired().await.into_keys().collect::<Vec<_>>(), [user(BOB)]);
}

type Column = (String, String);

fn columns(db: &rusqlite::Connection) -> BTreeSet<Column> {
    let sql = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c \
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn all_columns() -> impl Iterator<Item = (Column, Holds)> {
    COLUMNS.iter().flat_map(|(table, columns)| {
        columns.iter().map(|(it, holds)| (((*table).to_owned(), (*it).to_owned()), *holds))
    })
}

/// Rows in which this column holds the name, alone or in a longer text.
fn rows_naming(db: &rusqlite::Connection, (table, column): &Column, name: &str) -> usize {
    let mut query = db.prepare(&format!("SELECT {column} FROM {table}")).unwrap();
    let rows = query.query_map([], |row| row.get::<_, Value>(0)).unwrap();
    let is_named = |value: &Value| match value {
        Value::Text(text) => text.contains(name),
        Value::Blob(bytes) => bytes.windows(name.len()).any(|it| it == name.as_bytes()),
        Value::Null | Value::Integer(_) | Value::Real(_) => false,
    };
    rows.map(Result::unwrap).filter(is_named).count()
}

fn rows_of(db: &rusqlite::Connection, name: &str) -> BTreeMap<Column, usize> {
    all_columns().map(|(column, _)| (column.clone(), rows_naming(db, &column, name))).collect()
}
