//! A file that an earlier version has written opens unchanged, and everything is found in it.
//!
//! `fixtures/c6ae83d.database` was written by the store of commit c6ae83d (format 3), in two lives that ended with a clean
//! stop. What was done in them is told beside each check. It must stay as it is: every later format migrates from it.

use super::{KEEP, NOW, Store, config, hooks, until, user};
use crate::config::{EndpointConfig, HooksConfig};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::record::{DeliveryFilter, DeliveryState};
use crate::core::inbox::{
    Gone, InboxState, Item, Naming, NewItem, PageQuery, Paging, PlacedState, Putting, Which,
};
use crate::store::{OpenSession, Recovered};
use crate::types::{
    EventName, ItemId, ItemSeq, Namespace, Payload, Portrait, Seq, Timestamp, Undelivered, WallMs,
};
use std::collections::BTreeMap;
use tempfile::TempDir;

const FILE: &[u8] = include_bytes!("fixtures/c6ae83d.database");
const DAY: u64 = 24 * 60 * 60 * 1000;
/// A user's name may hold what SQL and JSON quote.
const FAY: &str = "fay \u{1F98A} \"q\"";
/// When the second life ended.
const ALIVE: u64 = NOW + 30_000;
/// When items expire that do not say otherwise.
const EXPIRES: WallMs = WallMs(NOW + 20 * DAY);

#[tokio::test]
async fn who_was_online_and_what_was_the_last_number_are_found() {
    let (_dir, _, recovered) = open(&["main"]);

    let online = [("ann", 10), ("cid", 13), ("dan", 14), (FAY, 15), ("hal", 22)];
    let sessions = online.map(|(name, seq)| OpenSession {
        user: user(name),
        session: Seq(seq),
        since: WallMs(NOW + seq),
        portrait: Portrait::default(),
    });
    let alive_at = Some(WallMs(ALIVE));
    assert_eq!(recovered, Recovered { sessions: sessions.to_vec(), last_seq: Seq(22), alive_at });
}

