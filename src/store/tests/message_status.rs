//! What became of stored events, asked by the emit or by the sender's name.

use super::inbox::{page, plain};
use super::{config, hooks, open, user};
use crate::core::inbox::{Naming, NewItem, Placed, PlacedState, Putting, SeenItems};
use crate::store::{Inboxes, Store};
use crate::types::{CollapseKey, ItemId, ItemSeq, WallMs};
use std::time::Duration;
use tempfile::TempDir;

async fn put(store: &Store, message: &str, name: Option<&str>, users: &[&str]) {
    put_item(store, item(message, name), users).await;
}

async fn put_item(store: &Store, item: NewItem, users: &[&str]) {
    let users: Vec<_> = users.iter().map(|it| (user(it), Putting::Store)).collect();
    store.inboxes().put(item, &users).await.unwrap();
}

fn item(message: &str, name: Option<&str>) -> NewItem {
    NewItem {
        id: ItemId::parse(name.unwrap_or(message)).unwrap(),
        naming: if name.is_some() { Naming::Given } else { Naming::Made },
        message: message.to_owned(),
        ..plain("1")
    }
}

/// User, place, state and whether it was read, as text.
async fn told(inboxes: &Inboxes, id: &str, at: u64) -> Vec<String> {
    let each = |it: Placed| {
        let state = match it.state {
            PlacedState::There => "there",
            PlacedState::Gone(why) => why.as_str(),
        };
        format!("{} {} {state} {}", it.user, it.seq.0, if it.is_read { "read" } else { "unread" })
    };
    inboxes.placed(id, WallMs(at)).await.unwrap().into_iter().map(each).collect()
}

#[tokio::test]
async fn a_stored_event_is_found_by_its_emit_and_by_its_name_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    put(&store, "msg_1", None, &["ann", "bob"]).await;
    put(&store, "msg_2", Some("mine"), &["bob"]).await;
    // The name is known for bob: only ann gets it.
    put(&store, "msg_3", Some("mine"), &["ann", "bob"]).await;
    store.inboxes().mark(&user("bob"), SeenItems::Upto(ItemSeq(1)), WallMs(2)).await.unwrap();
    store.close().await;

    let (store, _) = open(&dir, &hooks(&[]));
    let inboxes = store.inboxes();
    assert_eq!(told(&inboxes, "msg_1", 3).await, ["ann 1 there unread", "bob 1 there read"]);
    assert_eq!(told(&inboxes, "msg_2", 3).await, ["bob 2 there unread"]);
    assert_eq!(told(&inboxes, "msg_3", 3).await, ["ann 2 there unread"]);
    assert_eq!(told(&inboxes, "mine", 3).await, ["ann 2 there unread", "bob 2 there unread"]);
    assert_eq!(told(&inboxes, "msg_4", 3).await, Vec::<String>::new());
}

#[tokio::test]
async fn why_an_event_is_gone_is_told_and_whether_it_was_read() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let inboxes = store.inboxes();
    let key = CollapseKey::parse("k").ok();
    put(&store, "deleted", None, &["ann"]).await;
    put_item(&store, NewItem { collapse_key: key.clone(), ..item("collapsed", None) }, &["ann"])
        .await;
    put_item(&store, NewItem { expires: WallMs(50), ..item("expired", None) }, &["ann"]).await;
    put_item(&store, NewItem { collapse_key: key, ..item("there", None) }, &["ann"]).await;
    inboxes.mark(&user("ann"), SeenItems::Upto(ItemSeq(3)), WallMs(2)).await.unwrap();
    inboxes.delete(&user("ann"), ItemSeq(1), WallMs(3)).await.unwrap();

    assert_eq!(told(&inboxes, "deleted", 10).await, ["ann 1 deleted read"]);
    assert_eq!(told(&inboxes, "collapsed", 10).await, ["ann 2 collapsed unread"]);
    assert_eq!(told(&inboxes, "expired", 49).await, ["ann 3 there read"]);
    assert_eq!(told(&inboxes, "expired", 50).await, ["ann 3 expired read"], "to the millisecond");
    // Deleted at last, with others that are too many.
    let excess = NewItem { at: WallMs(60), time: WallMs(60), count_max: 1, ..item("newest", None) };
    put_item(&store, excess, &["ann"]).await;
    assert_eq!(told(&inboxes, "expired", 60).await, Vec::<String>::new(), "one name is remembered");
    assert_eq!(told(&inboxes, "there", 60).await, ["ann 4 pushed_out unread"]);
    assert_eq!(told(&inboxes, "newest", 60).await, ["ann 5 there unread"]);
}

