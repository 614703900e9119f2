//! Entries of a stream in a real Redis: emitted in order, acknowledged afterwards, none lost whatever is killed.

use super::listener::Listener;
use super::world::{PATIENCE, Running};
use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::redis::Redis;
use crate::rig::server::{Server, common};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

const STREAM: &str = "userline:emits";
const FAILED: &str = "userline:emits:failed";

/// A Redis with a stream.
pub(super) struct StreamWorld {
    pub(super) redis: Redis,
    client: MultiplexedConnection,
}

impl StreamWorld {
    pub(super) async fn start() -> Self {
        let redis = Redis::start().await;
        let client = redis.client().await;
        Self { redis, client }
    }

    /// Adds an entry with these fields; its id.
    async fn add(&mut self, fields: &[(&str, &str)]) -> String {
        let mut add = cmd("XADD");
        add.arg(STREAM).arg("*").arg(fields);
        self.ask(add).await
    }

    async fn emit(&mut self, emit: &Value) -> String {
        self.add(&[("emit", &emit.to_string())]).await
    }

    async fn ask<T: FromRedisValue>(&mut self, command: Cmd) -> T {
        command.query_async(&mut self.client).await.unwrap()
    }

    /// Waits until at most so many entries wait.
    async fn waiting(&mut self, most: u64) {
        let waiting = async || {
            let mut len = cmd("XLEN");
            len.arg(STREAM);
            self.ask::<u64>(len).await <= most
        };
        eventually("entries are taken", PATIENCE, waiting).await;
    }

    pub(super) async fn drained(&mut self) {
        self.waiting(0).await;
    }

    pub(super) async fn server(&self, more: &str) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let configuration = self.configuration(&dir, more);
        let server = Server::run(dir.path(), &configuration).await;
        Running { api: Api::new(server.admin), server, dir }
    }

    fn configuration(&self, dir: &TempDir, more: &str) -> String {
        let common = common(&dir.path().join("data").to_string_lossy(), "0s");
        let url = self.redis.url();
        format!(
            r#"
{common}[[ingest.redis_stream]]
name = "orders"
url = "{url}"
{more}
"#
        )
    }
}

fn to_ann(number: u64) -> Value {
    json!({"to": {"users": ["ann"]}, "event": "n", "data": number})
}

fn stored(number: u64) -> Value {
    json!({"to": {"users": ["ann"]}, "event": "n", "data": number, "store": "always"})
}

