//! The dispatcher against a real receiver that accepts, fails, hangs, resets, rejects and disappears.

mod faults;
mod receiver;

use super::{EndpointStatus, Hooks, StartError};
use crate::clock::Clock;
use crate::config::{Coalesce, EndpointConfig, HooksConfig, StoreConfig};
use crate::core::backend::signature::{self, SignedHeaders};
use crate::core::delivery::dispatch::Health;
use crate::core::delivery::record::DeliveryState;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::types::{Change, ChangeKind, Portrait, Reason, Secret, UserId, WallMs};
use receiver::{Received, Receiver, Reply};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_change_arrives_signed_as_the_specification_says() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Status(204)).await;
    let mut config = config(&receiver.url());
    config.endpoints[0].secrets = vec![secret(2), secret(1)];
    let server = Server::start(&config, &tasks);

    server.online("ann").await;
    until(|| !receiver.received().is_empty()).await;

    let hook = receiver.received().remove(0);
    assert_eq!(hook.header("content-type"), "application/json");
    assert!(hook.header("user-agent").starts_with("userline/"));
    assert!(hook.header("webhook-id").starts_with("pr_"));
    assert_eq!(hook.header("webhook-signature").split(' ').count(), 2);
    for one in [secret(1), secret(2)] {
        assert_eq!(verify(&hook, &one), Ok(()));
    }
    assert!(verify(&hook, &secret(3)).is_err());
    assert_eq!(hook.json()["type"], "user.online");
    assert_eq!(hook.user(), "ann");
}

#[tokio::test]
async fn a_failed_hook_is_sent_again_with_the_same_id_and_body_before_the_users_next() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.repeats < 2 { Reply::Status(500) } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&config(&receiver.url()), &tasks);

    server.online("ann").await;
    server.offline("ann").await;
    until(|| receiver.accepted().len() == 2).await;

    let hooks = receiver.received();
    let types: Vec<_> = hooks.iter().map(|it| it.json()["type"].to_string()).collect();
    assert_eq!(types[..3], [r#""user.online""#; 3]);
    assert_eq!(types[3..], [r#""user.offline""#; 3]);
    for repeat in &hooks[1..3] {
        assert_eq!(repeat.header("webhook-id"), hooks[0].header("webhook-id"));
        assert_eq!(repeat.body, hooks[0].body);
        assert_eq!(verify(repeat, &secret(1)), Ok(()), "each attempt has its own timestamp");
    }
    until_async(async || server.count(DeliveryState::Delivered).await == 2).await;
    let listed =
        server.store.outbox().deliveries(None, DeliveryState::Delivered, None, 10).await.unwrap();
    assert!(listed.items.iter().all(|it| it.attempts == 3));
}

#[tokio::test]
async fn users_are_served_side_by_side_and_each_one_in_order() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Slow(3)).await;
    let server = Server::start(&HooksConfig { concurrency: 7, ..config(&receiver.url()) }, &tasks);

    for _ in 0..10 {
        for user in 0..20 {
            server.online(&format!("u{user}")).await;
        }
    }
    until(|| receiver.accepted().len() == 200).await;

    assert_eq!(receiver.widest(), (7, 1), "seven at once, one of each user");
    let mut last = BTreeMap::new();
    for hook in receiver.received() {
        assert_eq!(hook.repeats, 0);
        let before = last.insert(hook.user(), hook.seq());
        assert!(before < Some(hook.seq()), "out of order");
    }
    until_async(async || server.status().await.backlog == 0).await;
    assert_eq!(server.status().await.health, Health::Ok);
}

#[tokio::test]
async fn unsent_hooks_survive_a_restart_with_their_ids() {
    let dir = TempDir::new().unwrap();
    let first = Tasks::new();
    let down = Receiver::start(&first, |_| Reply::Status(503)).await;
    let server = Server::start_in(dir, &config(&down.url()), &first);
    server.online("ann").await;
    server.online("bob").await;
    until(|| 2 <= down.received().len()).await;
    let Server { dir, store, hooks, .. } = server;
    hooks.drain(Duration::from_secs(1)).await;
    store.close().await;
    first.stop(PATIENCE).await;

    let second = Tasks::new();
    let up = Receiver::start(&second, |_| Reply::Status(200)).await;
    let server = Server::start_in(dir, &config(&up.url()), &second);
    until(|| up.received().len() == 2).await;

    let ids = |all: Vec<Received>| -> std::collections::BTreeSet<String> {
        all.iter().map(|it| it.header("webhook-id").to_owned()).collect()
    };
    assert_eq!(ids(up.received()), ids(down.received()));
    until_async(async || server.status().await.backlog == 0).await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_on_its_way_and_sends_what_is_due() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Slow(200)).await;
    let server = Server::start(&HooksConfig { concurrency: 2, ..config(&receiver.url()) }, &tasks);
    for user in 0..6 {
        server.online(&format!("u{user}")).await;
    }
    server.store.flush().await.unwrap();

    server.hooks.drain(PATIENCE).await;

    assert_eq!(receiver.received().len(), 6);
    assert_eq!(server.count(DeliveryState::Delivered).await, 6);
    server.online("later").await;
    server.store.flush().await.unwrap();
    server.hooks.drain(PATIENCE).await;
    assert_eq!(server.count(DeliveryState::Pending).await, 1, "the dispatcher has stopped");
}

