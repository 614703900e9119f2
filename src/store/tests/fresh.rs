//! Hooks at hand are those in the file.

use super::hooks::with_changes;
use super::{hooks, offline, online, open, record};
use crate::core::delivery::decision::DeliveryId;
use crate::store::Store;
use tempfile::TempDir;

#[tokio::test]
async fn a_hook_is_the_same_whether_it_is_at_hand_or_read_from_the_file() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a", "b"]));
    for change in [online("ann", 1), online("bob", 2), offline("ann", 3, 1)] {
        record(&store, change).await;
    }
    store.flush().await.unwrap();
    let seen = async |store: &Store| {
        let b = store.outbox().endpoint("b").unwrap();
        let heads = store.outbox().pending(b, DeliveryId(0), 10).await.unwrap();
        let ids = heads.iter().map(|head| head.id).collect();
        (heads, store.outbox().payloads(b, ids).await.unwrap())
    };
    // Nothing is at hand of what was there before, nor a second time.
    let (at_hand, again) = (seen(&store).await, seen(&store).await);
    store.close().await;
    let (store, _) = open(&dir, &hooks(&["a", "b"]));

    let from_file = seen(&store).await;

    assert_eq!((at_hand.0.len(), at_hand.1.len()), (3, 3));
    assert_eq!(at_hand, from_file);
    assert_eq!(again, from_file);
}

#[tokio::test]
async fn hooks_of_before_and_after_a_restart_come_in_one_row() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a"]), 2).await;
    store.close().await;
    let (store, _) = open(&dir, &hooks(&["a"]));
    record(&store, online("ann", 3)).await;
    store.flush().await.unwrap();

    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    let payloads =
        store.outbox().payloads(a, heads.iter().map(|it| it.id).collect()).await.unwrap();

    let ids: Vec<_> = payloads.iter().map(|it| it.id.0).collect();
    assert_eq!(ids, [1, 2, 3]);
}
