//! What is held against users, over a restart.

use super::{hooks, open, user};
use crate::core::control::restrictions::{Block, Restriction};
use crate::types::WallMs;
use tempfile::TempDir;

#[tokio::test]
async fn the_last_that_was_put_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let block = Block {
        reason: Some("spam".into()),
        by: "backend".into(),
        since: WallMs(1),
        until: Some(WallMs(9)),
    };
    let full = Restriction { block: Some(block), not_before: Some(WallMs(3)) };
    let forever = Restriction {
        block: Some(Block { reason: None, by: "b".into(), since: WallMs(2), until: None }),
        not_before: None,
    };
    let records = store.restrictions();
    records.put(&user("ann"), forever.clone()).await.unwrap();
    records.put(&user("ann"), full.clone()).await.unwrap();
    records.put(&user("bob"), forever.clone()).await.unwrap();
    records.put(&user("eve"), full.clone()).await.unwrap();
    records.put(&user("eve"), Restriction::default()).await.unwrap();
    store.close().await;

    let (store, _) = open(&dir, &hooks(&[]));

    let all = store.restrictions().all().await.unwrap();
    assert_eq!(all, [(user("ann"), full), (user("bob"), forever)]);
}