#[tokio::test]
async fn a_drain_ends_at_its_limit_whatever_the_receiver_does() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Hang).await;
    let server = Server::start(&config(&receiver.url()), &tasks);
    server.online("ann").await;
    until(|| !receiver.received().is_empty()).await;

    let drained = tokio::time::timeout(PATIENCE, server.hooks.drain(Duration::from_millis(300)));

    drained.await.expect("the limit is kept");
    assert_eq!(server.count(DeliveryState::Pending).await, 1, "it is sent after the next start");
}

#[tokio::test]
async fn a_batch_is_one_signed_array() {
    let tasks = Tasks::new();
    let gate = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let opened = std::sync::Arc::clone(&gate);
    let receiver = Receiver::start(&tasks, move |_| {
        if opened.swap(true, std::sync::atomic::Ordering::Relaxed) {
            Reply::Status(200)
        } else {
            Reply::Slow(300)
        }
    })
    .await;
    let batching = HooksConfig { concurrency: 1, batch_max: 10, ..config(&receiver.url()) };
    let server = Server::start(&batching, &tasks);

    server.online("first").await;
    until(|| receiver.received().len() == 1).await;
    for user in 0..15 {
        server.online(&format!("u{user}")).await;
    }
    until_async(async || server.count(DeliveryState::Delivered).await == 16).await;

    let sizes: Vec<usize> =
        receiver.received().iter().map(|it| it.json().as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 10, 5]);
    for hook in receiver.received() {
        assert!(hook.header("webhook-id").starts_with("ba_"));
        assert_eq!(verify(&hook, &secret(1)), Ok(()));
    }
}