#[tokio::test]
async fn the_fate_of_an_event_that_is_there_is_known_however_many_came_and_went_after_it() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let few = |message: &str| NewItem { count_max: 3, ..item(message, None) };
    put_item(&store, few("first"), &["ann"]).await;
    for n in 2..10 {
        put_item(&store, few(&format!("m{n}")), &["ann"]).await;
        store.inboxes().delete(&user("ann"), ItemSeq(n), WallMs(2)).await.unwrap();
    }
    assert_eq!(told(&store.inboxes(), "first", 3).await, ["ann 1 there unread"]);
    assert_eq!(told(&store.inboxes(), "m2", 3).await, Vec::<String>::new(), "that is bounded");
}

#[tokio::test]
async fn events_from_before_fates_were_kept_have_one() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    put(&store, "made", None, &["ann"]).await;
    put(&store, "m1", Some("given"), &["ann"]).await;
    put(&store, "m2", Some("gone"), &["ann"]).await;
    store.inboxes().delete(&user("ann"), ItemSeq(3), WallMs(2)).await.unwrap();
    store.close().await;
    let db = super::database(&dir);
    db.execute_batch("DELETE FROM inbox_ids WHERE id = 'made'").unwrap();
    go_back(&db, 2);

    let (store, _) = open(&dir, &hooks(&[]));
    let inboxes = store.inboxes();
    assert_eq!(told(&inboxes, "made", 3).await, ["ann 1 there unread"]);
    assert_eq!(told(&inboxes, "given", 3).await, ["ann 2 there unread"]);
    assert_eq!(told(&inboxes, "gone", 3).await, ["ann 3 unknown unread"]);
}

#[tokio::test]
async fn a_database_from_before_the_inbox_gets_one() {
    let dir = TempDir::new().unwrap();
    open(&dir, &hooks(&[])).0.close().await;
    go_back(&super::database(&dir), 1);

    let (store, _) = Store::open(&config(&dir, Duration::from_hours(1)), &hooks(&[])).unwrap();
    store.inboxes().put(plain("1"), &[(user("ann"), Putting::Store)]).await.unwrap();
    assert_eq!(page(&store, &user("ann"), 10, 1000).await.0, ["[1]"]);
}

/// What each version of the format after the first has added, taken away again.
const UNDO: [&str; 9] = [
    "DROP TABLE inbox; DROP TABLE inbox_head; DROP TABLE inbox_ids;",
    "DROP INDEX inbox_ids_by_message; DROP INDEX inbox_ids_by_name; DROP INDEX inbox_ids_gone; \
     ALTER TABLE inbox_ids DROP COLUMN message; ALTER TABLE inbox_ids DROP COLUMN gone; \
     ALTER TABLE inbox_ids DROP COLUMN was_read;",
    "DROP TABLE secrets; DROP TABLE inbox_erased;",
    "DROP TABLE restrictions;",
    "ALTER TABLE presence DROP COLUMN granted; ALTER TABLE presence DROP COLUMN attached;",
    "DROP TABLE memberships;",
    "DROP TABLE resume_families; DROP TABLE resume_log_outs;",
    "DROP TABLE resume_erased;",
    "DROP TABLE open_sockets;",
];

/// Makes a file of today one of an earlier version.
fn go_back(db: &rusqlite::Connection, version: usize) {
    for script in UNDO.iter().skip(version - 1).rev() {
        db.execute_batch(script).unwrap();
    }
    db.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
}
