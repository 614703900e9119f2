//! A COMMIT that reports failure though it took effect, as a disk that fails late may let it.

use super::hooks::delivered;
use super::inbox::plain;
use super::undelivered::undelivered;
use super::{KEEP, NOW, config, hooks, offline, online, record, user};
use crate::config::HooksConfig;
use crate::core::delivery::decision::DeliveryId;
use crate::core::inbox::{Naming, NewItem, Putting};
use crate::store::{Store, file};
use crate::types::{ItemId, ItemSeq, Undelivered, WallMs};
use rusqlite::ffi;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A store whose COMMITs can be made to fail once they have taken effect.
struct Failing {
    store: Store,
    /// So many do, from now on.
    commits: Arc<AtomicU32>,
}

impl Failing {
    fn open(dir: &TempDir, hooks: &HooksConfig) -> Self {
        let (lock, mut db) = (file::lock(dir.path()).unwrap(), file::open(dir.path()).unwrap());
        let commits = Arc::new(AtomicU32::new(0));
        let left = Arc::clone(&commits);
        // SQLite calls this when the transaction is in the file, and lets the COMMIT fail with what it answers.
        let after_commit = move |_: &mut _, _| {
            let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None);
            if fails.is_ok() { Err(error) } else { Ok(()) }
        };
        db.wal_hook(Some(after_commit)).unwrap();
        let (store, _) = Store::start(db, lock, &config(dir, KEEP), hooks).unwrap();
        Self { store, commits }
    }

    fn fail_next(&self) {
        self.commits.store(1, Ordering::SeqCst);
    }

    /// Waits until the commit has failed and all is well again.
    async fn recover(&self) {
        self.store.flush().await.unwrap();
        assert_eq!(self.commits.load(Ordering::SeqCst), 0, "a commit has failed");
        assert!(self.store.healthy());
    }
}

#[tokio::test]
async fn news_whose_commit_failed_too_late_is_there_once_and_is_told() {
    let dir = TempDir::new().unwrap();
    let mut hooks = hooks(&["a"]);
    hooks.endpoints[0].events.push(Undelivered::HOOK_TYPE.to_owned());
    let it = Failing::open(&dir, &hooks);
    let (outbox, events) = (it.store.outbox(), it.store.events());
    let a = outbox.endpoint("a").unwrap();

    it.fail_next();
    record(&it.store, online("ann", 1)).await;
    it.recover().await;
    it.fail_next();
    outbox.undelivered(vec![undelivered("bob", 2)]).await.unwrap();
    it.recover().await;
    record(&it.store, offline("ann", 3, 1)).await;
    it.store.flush().await.unwrap();

    let log = events.page(0, 10).await.unwrap().items;
    assert_eq!(log.iter().map(|it| it.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((outbox.backlog(a).await, *outbox.news().borrow()), (3, 3));
    let pending = outbox.pending(a, DeliveryId(0), 10).await.unwrap();
    assert_eq!(pending.iter().map(|it| it.id.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn the_end_of_a_hook_counts_once_and_so_does_its_replay() {
    let dir = TempDir::new().unwrap();
    let it = Failing::open(&dir, &hooks(&["a"]));
    let outbox = it.store.outbox();
    let a = outbox.endpoint("a").unwrap();
    for n in 1..=2 {
        record(&it.store, online("ann", n)).await;
    }
    it.store.flush().await.unwrap();
    let pending = outbox.pending(a, DeliveryId(0), 10).await.unwrap();

    it.fail_next();
    let next = outbox.settle(a, vec![delivered(&pending[0])]).await.unwrap();
    it.recover().await;
    assert_eq!(next[0].head.as_ref().map(|it| it.id), Some(pending[1].id));
    assert_eq!(outbox.backlog(a).await, 1);

    it.fail_next();
    assert_eq!(outbox.replay(pending[0].id, WallMs(NOW)).await, Ok(()));
    it.recover().await;
    assert_eq!((outbox.backlog(a).await, outbox.take_rewind(a)), (2, Some(pending[0].id)));
}

#[tokio::test]
async fn an_item_is_in_its_inbox_once_and_is_no_duplicate_of_itself() {
    let dir = TempDir::new().unwrap();
    let it = Failing::open(&dir, &hooks(&[]));
    let inboxes = it.store.inboxes();
    let ann = [(user("ann"), Putting::Store)];
    let given =
        NewItem { id: ItemId::parse("given").unwrap(), naming: Naming::Given, ..plain("1") };

    for (item, seq) in [(given, 1), (plain("2"), 2)] {
        it.fail_next();
        let put = inboxes.put(item, &ann).await.unwrap().remove(0).unwrap();
        it.recover().await;
        assert_eq!((put.seq, put.is_duplicate), (ItemSeq(seq), false));
    }

    assert_eq!(inboxes.state(&user("ann"), WallMs(1)).await.unwrap().unread, 2);
}