async fn inbox(running: &Running) -> Vec<u64> {
    let inbox = running.api.get("/v1/users/ann/inbox?limit=1000").await;
    let items = inbox["items"].as_array().unwrap();
    items.iter().rev().map(|it| it["args"][0].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn entries_are_emitted_in_order_and_gone_and_bad_ones_keep_nobody_waiting() {
    let mut world = StreamWorld::start().await;
    // Before there was a server.
    let first = world.emit(&stored(0)).await;
    let running = world.server("batch = 3\nallow_events = [\"n\"]").await;
    running.is("active").await;
    world.drained().await;
    let ann = Listener::connect("ann", running.server.public).await;

    for number in 1..20 {
        world.emit(&to_ann(number)).await;
        if number % 5 == 0 {
            world.add(&[("emit", "{half"), ("mine", "7")]).await;
        }
    }
    world.add(&[("other", "field")]).await;
    world.emit(&json!({"to": {"all": true}, "event": "forbidden"})).await;
    world.add(&[("emit", &stored(77).to_string()), ("key", "a")]).await;
    world.add(&[("emit", &stored(77).to_string()), ("key", "a")]).await;
    world.drained().await;

    assert_eq!(ann.numbers(20).await, (1..20).chain([77]).collect::<Vec<_>>());
    assert_eq!(inbox(&running).await, [0, 77]);
    let stored = running.api.get("/v1/users/ann/inbox").await;
    let ids: Vec<&str> =
        stored["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["orders:a".to_owned(), format!("orders:{first}")]);
    let mut asked = cmd("XRANGE");
    asked.arg(FAILED).arg("-").arg("+");
    let failed: Vec<(String, Vec<(String, String)>)> = world.ask(asked).await;
    let fields: Vec<_> = failed.iter().map(|(_, fields)| fields).collect();
    let of = |index: usize, name: &str| {
        fields[index].iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    };
    assert_eq!(fields.len(), 5);
    assert!(
        of(0, "error").starts_with("invalid_json: ")
            || of(0, "error").starts_with("invalid_argument: "),
        "{}",
        of(0, "error")
    );
    assert_eq!((of(0, "emit"), of(0, "mine")), ("{half", "7"), "as it was written");
    assert!(of(0, "id").contains('-'));
    assert!(of(3, "error").contains("no field `emit`"), "{}", of(3, "error"));
    assert!(of(4, "error").starts_with("forbidden: "), "{}", of(4, "error"));
    let source = running.source().await;
    assert_eq!(source["kind"], "redis_stream");
    assert_eq!(
        (&source["counts"]["refused"], &source["counts"]["repeated"]),
        (&json!(5), &json!(1))
    );
    eventually("what failed is counted", PATIENCE, async || {
        let source = running.source().await;
        source["failed"] == 5 && source["backlog"] == 0
    })
    .await;
    ann.leave().await;
}

#[tokio::test]
async fn a_server_that_is_killed_loses_no_entry_and_stores_none_twice() {
    const ENTRIES: u64 = 600;
    let mut world = StreamWorld::start().await;
    let mut running = world.server("batch = 10").await;
    for number in 0..ENTRIES {
        world.emit(&stored(number)).await;
    }
    for done in [100, 300] {
        world.waiting(ENTRIES - done).await;
        let Running { mut server, dir, .. } = running;
        server.kill().await;
        let configuration = std::fs::read_to_string(dir.path().join("userline.toml")).unwrap();
        let server = Server::run(dir.path(), &configuration).await;
        running = Running { api: Api::new(server.admin), server, dir };
    }

    world.drained().await;
    assert_eq!(inbox(&running).await, (0..ENTRIES).collect::<Vec<_>>(), "each once, in order");
    let mut pending = cmd("XPENDING");
    pending.arg(STREAM).arg("userline");
    let pending: (u64, redis::Value, redis::Value, redis::Value) = world.ask(pending).await;
    assert_eq!(pending.0, 0, "none is left unacknowledged");
}

#[tokio::test]
async fn a_redis_that_is_killed_loses_no_entry_and_nobody_hears_one_twice() {
    const ENTRIES: u64 = 1000;
    let mut world = StreamWorld::start().await;
    for number in 0..ENTRIES {
        world.emit(&to_ann(number)).await;
    }
    // It waits for the group, which is made when the server finds the stream.
    let dir = tempfile::tempdir().unwrap();
    let configuration = world.configuration(&dir, "batch = 20");
    world.redis.stop();
    let server = Server::run(dir.path(), &configuration).await;
    let running = Running { api: Api::new(server.admin), server, dir };
    running.fails("unreachable").await;
    let ann = Listener::connect("ann", running.server.public).await;
    world.redis.run().await;
    ann.numbers(60).await;
    world.redis.stop();
    running.fails("unreachable").await;
    world.redis.run().await;
    world.client = world.redis.client().await;

    let numbers = ann.numbers(usize::try_from(ENTRIES).unwrap()).await;
    world.drained().await;
    running.is("active").await;
    assert_eq!(numbers, (0..ENTRIES).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(ann.heard().len(), numbers.len());
    ann.leave().await;
}

#[tokio::test]
async fn one_server_reads_and_another_takes_over_when_it_is_gone() {
    let mut world = StreamWorld::start().await;
    let first = world.server("").await;
    first.is("active").await;
    let mut second = world.server("").await;
    second.is("standby").await;
    let on_first = Listener::connect("ann", first.server.public).await;
    let on_second = Listener::connect("ann", second.server.public).await;

    for number in 0..50 {
        world.emit(&to_ann(number)).await;
    }
    assert_eq!(on_first.numbers(50).await, (0..50).collect::<Vec<_>>());
    // It stands still for longer than its turn lasts: what it had read is for who takes over.
    first.server.signal("-STOP").await;
    second.is("active").await;
    for number in 50..100 {
        world.emit(&to_ann(number)).await;
    }
    assert_eq!(on_second.numbers(50).await, (50..100).collect::<Vec<_>>());
    first.server.signal("-CONT").await;
    first.is("standby").await;
    assert_eq!(on_first.heard().len(), 50, "it does not send what is not its turn");

    // An orderly stop gives the turn back at once.
    assert_eq!(second.server.terminate().await.code(), Some(0));
    first.is("active").await;
    world.emit(&to_ann(100)).await;
    assert_eq!(on_first.numbers(51).await.last(), Some(&100));
    on_first.leave().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_a_code() {
    let mut world = StreamWorld::start().await;
    let mut set = cmd("SET");
    set.arg(STREAM).arg("no stream");
    world.ask::<()>(set).await;
    let running = world.server("").await;
    running.fails("wrong_type").await;

    let mut wipe = cmd("DEL");
    wipe.arg(STREAM);
    world.ask::<u8>(wipe).await;
    running.is("active").await;
    // Whoever flushes the database takes the group away as well; it is made again.
    tokio::time::timeout(Duration::from_mins(1), async {
        world.ask::<()>(cmd("FLUSHALL")).await;
        let ann = Listener::connect("ann", running.server.public).await;
        world.emit(&to_ann(1)).await;
        assert_eq!(ann.numbers(1).await, [1]);
        ann.leave().await;
    })
    .await
    .unwrap();
}
