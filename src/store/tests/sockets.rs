//! Sockets that come and go, where that is news.

use super::{NOW, hooks, offline, online, open, user};
use crate::config::{Coalesce, HooksConfig};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::hook_body;
use crate::store::{Recovered, Store};
use crate::types::{
    Namespace, Reason, Seq, SocketChange, SocketId, SocketPortrait, UserNews, WallMs,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use tempfile::TempDir;

fn telling(endpoints: &[&str]) -> HooksConfig {
    let mut config = hooks(endpoints);
    config.sockets = true;
    for endpoint in &mut config.endpoints {
        endpoint.events.extend(SocketChange::HOOK_TYPES.map(str::to_owned));
    }
    config
}

fn change(name: &str, n: u8, seq: u64, end: Option<Reason>) -> UserNews {
    let socket = SocketPortrait {
        id: SocketId::from_bytes([n; SocketId::BYTES]),
        namespace: Namespace::root(),
        device: None,
        address: [203, 0, 113, 7].into(),
        user_agent: Some("Mozilla/5.0".into()),
        transport: "polling",
        connected_at: WallMs(NOW + u64::from(n)),
        granted: Some(format!(r#""rooms":[],"data":"{name}""#).into()),
        attached: None,
    };
    let (user, session, at) = (user(name), Seq(1), WallMs(NOW + seq));
    UserNews::Socket(SocketChange { user, seq: Seq(seq), session, at, socket, end })
}

/// The socket of this user that has the number of the event came.
pub(super) fn came(name: &str, seq: u64) -> UserNews {
    change(name, u8::try_from(seq).unwrap(), seq, None)
}

/// That with the number `n` went.
fn went(name: &str, n: u8, seq: u64) -> UserNews {
    change(name, n, seq, Some(Reason::PingTimeout))
}

async fn record(store: &Store, news: Vec<UserNews>) {
    store.presence().reserve().await.unwrap().record_all(news);
    store.flush().await.unwrap();
}

/// What waits for an endpoint: types, sockets and how many each stands for.
async fn waiting(store: &Store, endpoint: &str) -> Vec<(String, u64)> {
    let endpoint = store.outbox().endpoint(endpoint).unwrap();
    let heads = store.outbox().pending(endpoint, DeliveryId(0), 1000).await.unwrap();
    let ids = heads.iter().map(|it| it.id).collect();
    let payloads = store.outbox().payloads(endpoint, ids).await.unwrap();
    let described = payloads.iter().map(|it| {
        let body: Value = serde_json::from_str(&it.body).unwrap();
        let kind = body["type"].as_str().unwrap().to_owned();
        (kind, body["data"]["coalesced"].as_u64().unwrap_or(0))
    });
    described.collect()
}

async fn log(store: &Store) -> Vec<(u64, String, Value)> {
    let items = store.events().page(0, 1000).await.unwrap().items;
    let read = items.into_iter().map(|it| {
        let body: Value = serde_json::from_str(&it.body).unwrap();
        (it.seq.0, it.hook_type, body["data"].clone())
    });
    read.collect()
}

#[tokio::test]
async fn a_socket_is_news_for_those_endpoints_that_want_it_and_in_the_log() {
    let dir = TempDir::new().unwrap();
    let mut config = telling(&["a", "b"]);
    config.endpoints[1].events = vec![SocketChange::DISCONNECTED.to_owned()];
    let (store, _) = open(&dir, &config);

    record(&store, vec![UserNews::User(online("ann", 1)), came("ann", 2)]).await;
    record(&store, vec![went("ann", 2, 3), UserNews::User(offline("ann", 4, 1))]).await;
    record(&store, vec![came("ann", 2), went("ann", 2, 3)]).await;

    let kinds =
        ["user.online", SocketChange::CONNECTED, SocketChange::DISCONNECTED, "user.offline"];
    let all: Vec<_> = waiting(&store, "a").await.into_iter().map(|it| it.0).collect();
    assert_eq!(all, kinds, "in order, and once however often they are recorded");
    assert_eq!(waiting(&store, "b").await, [(SocketChange::DISCONNECTED.to_owned(), 0)]);
    let log = log(&store).await;
    assert_eq!(log.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), kinds);
    assert_eq!(log[2].2["duration_ms"], 1);
    assert_eq!(store.presence().last_seen(&user("ann")).await.unwrap(), Some(WallMs(NOW - 1000)));
}

#[tokio::test]
async fn a_socket_whose_end_nobody_saw_has_ended_when_the_last_life_did() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &telling(&["a"]));
    record(&store, vec![UserNews::User(online("ann", 1)), came("ann", 2), came("ann", 3)]).await;
    record(&store, vec![went("ann", 2, 4), came("bob", 5)]).await;
    store.close().await;

    let (store, recovered) = open(&dir, &telling(&["a"]));
    assert_eq!(recovered.last_seq, Seq(7), "of two sockets the end is still to be told");
    let (now, ended) = (WallMs(NOW + 90_000), WallMs(NOW + 60_003));
    store.presence().end_lost_sockets(now, Some(ended)).await.unwrap();
    store.presence().end_lost_sockets(now, Some(ended)).await.unwrap();

    let log = log(&store).await;
    let (seq, kind, data) = &log[5];
    assert_eq!((*seq, kind.as_str(), log.len()), (6, SocketChange::DISCONNECTED, 7));
    assert_eq!((&data["user"], &data["reason"]), (&"ann".into(), &"server_restart".into()));
    assert_eq!(data["duration_ms"], 60_000);
    assert_eq!(data["data"], "ann", "as it was written down when it came");
    assert_eq!(waiting(&store, "a").await.len(), 7);
    store.close().await;
    let Recovered { last_seq, .. } = open(&dir, &telling(&["a"])).1;
    assert_eq!(last_seq, Seq(7));
}

