//! What is too old goes, and nothing before its time.

use super::hooks::{dead, delivered};
use super::{NOW, config, hooks, online, record, until};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::Settlement;
use crate::core::delivery::record::DeliveryState;
use crate::store::Store;
use crate::types::{Change, Timestamp, WallMs};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test]
async fn old_events_go_but_not_those_that_somebody_waits_for() {
    let dir = TempDir::new().unwrap();
    let (store, _) = Store::open(&config(&dir, Duration::from_secs(10)), &hooks(&["a"])).unwrap();
    for n in 1..=1500 {
        record(&store, Change { at: WallMs(NOW), ..online(&format!("u{n}"), n) }).await;
    }
    store.flush().await.unwrap();
    let a = store.outbox().endpoint("a").unwrap();
    // All but the first 600, more than a slice, are delivered.
    let ids = store.outbox().pending(a, DeliveryId(600), 1000).await.unwrap();
    store.outbox().settle(a, ids.iter().map(delivered).collect()).await.unwrap();

    store.presence().alive(WallMs(NOW + 60_000), Timestamp(60_000));
    until(async || store.events().page(0, 1000).await.unwrap().items.len() == 600).await;

    let left = store.events().page(0, 1000).await.unwrap();
    assert!(left.gap, "who pulls is told that something is missing");
    assert_eq!(left.items.last().unwrap().id, 600);
    assert_eq!(store.events().head().await.unwrap(), 1500);
    assert!(!store.events().page(1500, 10).await.unwrap().gap);
}

#[tokio::test]
async fn a_dead_letter_is_kept_from_when_it_died_however_old_its_event_is() {
    let dir = TempDir::new().unwrap();
    let (store, _) = Store::open(&config(&dir, Duration::from_secs(10)), &hooks(&["a"])).unwrap();
    for n in 1..=2 {
        record(&store, online(&format!("u{n}"), n)).await;
    }
    store.flush().await.unwrap();
    let a = store.outbox().endpoint("a").unwrap();
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    let end = async |number: usize, at: u64| {
        let died = Settlement { at: WallMs(NOW + at), ..dead(&heads[number]) };
        store.outbox().settle(a, vec![died]).await.unwrap();
    };
    // One died at once, the other after a minute of attempts.
    end(0, 0).await;
    end(1, 60_000).await;

    store.presence().alive(WallMs(NOW + 65_000), Timestamp(0));
    until(async || store.events().page(0, 10).await.unwrap().items.len() < 2).await;
    let dead = store.outbox().deliveries(None, DeliveryState::Dead, None, 10).await.unwrap().items;
    assert_eq!(dead.iter().map(|it| it.id).collect::<Vec<_>>(), [heads[1].id]);

    store.presence().alive(WallMs(NOW + 75_000), Timestamp(0));
    until(async || store.events().page(0, 10).await.unwrap().items.is_empty()).await;
}

#[tokio::test]
async fn a_wall_clock_that_is_set_forward_deletes_nothing_at_once() {
    const MONTH: u64 = 30 * 24 * 60 * 60 * 1000;
    let dir = TempDir::new().unwrap();
    let keep = Duration::from_mins(10);
    let (store, _) = Store::open(&config(&dir, keep), &hooks(&["a"])).unwrap();
    record(&store, Change { at: WallMs(NOW), ..online("ann", 1) }).await;
    store.flush().await.unwrap();
    let a = store.outbox().endpoint("a").unwrap();
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    store.outbox().settle(a, vec![dead(&heads[0])]).await.unwrap();

    for (wall, now) in [(10_000, 10_000), (MONTH + 15_000, 15_000), (MONTH + 300_000, 300_000)] {
        store.presence().alive(WallMs(NOW + wall), Timestamp(now));
        // The first one waits until the time is told, the second one for what it brings about.
        store.flush().await.unwrap();
        store.flush().await.unwrap();
    }
    assert_eq!(store.events().page(0, 10).await.unwrap().items.len(), 1);
    assert_eq!(store.outbox().dead_letters(a).await.unwrap(), 1);

    store.presence().alive(WallMs(NOW + MONTH + 700_000), Timestamp(700_000));
    until(async || store.events().page(0, 10).await.unwrap().items.is_empty()).await;
    assert_eq!(store.outbox().dead_letters(a).await.unwrap(), 0);
}
