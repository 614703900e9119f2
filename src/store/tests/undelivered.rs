//! Messages that did not arrive, beside the changes of presence.

use super::{NOW, hooks, offline, online, open, record, user};
use crate::config::{Coalesce, HooksConfig};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::NoHook;
use crate::store::Store;
use crate::types::{EventName, Namespace, Seq, Undelivered, WallMs, WhyUndelivered};
use tempfile::TempDir;

fn wanting(endpoints: &[&str]) -> HooksConfig {
    let mut config = hooks(endpoints);
    config.endpoints[0].events.push(Undelivered::HOOK_TYPE.to_owned());
    config
}

pub(super) fn undelivered(name: &str, seq: u64) -> Undelivered {
    Undelivered {
        user: user(name),
        seq: Seq(seq),
        at: WallMs(NOW + seq),
        message: "msg_1".into(),
        namespace: Namespace::root(),
        event: EventName::parse("call").unwrap(),
        args: Some("[1.0]".into()),
        why: WhyUndelivered::NoAck,
        matched: 2,
        inbox: None,
    }
}

/// What waits for an endpoint: bodies and ids.
async fn waiting(store: &Store, endpoint: &str) -> Vec<(String, String)> {
    let endpoint = store.outbox().endpoint(endpoint).unwrap();
    let heads = store.outbox().pending(endpoint, DeliveryId(0), 1000).await.unwrap();
    let ids = heads.iter().map(|it| it.id).collect();
    let payloads = store.outbox().payloads(endpoint, ids).await.unwrap();
    payloads.into_iter().map(|it| (it.body, it.webhook_id)).collect()
}

#[tokio::test]
async fn a_message_that_did_not_arrive_is_a_hook_for_who_wants_it_and_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &wanting(&["a", "b"]));
    let news = (1..=300).map(|n| undelivered(&format!("u{n}"), n)).collect();
    store.outbox().undelivered(news).await.unwrap();
    let outbox = store.outbox();
    let backlog = async |name| outbox.backlog(outbox.endpoint(name).unwrap()).await;
    assert_eq!((backlog("a").await, backlog("b").await), (300, 0));
    store.close().await;

    let (store, recovered) = open(&dir, &wanting(&["a", "b"]));
    assert_eq!(recovered.sessions, [], "it says nothing of presence");
    assert_eq!(recovered.last_seq, Seq(300));
    let waiting = waiting(&store, "a").await;
    assert_eq!(waiting.len(), 300);
    assert!(waiting[0].0.contains(r#""user":"u1","id":"msg_1""#), "{:?}", waiting[0]);
    assert!(waiting[0].1.starts_with("ms_"), "{:?}", waiting[0]);
    let event = store.events().page(299, 10).await.unwrap().items.remove(0);
    assert_eq!((event.hook_type.as_str(), event.seq), (Undelivered::HOOK_TYPE, Seq(300)));
}

#[tokio::test]
async fn it_neither_replaces_presence_nor_gives_way_to_it() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &HooksConfig { coalesce: Coalesce::Latest, ..wanting(&["a"]) });
    record(&store, online("ann", 1)).await;
    store.outbox().undelivered(vec![undelivered("ann", 2)]).await.unwrap();
    record(&store, offline("ann", 3, 1)).await;
    record(&store, online("ann", 4)).await;
    store.outbox().undelivered(vec![undelivered("ann", 5)]).await.unwrap();

    let bodies: Vec<_> = waiting(&store, "a").await.into_iter().map(|it| it.0).collect();

    assert_eq!(bodies.len(), 3, "{bodies:#?}");
    assert!(bodies[0].contains(r#""why":"no_ack","matched":2,"args":[1.0]}}"#), "{bodies:#?}");
    assert!(bodies[1].contains(r#""seq":4"#) && bodies[1].contains(r#""coalesced":2"#));
    assert!(bodies[2].contains("message.undelivered") && !bodies[2].contains("coalesced"));
}

#[tokio::test]
async fn no_hook_is_promised_that_nobody_wants_or_that_is_one_too_many() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&["a"]));
    assert_eq!(store.outbox().check().await, Err(NoHook::Unwanted));
    store.close().await;

    let (store, _) = open(&dir, &HooksConfig { backlog_max: 2, ..wanting(&["a"]) });
    assert_eq!(store.outbox().check().await, Ok(()));
    store.outbox().undelivered(vec![undelivered("ann", 1), undelivered("bob", 2)]).await.unwrap();
    assert_eq!(store.outbox().check().await, Err(NoHook::Full));
}
