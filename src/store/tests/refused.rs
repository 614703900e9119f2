//! A command that can never be written: it is left out, and all others are committed.

use super::{hooks, offline, online, open, record, user};
use crate::store::file;
use crate::types::Seq;
use tempfile::TempDir;

#[tokio::test]
async fn what_can_never_be_written_holds_up_nobody_else() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a"]));
    refuse_events_of(&dir, "bob");
    let (outbox, events) = (store.outbox(), store.events());
    let a = outbox.endpoint("a").unwrap();

    // They wait together, so they are tried in one transaction first.
    for change in [online("ann", 1), online("bob", 2), offline("ann", 3, 1), online("cid", 4)] {
        record(&store, change).await;
    }
    store.flush().await.unwrap();

    assert!(store.healthy(), "the disk is");
    let log = events.page(0, 10).await.unwrap().items;
    assert_eq!(log.iter().map(|it| it.seq.0).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!((outbox.backlog(a).await, *outbox.news().borrow()), (3, 3));

    let erased = store.erase(&user("cid"), None).await;
    assert!(erased.is_ok(), "and the store goes on");
    store.close().await;
    let (_, again) = open(&dir, &hooks(&["a"]));
    assert_eq!((again.sessions, again.last_seq), (vec![], Seq(4)));
}

#[tokio::test]
async fn whoever_waits_for_the_answer_learns_that_there_is_none() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    record(&store, online("bob", 1)).await;
    store.flush().await.unwrap();
    let db = file::open(dir.path()).unwrap();
    let rule = "CREATE TRIGGER rule BEFORE DELETE ON presence BEGIN SELECT RAISE(ABORT, 'no'); END";
    db.execute_batch(rule).unwrap();

    store.erase(&user("bob"), None).await.unwrap_err();
    store.flush().await.unwrap();
}

/// Adds a rule to the schema that no change of this user fulfils.
fn refuse_events_of(dir: &TempDir, name: &str) {
    let rule = format!(
        "CREATE TRIGGER rule BEFORE INSERT ON events WHEN NEW.user = '{name}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    );
    file::open(dir.path()).unwrap().execute_batch(&rule).unwrap();
}