#[tokio::test]
async fn the_event_log_is_found_with_the_mark_of_what_was_deleted() {
    let (_dir, store, _) = open(&["main"]);

    // Two events of eve were ten days old, and deleted.
    let all = store.events().page(0, 100).await.unwrap();
    assert!(all.gap && !store.events().page(2, 100).await.unwrap().gap);
    let log: Vec<_> = all
        .items
        .iter()
        .map(|it| (it.id, it.user.as_str(), it.seq.0, it.session.0, it.hook_type.as_str()))
        .collect();
    let (on, off) = ("user.online", "user.offline");
    assert_eq!(
        log,
        [
            (3, "ann", 10, 10, on),
            (4, "bob", 11, 11, on),
            (5, "bob", 12, 11, off),
            (6, "cid", 13, 13, on),
            (7, "dan", 14, 14, on),
            (8, FAY, 15, 15, on),
            (9, "bob", 16, 0, Undelivered::HOOK_TYPE),
            (10, "hal", 20, 20, on),
            (11, "hal", 21, 20, off),
            (12, "hal", 22, 22, on),
        ]
    );
    assert!(all.items[6].body.contains(r#""args":[1,"x"]"#), "{}", all.items[6].body);
    assert_eq!(store.events().head().await.unwrap(), 12);
    assert_eq!(store.presence().last_seen(&user("bob")).await.unwrap(), Some(WallMs(NOW + 11)));
}

#[tokio::test]
async fn hooks_are_found_as_far_as_they_were_delivered() {
    let (_dir, store, _) = open(&["main"]);
    let outbox = store.outbox();
    let main = outbox.endpoint("main").unwrap();

    // bob came, went and missed a message; dan's hook has failed three times; fay's died and was put back; two of hal's
    // were replaced by the third.
    let pending = outbox.pending(main, DeliveryId(0), 100).await.unwrap();
    let waits: Vec<_> = pending
        .iter()
        .map(|it| (it.id.0, it.user.as_str(), it.attempts, it.created.0, it.next_attempt))
        .collect();
    assert_eq!(
        waits,
        [
            (7, "bob", 0, NOW + 11, None),
            (9, "bob", 0, NOW + 12, None),
            (13, "dan", 3, NOW + 14, Some(WallMs(NOW + 60_000))),
            (15, FAY, 0, NOW + 2000, None),
            (17, "bob", 0, NOW + 16, None),
            (21, "hal", 0, NOW + 22, None),
        ]
    );
    assert_eq!(outbox.backlog(main).await, 6);
    assert_eq!(outbox.oldest_pending(main).await.unwrap(), Some(WallMs(NOW + 11)));
    let ids = [17, 21].map(DeliveryId).to_vec();
    let payloads = outbox.payloads(main, ids).await.unwrap();
    assert!(payloads[0].webhook_id.starts_with("ms_") && payloads[0].webhook_id.ends_with("_16"));
    assert!(payloads[1].body.ends_with(r#""seq":22,"session":22,"coalesced":2}}"#));

    let ended = async |id| outbox.delivery(DeliveryId(id)).await.unwrap().unwrap().0;
    let (delivered, dead, replaced) = (ended(5).await, ended(11).await, ended(20).await);
    assert_eq!((delivered.state, delivered.attempts), (DeliveryState::Delivered, 2));
    assert_eq!((dead.state, dead.error.as_deref()), (DeliveryState::Dead, Some("status 400")));
    assert_eq!((replaced.state, replaced.coalesced), (DeliveryState::Replaced, 1));
    assert_eq!(outbox.dead_letters(main).await.unwrap(), 1);
    outbox.replay(DeliveryId(11), WallMs(ALIVE)).await.unwrap();
    assert_eq!(outbox.take_rewind(main), Some(DeliveryId(11)));
}

#[tokio::test]
async fn hooks_of_an_endpoint_that_is_not_configured_wait_for_it() {
    let (dir, store, _) = open(&["main"]);
    let of_old = DeliveryFilter { endpoint: Some("old".to_owned()), state: None };
    let waiting = store.outbox().deliveries_of_user(user("ann"), of_old, None, 10).await.unwrap();
    assert_eq!(waiting.items[0].state, DeliveryState::Pending);
    store.close().await;

    let (store, _) = Store::open(&config(&dir, KEEP), &endpoints(&["main", "old"])).unwrap();
    let old = store.outbox().endpoint("old").unwrap();
    assert_eq!(store.outbox().backlog(old).await, 7);
}

#[tokio::test]
async fn inboxes_are_found_with_their_numbers_and_marks() {
    let (_dir, store, _) = open(&["main"]);
    let inboxes = store.inboxes();

    // ann: 1 and 6 are read, 4 has expired, 5 gave way to 6, 7 was deleted; 8 has a name that was made up, and 9 one that
    // follows from an `Idempotency-Key`.
    let query =
        PageQuery { paging: Paging::Newest, which: Which::All, limit: 100, bytes_max: 1_000_000 };
    let page = inboxes.page(&user("ann"), query, WallMs(ALIVE)).await.unwrap();
    let items: Vec<_> =
        page.items.iter().map(|it| (it.seq.0, it.id.as_str(), it.is_read)).collect();
    assert_eq!(
        items,
        [
            (9, "ik_9fQx1c0wQ0mJ5Tt0dV3lzw", false),
            (8, "msg_made", false),
            (6, "c2", true),
            (3, "a3", false),
            (2, "a2", false),
            (1, "a1", true),
        ]
    );
    let cart = Item {
        seq: ItemSeq(6),
        id: "c2".to_owned(),
        namespace: "/".to_owned(),
        event: "note".to_owned(),
        args: r#"[{"item":"c2"}]"#.to_owned(),
        created: WallMs(NOW + 11),
        expires: EXPIRES,
        is_read: true,
        collapse_key: Some("cart".to_owned()),
    };
    assert_eq!(page.items[2], cart);
    let state = |revision, head, unread, read_upto, min_seq| InboxState {
        revision,
        head: ItemSeq(head),
        unread,
        read_upto: ItemSeq(read_upto),
        min_seq: ItemSeq(min_seq),
    };
    assert_eq!(page.state, state(12, 9, 4, 1, 5));
    // bob may have two items, and got four; gus had one, which was deleted.
    for (name, numbers) in [("bob", state(4, 4, 2, 2, 3)), ("gus", state(2, 1, 0, 1, 1))] {
        assert_eq!(inboxes.state(&user(name), WallMs(ALIVE)).await.unwrap(), numbers, "{name}");
    }
}

#[tokio::test]
async fn names_of_items_are_remembered_with_what_became_of_them() {
    let (_dir, store, _) = open(&["main"]);
    let inboxes = store.inboxes();

    let mut states = BTreeMap::new();
    for id in ["a2", "short", "c1", "d1", "b2", "g1", "b1"] {
        let placed = inboxes.placed(id, WallMs(ALIVE)).await.unwrap();
        let by_emit = inboxes.placed(&format!("msg_{id}"), WallMs(ALIVE)).await.unwrap();
        assert_eq!(placed, by_emit, "{id}");
        states.extend(placed.into_iter().map(|it| (it.id, it.state)));
    }
    let gone = [
        ("short", Gone::Expired),
        ("c1", Gone::Collapsed),
        ("d1", Gone::Deleted),
        ("b2", Gone::PushedOut),
        ("g1", Gone::Deleted),
    ];
    let gone = gone.map(|(id, why)| (id.to_owned(), PlacedState::Gone(why)));
    let there = [("a2".to_owned(), PlacedState::There)];
    assert_eq!(
        states,
        gone.into_iter().chain(there).collect(),
        "b1 is forgotten: too many came after"
    );

    // A name is taken also after its item is gone, and numbers go on.
    let put = async |name: &str, id: &str| {
        let users = [(user(name), Putting::Store)];
        inboxes.put(new_item(id), &users).await.unwrap().remove(0).unwrap()
    };
    let again = put("ann", "d1").await;
    assert_eq!((again.seq, again.is_duplicate), (ItemSeq(7), true));
    assert_eq!(put("gus", "g2").await.seq, ItemSeq(2));
}

#[tokio::test]
async fn what_has_become_too_old_meanwhile_goes_as_always() {
    let (_dir, store, _) = open(&["main"]);

    store.presence().alive(WallMs(NOW + 90 * DAY), Timestamp(0));

    until(async || {
        let names = store.inboxes().placed("a1", WallMs(0)).await.unwrap();
        let state = store.inboxes().state(&user("ann"), WallMs(0)).await.unwrap();
        names.is_empty() && state.unread == 0
    })
    .await;
    until(async || store.events().page(0, 100).await.unwrap().items.len() < 10).await;
    let left = store.events().page(0, 100).await.unwrap();
    assert!(left.items.iter().any(|it| it.id == 4), "bob's hook still waits");
}

#[tokio::test]
async fn a_user_of_an_earlier_version_is_erased_and_the_numbers_go_on() {
    let (_dir, store, _) = open(&["main"]);
    let inboxes = store.inboxes();

    store.erase(&user("ann"), None).await.unwrap();

    let put = inboxes.put(new_item("a1"), &[(user("ann"), Putting::Store)]).await.unwrap();
    let put = put[0].unwrap();
    assert_eq!((put.seq, put.is_duplicate), (ItemSeq(10), false));
    let log = store.events().page(0, 100).await.unwrap().items;
    assert!(log.iter().all(|it| it.user.as_str() != "ann"));
}

/// Today's code on a copy of the file.
fn open(names: &[&str]) -> (TempDir, Store, Recovered) {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("userline.sqlite"), FILE).unwrap();
    let (store, recovered) = Store::open(&config(&dir, KEEP), &endpoints(names)).unwrap();
    (dir, store, recovered)
}

fn endpoints(names: &[&str]) -> HooksConfig {
    let mut hooks = hooks(names);
    let all = ["user.online", "user.offline", Undelivered::HOOK_TYPE].map(str::to_owned);
    let wants_all = |it: EndpointConfig| EndpointConfig { events: all.to_vec(), ..it };
    hooks.endpoints = hooks.endpoints.into_iter().map(wants_all).collect();
    hooks
}

fn new_item(id: &str) -> NewItem {
    NewItem {
        id: ItemId::parse(id).unwrap(),
        naming: Naming::Given,
        message: format!("msg_again_{id}"),
        namespace: Namespace::parse("/").unwrap(),
        event: EventName::parse("note").unwrap(),
        payload: Payload::try_new(vec![]).unwrap(),
        collapse_key: None,
        at: WallMs(ALIVE),
        time: WallMs(ALIVE),
        expires: EXPIRES,
        remembered_until: WallMs(NOW + 60 * DAY),
        count_max: 100,
    }
}