#[tokio::test]
async fn coalescing_sends_the_newest_after_an_outage() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.json()["data"]["coalesced"].is_null() {
            Reply::Status(500)
        } else {
            Reply::Status(200)
        }
    })
    .await;
    let config = HooksConfig { coalesce: Coalesce::Latest, ..config(&receiver.url()) };
    let server = Server::start(&config, &tasks);

    server.online("ann").await;
    until(|| !receiver.received().is_empty()).await;
    server.offline("ann").await;
    server.online("ann").await;
    until(|| !receiver.accepted().is_empty()).await;

    let last = receiver.accepted().remove(0).json();
    assert_eq!(last["type"], "user.online");
    assert_eq!(last["data"]["coalesced"], 2);
    until_async(async || server.status().await.backlog == 0).await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_does_not_hold_up_another() {
    let tasks = Tasks::new();
    let up = Receiver::start(&tasks, |_| Reply::Status(200)).await;
    let mut config = config("http://127.0.0.1:1/");
    let mut second = config.endpoints[0].clone();
    (second.name, second.url) = ("up".to_owned(), up.url());
    second.events = vec!["user.offline".to_owned()];
    config.endpoints.push(second);
    let server = Server::start(&config, &tasks);

    server.online("ann").await;
    server.offline("ann").await;
    until(|| up.received().len() == 1).await;

    assert_eq!(up.received()[0].json()["type"], "user.offline");
    until_async(async || {
        let statuses = server.hooks.status().await.unwrap();
        statuses.iter().map(|it| it.backlog).eq([2, 0])
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_at_the_start() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, &config("ftp://example.com/"));
    let start = |url| {
        Hooks::start(
            &config(url),
            store.outbox(),
            &Clock::start(crate::types::Seq(0)),
            &Tasks::new(),
        )
    };

    for url in ["ftp://example.com/", "nonsense", "http://"] {
        let refused = start(url).unwrap_err();
        assert!(matches!(refused, StartError::Url { .. }), "{url}");
        assert!(refused.to_string().contains("`main`"));
    }
}

struct Server {
    dir: TempDir,
    store: Store,
    hooks: Hooks,
    clock: Clock,
}

impl Server {
    fn start(config: &HooksConfig, tasks: &Tasks) -> Self {
        Self::start_in(TempDir::new().unwrap(), config, tasks)
    }

    fn start_in(dir: TempDir, config: &HooksConfig, tasks: &Tasks) -> Self {
        Self::start_with(dir, config, tasks, Clock::start(crate::types::Seq(0)))
    }

    fn start_with(dir: TempDir, config: &HooksConfig, tasks: &Tasks, clock: Clock) -> Self {
        let store = open(&dir, config);
        let hooks = Hooks::start(config, store.outbox(), &clock, tasks).unwrap();
        Self { dir, store, hooks, clock }
    }

    async fn online(&self, user: &str) {
        self.change(user, ChangeKind::Online).await;
    }

    async fn offline(&self, user: &str) {
        let (reason, wall) = (Reason::TransportClose, self.clock.wall());
        let kind = ChangeKind::Offline { reason, online_since: wall, last_socket_closed_at: wall };
        self.change(user, kind).await;
    }

    async fn change(&self, user: &str, kind: ChangeKind) {
        let at = self.clock.moment();
        let user = UserId::parse(user).unwrap();
        let portrait = Portrait::default();
        let change = Change { user, seq: at.seq, session: at.seq, at: at.wall, kind, portrait };
        self.store.presence().reserve().await.unwrap().record(change);
    }

    /// How the first endpoint is doing.
    async fn status(&self) -> EndpointStatus {
        self.hooks.status().await.unwrap().remove(0)
    }

    async fn count(&self, state: DeliveryState) -> usize {
        self.store.outbox().deliveries(None, state, None, 1000).await.unwrap().items.len()
    }
}

fn open(dir: &TempDir, config: &HooksConfig) -> Store {
    let keep_events = Duration::from_hours(72);
    let store_config =
        StoreConfig { data_dir: dir.path().to_owned(), keep_events, keep_items: keep_events };
    Store::open(&store_config, config).unwrap().0
}

fn config(url: &str) -> HooksConfig {
    HooksConfig {
        endpoints: vec![EndpointConfig {
            name: "main".to_owned(),
            url: url.to_owned(),
            secrets: vec![secret(1)],
            events: vec!["user.online".to_owned(), "user.offline".to_owned()],
        }],
        timeout: Duration::from_secs(5),
        retry_for: Duration::from_hours(72),
        concurrency: 8,
        reject_after: 2,
        allow_private: true,
        ca: Vec::new(),
        coalesce: Coalesce::None,
        backlog_max: 1_000_000,
        identity: false,
        sockets: false,
        batch_max: 1,
    }
}

fn secret(byte: u8) -> Secret {
    Secret::new(vec![byte; 32])
}

fn verify(hook: &Received, secret: &Secret) -> Result<(), signature::VerifyError> {
    let headers = SignedHeaders {
        id: hook.header("webhook-id"),
        timestamp: hook.header("webhook-timestamp"),
        signature: hook.header("webhook-signature"),
    };
    let now: WallMs = Clock::start(crate::types::Seq(0)).wall();
    signature::verify(secret, headers, hook.body.as_bytes(), now, Duration::from_mins(1))
}

async fn until(mut condition: impl FnMut() -> bool) {
    until_async(async || condition()).await;
}

async fn until_async(mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens in time");
}

#[tokio::test]
async fn news_that_comes_while_many_hooks_are_read_stops_nothing() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Status(200)).await;
    let server = Server::start(&config(&receiver.url()), &tasks);

    for wave in 0..30 {
        for user in 0..64 {
            server.online(&format!("u{wave}-{user}")).await;
        }
        server.store.flush().await.unwrap();
    }

    until(|| receiver.accepted().len() == 30 * 64).await;
}