/// More than one transaction has.
#[tokio::test]
async fn the_ends_of_very_many_sockets_that_nobody_saw_are_all_told_once() {
    const MANY: usize = 2500;
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &telling(&["a"]));
    for from in (0..MANY).step_by(500) {
        let come = |n: usize| change(&format!("u{n}"), 1, u64::try_from(n).unwrap() + 1, None);
        record(&store, (from..from + 500).map(come).collect()).await;
    }
    store.close().await;

    let (store, recovered) = open(&dir, &telling(&["a"]));
    assert_eq!(recovered.last_seq, Seq(5000));
    store.presence().end_lost_sockets(WallMs(NOW), None).await.unwrap();

    let (mut after, mut ended) = (0, Vec::new());
    while let items = store.events().page(after, 1000).await.unwrap().items
        && let Some(last) = items.last()
    {
        after = last.id;
        let is_end = |hook_type: &str| hook_type == SocketChange::DISCONNECTED;
        ended.extend(items.iter().filter(|it| is_end(&it.hook_type)).map(|it| it.seq.0));
    }
    let numbers: BTreeSet<u64> = ended.iter().copied().collect();
    assert_eq!((ended.len(), numbers.len()), (MANY, MANY));
    assert_eq!((numbers.first(), numbers.last()), (Some(&2501), Some(&5000)));
}

#[tokio::test]
async fn what_nobody_wants_to_hear_any_more_is_forgotten() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &telling(&["a"]));
    record(&store, vec![came("ann", 2)]).await;
    store.close().await;

    let (store, _) = open(&dir, &hooks(&["a"]));
    store.presence().end_lost_sockets(WallMs(NOW), None).await.unwrap();
    store.close().await;

    let (store, recovered) = open(&dir, &telling(&["a"]));
    assert_eq!(recovered.last_seq, Seq(2));
    assert_eq!(log(&store).await.len(), 1);
}

#[tokio::test]
async fn only_the_newest_of_each_socket_waits_if_only_that_is_wanted() {
    let dir = TempDir::new().unwrap();
    let config = HooksConfig { coalesce: Coalesce::Latest, ..telling(&["a"]) };
    let (store, _) = open(&dir, &config);

    record(&store, vec![UserNews::User(online("ann", 1)), came("ann", 2), came("ann", 3)]).await;
    record(&store, vec![went("ann", 2, 4), UserNews::User(offline("ann", 5, 1))]).await;

    let expected =
        [(SocketChange::CONNECTED, 0), (SocketChange::DISCONNECTED, 1), ("user.offline", 1)];
    assert_eq!(waiting(&store, "a").await, expected.map(|(kind, n)| (kind.to_owned(), n)));
}

#[tokio::test]
async fn a_full_backlog_grows_by_one_of_each_type_of_a_user_at_most() {
    let dir = TempDir::new().unwrap();
    let config = HooksConfig { backlog_max: 2, ..telling(&["a"]) };
    let (store, _) = open(&dir, &config);
    record(&store, vec![UserNews::User(online("ann", 1)), came("ann", 2)]).await;

    for n in 1..100_u8 {
        let seq = u64::from(n) * 10;
        record(&store, vec![change("ann", n, seq, None), went("ann", n, seq + 1)]).await;
    }

    let expected =
        [("user.online", 0), (SocketChange::CONNECTED, 99), (SocketChange::DISCONNECTED, 98)];
    assert_eq!(waiting(&store, "a").await, expected.map(|(kind, n)| (kind.to_owned(), n)));
}

/// The statements of the documentation.
fn recipe() -> (String, String) {
    let page = include_str!("../../../docs/hooks.md");
    let (_, from) = page.split_once("```sql\nCREATE TABLE connections").unwrap();
    let (text, _) = from.split_once("```").unwrap();
    let (table, rule) = text.split_once(";\n").unwrap();
    (format!("CREATE TABLE connections{table}"), rule.trim().trim_end_matches(';').to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_of_the_documentation_is_the_same_whatever_comes_twice_or_late(
        order in vec(0..6_usize, 0..30),
    ) {
        let bodies: Vec<Value> = (1..=3_u8)
            .flat_map(|n| [change("ann", n, 10, None), went("ann", n, 20)])
            .map(|news| {
                let UserNews::Socket(change) = news else { panic!() };
                serde_json::from_str(&hook_body::render_socket(&change)).unwrap()
            })
            .collect();
        let db = Connection::open_in_memory().unwrap();
        let (table, rule) = recipe();
        db.execute_batch(&table).unwrap();

        for body in order.iter().map(|n| &bodies[*n]["data"]) {
            let text = |name: &str| body[&name[1..]].as_str().map(str::to_owned);
            let names = [
                ":socket", ":user", ":address", ":user_agent", ":connected_at", ":disconnected_at", ":reason",
            ];
            let mut rule = db.prepare(&rule).unwrap();
            for name in names {
                let index = rule.parameter_index(name).unwrap().unwrap();
                rule.raw_bind_parameter(index, text(name)).unwrap();
            }
            rule.raw_execute().unwrap();
        }

        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let sockets = |odd: bool| {
            let of = order.iter().filter(|n| !odd || **n % 2 == 1).map(|n| n / 2);
            i64::try_from(of.collect::<BTreeSet<_>>().len()).unwrap()
        };
        prop_assert_eq!(count("SELECT count(*) FROM connections"), sockets(false));
        let ended = "SELECT count(*) FROM connections WHERE reason = 'ping_timeout' AND disconnected_at > connected_at";
        prop_assert_eq!(count(ended), sockets(true));
    }
}
