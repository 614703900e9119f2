//! Deliveries in the store: what is to be sent, what became of it, what is sent again.

use super::{KEEP, NOW, database, hooks, offline, online, open, record, until, user};
use crate::config::{Coalesce, HooksConfig};
use crate::core::delivery::decision::{
    Death, DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook,
};
use crate::core::delivery::outbox::{DeadRange, EndpointId, NextHook, Settlement};
use crate::core::delivery::record::{DeliveryFilter, DeliveryState};
use crate::store::{ReplayError, Store};
use crate::types::{Change, Timestamp, WallMs};
use tempfile::TempDir;

#[tokio::test]
async fn each_endpoint_gets_the_types_it_wants() {
    let dir = TempDir::new().unwrap();
    let mut config = hooks(&["all", "offline"]);
    config.endpoints[1].events = vec!["user.offline".to_owned()];
    let (store, _) = open(&dir, &config);

    record(&store, online("ann", 1)).await;
    record(&store, offline("ann", 2, 1)).await;
    store.flush().await.unwrap();

    let [all, some] = ["all", "offline"].map(|name| store.outbox().endpoint(name).unwrap());
    assert_eq!((store.outbox().backlog(all).await, store.outbox().backlog(some).await), (2, 1));
    let heads = store.outbox().pending(some, DeliveryId(0), 10).await.unwrap();
    let payload = &store.outbox().payloads(some, vec![heads[0].id]).await.unwrap()[0];
    assert!(payload.body.starts_with(r#"{"type":"user.offline","#));
    assert_eq!(payload.webhook_id, "pr_SZFeDX1LQC4wF9AQvBwOgw_2");
    assert_eq!(store.outbox().endpoint("none"), None);
}

#[tokio::test]
async fn the_end_of_a_hook_brings_the_users_next_one() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a"]), 3).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();

    let retry = settlement(&heads[0], DeliveryVerdict::Retry { at: Timestamp(0) }, 1);
    assert_eq!(store.outbox().settle(a, vec![retry]).await.unwrap(), []);
    let next = store.outbox().settle(a, vec![delivered(&heads[0])]).await.unwrap();
    assert_eq!(next, [NextHook { user: user("ann"), head: Some(heads[1].clone()) }]);
    let dead = settlement(&heads[1], DeliveryVerdict::Dead(Death::Rejected), 5);
    let skipped = settlement(&heads[2], DeliveryVerdict::Skipped, 0);
    let next = store.outbox().settle(a, vec![dead, skipped, delivered(&heads[2])]).await.unwrap();

    let ids: Vec<_> = next.iter().map(|it| it.head.as_ref().map(|head| head.id.0)).collect();
    assert_eq!(ids, [Some(3), Some(3), None]);
    assert_eq!(store.outbox().backlog(a).await, 0);
    assert_eq!(store.outbox().payloads(a, vec![DeliveryId(1), DeliveryId(2)]).await.unwrap(), []);
}

#[tokio::test]
async fn deliveries_are_listed_by_state() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a", "b"]), 4).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    let failing = settlement(&heads[2], DeliveryVerdict::Retry { at: Timestamp(0) }, 2);
    let dead = settlement(&heads[1], DeliveryVerdict::Dead(Death::Expired), 9);
    store.outbox().settle(a, vec![delivered(&heads[0]), dead, failing]).await.unwrap();

    let mut found = Vec::new();
    for state in DeliveryState::ALL {
        let page = store.outbox().deliveries(Some("a".to_owned()), state, None, 10).await.unwrap();
        found.push((state.as_str(), page.items.len()));
        assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
    }
    let expected = [("pending", 2), ("failing", 1), ("dead", 1), ("delivered", 1), ("replaced", 0)];
    assert_eq!(found, expected);

    let (one, body) = store.outbox().delivery(heads[2].id).await.unwrap().unwrap();
    assert_eq!((one.state, one.attempts), (DeliveryState::Failing, 2));
    assert_eq!(one.next_attempt, Some(WallMs(NOW + 77)));
    assert_eq!(one.error.as_deref(), Some("status 500"));
    assert!(body.contains(r#""seq":3"#));
    assert_eq!(store.outbox().delivery(DeliveryId(99)).await.unwrap(), None);
    assert_eq!(store.outbox().oldest_pending(a).await.unwrap(), Some(WallMs(NOW + 3)));
}

#[tokio::test]
async fn lists_of_all_endpoints_have_pages() {
    let dir = TempDir::new().unwrap();
    let (store, _) = with_changes(&dir, &hooks(&["a", "b"]), 4).await;
    let mut after = None;
    let mut seen = Vec::new();

    loop {
        let page = store.outbox().deliveries(None, DeliveryState::Pending, after, 3).await.unwrap();
        seen.extend(page.items.into_iter().map(|it| (it.seq.0, it.endpoint)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    let expected = (1..=4).flat_map(|n| [(n, "a".to_owned()), (n, "b".to_owned())]);
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn coalescing_keeps_only_the_newest_and_says_how_many_it_stands_for() {
    let dir = TempDir::new().unwrap();
    let config = HooksConfig { coalesce: Coalesce::Latest, ..hooks(&["a"]) };
    let (store, a) = with_changes(&dir, &config, 4).await;

    assert_eq!(store.outbox().backlog(a).await, 1);
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    assert_eq!(heads.len(), 1);
    let payload = &store.outbox().payloads(a, vec![heads[0].id]).await.unwrap()[0];
    assert!(payload.body.contains(r#""seq":4"#));
    assert!(payload.body.ends_with(r#","coalesced":3}}"#));
    assert_eq!(store.events().page(0, 10).await.unwrap().items.len(), 4, "who pulls sees them all");
}

#[tokio::test]
async fn a_hook_that_arrived_although_it_was_replaced_is_not_counted_as_replaced() {
    let dir = TempDir::new().unwrap();
    let config = HooksConfig { coalesce: Coalesce::Latest, ..hooks(&["a"]) };
    let (store, a) = with_changes(&dir, &config, 2).await;
    // This one stands for two; it is on its way when the third event comes.
    let on_its_way = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap().remove(0);
    record(&store, online("ann", 3)).await;
    store.flush().await.unwrap();

    let next = store.outbox().settle(a, vec![delivered(&on_its_way)]).await.unwrap();

    let head = next[0].head.clone().unwrap();
    let payload = &store.outbox().payloads(a, vec![head.id]).await.unwrap()[0];
    assert!(payload.body.contains(r#""seq":3"#) && !payload.body.contains("coalesced"));
    let (first, _) = store.outbox().delivery(on_its_way.id).await.unwrap().unwrap();
    assert_eq!(first.state, DeliveryState::Delivered);
    assert_eq!(store.outbox().backlog(a).await, 1);
}

#[tokio::test]
async fn a_full_backlog_keeps_only_the_newest_of_each_user_and_loses_no_user() {
    let dir = TempDir::new().unwrap();
    let config = HooksConfig { backlog_max: 10, ..hooks(&["a"]) };
    let (store, _) = open(&dir, &config);
    for seq in 1..=100 {
        record(&store, online(&format!("u{}", seq % 20), seq)).await;
    }
    store.flush().await.unwrap();

    let a = store.outbox().endpoint("a").unwrap();
    assert_eq!(store.outbox().backlog(a).await, 20);
    let heads = store.outbox().pending(a, DeliveryId(0), 100).await.unwrap();
    let payloads =
        store.outbox().payloads(a, heads.iter().map(|head| head.id).collect()).await.unwrap();
    assert_eq!(payloads.len(), 20);
    let newest = |body: &str| (81..=100).any(|seq| body.contains(&format!(r#""seq":{seq},"#)));
    assert!(payloads.iter().all(|it| newest(&it.body)));
    let listed = store.outbox().deliveries(None, DeliveryState::Replaced, None, 100).await.unwrap();
    assert_eq!(listed.items.len(), 80, "what was replaced can still be looked at");
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_with_a_fresh_start() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a"]), 2).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    let dead = settlement(&heads[0], DeliveryVerdict::Dead(Death::Expired), 99);
    store.outbox().settle(a, vec![dead]).await.unwrap();
    let mut committed = store.outbox().news();
    committed.mark_unchanged();

    store.outbox().replay(heads[0].id, WallMs(NOW + 500)).await.unwrap();

    assert!(committed.has_changed().unwrap(), "the dispatcher is woken");
    assert_eq!(store.outbox().take_rewind(a), Some(heads[0].id));
    assert_eq!(store.outbox().take_rewind(a), None);
    let again = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap().remove(0);
    assert_eq!(again, PendingHook { created: WallMs(NOW + 500), ..heads[0].clone() });
    let waiting = store.outbox().replay(heads[1].id, WallMs(NOW)).await;
    assert_eq!(waiting, Err(ReplayError::Pending));
    assert_eq!(store.outbox().replay(DeliveryId(77), WallMs(NOW)).await, Err(ReplayError::Unknown));
}

#[tokio::test]
async fn dead_letters_of_a_time_are_sent_again_together() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a"]), 5).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    let die = |head: &PendingHook| settlement(head, DeliveryVerdict::Dead(Death::Rejected), 5);
    store.outbox().settle(a, heads.iter().map(die).collect()).await.unwrap();

    let range = DeadRange { endpoint: a, from: WallMs(NOW + 2), to: WallMs(NOW + 4) };
    let replayed = store.outbox().replay_dead(range, WallMs(NOW)).await.unwrap();

    assert_eq!((replayed.count, replayed.more), (2, false));
    assert_eq!(store.outbox().take_rewind(a), Some(DeliveryId(2)));
    assert_eq!(store.outbox().backlog(a).await, 2);
}

#[tokio::test]
async fn hooks_of_an_endpoint_that_is_not_configured_wait_for_it() {
    let dir = TempDir::new().unwrap();
    let (store, _) = with_changes(&dir, &hooks(&["old"]), 2).await;
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["new"]));
    let waiting =
        store.outbox().deliveries(None, DeliveryState::Pending, None, 10).await.unwrap().items;
    assert_eq!(waiting.iter().map(|it| it.endpoint.as_str()).collect::<Vec<_>>(), ["old"; 2]);
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["old"]));
    let old = store.outbox().endpoint("old").unwrap();
    assert_eq!(store.outbox().backlog(old).await, 2);
    assert_eq!(store.outbox().pending(old, DeliveryId(0), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn hooks_that_have_waited_too_long_for_their_endpoint_are_dead_letters() {
    let dir = TempDir::new().unwrap();
    let (store, _) = with_changes(&dir, &hooks(&["old"]), 1200).await;
    record(&store, Change { at: WallMs(NOW + 50_000), ..online("ann", 2000) }).await;
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["new"]));
    let died = NOW + u64::try_from(KEEP.as_millis()).unwrap() + 40_000;
    store.presence().alive(WallMs(died), Timestamp(0));
    let dead = async || {
        let page = store.outbox().deliveries(None, DeliveryState::Dead, None, 1000).await.unwrap();
        (page.items, page.next)
    };
    until(async || dead().await.1 == Some(DeliveryId(1000))).await;
    until(async || {
        store.outbox().delivery(DeliveryId(1200)).await.unwrap().unwrap().0.ended.is_some()
    })
    .await;
    let (dead, _) = dead().await;
    assert_eq!(dead[0].endpoint, "old");
    assert!(dead[0].error.as_deref().unwrap().contains("no longer configured"));
    assert_eq!(dead[0].ended, Some(WallMs(died)));
    let waiting =
        store.outbox().deliveries(None, DeliveryState::Pending, None, 10).await.unwrap().items;
    assert_eq!(waiting.len(), 1, "the last one is young");
    assert_eq!(store.outbox().replay(dead[0].id, WallMs(NOW)).await, Err(ReplayError::Endpoint));
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["old"]));
    store.outbox().replay(dead[0].id, WallMs(NOW)).await.unwrap();
    assert_eq!(store.outbox().backlog(store.outbox().endpoint("old").unwrap()).await, 2);
}

#[tokio::test]
async fn the_time_of_the_next_attempt_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a"]), 1).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    assert_eq!(heads[0].next_attempt, None);
    let retry = settlement(&heads[0], DeliveryVerdict::Retry { at: Timestamp(0) }, 1);
    store.outbox().settle(a, vec![retry]).await.unwrap();
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["a"]));
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();

    assert_eq!((heads[0].attempts, heads[0].next_attempt), (1, Some(WallMs(NOW + 77))));
}

#[tokio::test]
async fn the_deliveries_of_one_user_are_found_in_every_state() {
    let dir = TempDir::new().unwrap();
    let (store, a) = with_changes(&dir, &hooks(&["a", "b"]), 3).await;
    record(&store, online("bob", 9)).await;
    let heads = store.outbox().pending(a, DeliveryId(0), 10).await.unwrap();
    store.outbox().settle(a, vec![delivered(&heads[0]), dead(&heads[1])]).await.unwrap();
    let of = async |name: &str, endpoint: Option<&str>, state, after: Option<u64>, limit| {
        let filter = DeliveryFilter { endpoint: endpoint.map(str::to_owned), state };
        let after = after.map(DeliveryId);
        let page = store.outbox().deliveries_of_user(user(name), filter, after, limit).await;
        let page = page.unwrap();
        let items: Vec<_> = page.items.iter().map(|it| (it.id.0, it.state.as_str())).collect();
        (items, page.next.map(|it| it.0))
    };

    let (all, _) = of("ann", Some("a"), None, None, 10).await;
    assert_eq!(all, [(1, "delivered"), (3, "dead"), (5, "pending")]);
    assert_eq!(of("ann", None, None, None, 10).await.0.len(), 6);
    assert_eq!(of("bob", Some("b"), None, None, 10).await.0, [(8, "pending")]);
    assert_eq!(of("eve", None, None, None, 10).await, (vec![], None));
    let dead = of("ann", None, Some(DeliveryState::Dead), None, 10).await;
    assert_eq!(dead.0, [(3, "dead")]);
    let (_, next) = of("ann", Some("a"), None, None, 2).await;
    assert_eq!(of("ann", Some("a"), None, next, 2).await, (vec![(5, "pending")], None));
}

#[tokio::test]
async fn what_waits_is_counted_again_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, _) = with_changes(&dir, &hooks(&["a"]), 7).await;
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["a"]));

    assert_eq!(store.outbox().backlog(store.outbox().endpoint("a").unwrap()).await, 7);
}

#[tokio::test]
async fn the_queries_of_the_dispatcher_use_their_indexes() {
    let dir = TempDir::new().unwrap();
    drop(with_changes(&dir, &hooks(&["a"]), 1).await);
    let db = database(&dir);
    let plans = [
        (
            "SELECT id FROM deliveries WHERE endpoint = 1 AND 5 < id AND state = 'pending' ORDER BY id",
            "deliveries_pending",
        ),
        (
            "SELECT id FROM deliveries WHERE endpoint = 1 AND user = 'a' AND state = 'pending' ORDER BY id LIMIT 1",
            "deliveries_of_user",
        ),
        (
            "SELECT 1 FROM deliveries d CROSS JOIN events e ON e.id = d.event WHERE d.state = 'dead' AND 5 < d.id ORDER BY d.id",
            "deliveries_by_state",
        ),
        (
            "SELECT 1 FROM deliveries d INDEXED BY deliveries_failing CROSS JOIN events e ON e.id = d.event WHERE d.state = 'pending' AND d.attempts > 0 AND 5 < d.id ORDER BY d.id",
            "deliveries_failing",
        ),
        (
            "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_by_state WHERE state = 'dead' AND endpoint = 1 LIMIT 9)",
            "deliveries_by_state",
        ),
        (
            "SELECT 1 FROM deliveries WHERE event = 5 AND (state = 'pending' OR 7 <= ended_ms)",
            "deliveries_by_event",
        ),
    ];
    for (sql, index) in plans {
        let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan = query.query_map([], |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<String> = plan.map(Result::unwrap).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{sql}: {plan:?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}: {plan:?}");
    }
}

#[tokio::test]
async fn the_hooks_of_one_user_are_found_by_way_of_its_events() {
    let dir = TempDir::new().unwrap();
    drop(with_changes(&dir, &hooks(&["a"]), 1).await);
    let sql = "EXPLAIN QUERY PLAN SELECT 1 FROM events e CROSS JOIN deliveries d ON d.event = e.id \
               WHERE e.user = 'a' AND 5 < d.id ORDER BY d.id";
    let db = database(&dir);
    let mut query = db.prepare(sql).unwrap();
    let plan = query.query_map([], |row| row.get::<_, String>(3)).unwrap();
    let plan: Vec<String> = plan.map(Result::unwrap).collect();

    assert!(plan[0].starts_with("SEARCH e USING"), "{plan:?}");
    assert!(plan[1].contains("deliveries_by_event"), "{plan:?}");
}

/// A store with `count` changes of `ann`, seq 1 to `count`.
pub(super) async fn with_changes(
    dir: &TempDir,
    config: &HooksConfig,
    count: u64,
) -> (Store, EndpointId) {
    let (store, _) = open(dir, config);
    for seq in 1..=count {
        record(&store, online("ann", seq)).await;
    }
    store.flush().await.unwrap();
    let endpoint = store.outbox().endpoint(&config.endpoints[0].name).unwrap();
    (store, endpoint)
}

pub(super) fn delivered(head: &PendingHook) -> Settlement {
    settlement(head, DeliveryVerdict::Delivered, 1)
}

/// Given up at [`NOW`].
pub(super) fn dead(head: &PendingHook) -> Settlement {
    settlement(head, DeliveryVerdict::Dead(Death::Expired), 9)
}

fn settlement(head: &PendingHook, verdict: DeliveryVerdict, attempts: u32) -> Settlement {
    let next_attempt = matches!(verdict, DeliveryVerdict::Retry { .. }).then_some(WallMs(NOW + 77));
    Settlement {
        decision: DeliveryDecision {
            id: head.id,
            user: head.user.clone(),
            attempts,
            verdict,
            has_more: true,
        },
        at: WallMs(NOW),
        next_attempt,
        error: Some("status 500".to_owned()),
    }
}
