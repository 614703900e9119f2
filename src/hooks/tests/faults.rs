//! Receivers that misbehave, each in its own way.

use super::{PATIENCE, Receiver, Reply, Server, config, until, until_async};
use crate::clock::Clock;
use crate::config::HooksConfig;
use crate::core::delivery::dispatch::Health;
use crate::core::delivery::outbox::DeadRange;
use crate::core::delivery::record::DeliveryState;
use crate::tasks::Tasks;
use crate::types::{Seq, WallMs};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_rejected_hook_is_a_dead_letter_that_can_be_replayed_and_holds_up_nobody() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        let is_bad = hook.user() == "bad" && hook.json()["type"] == "user.online";
        if is_bad && hook.repeats < 2 { Reply::Status(422) } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&config(&receiver.url()), &tasks);

    server.online("bad").await;
    server.online("good").await;
    server.offline("bad").await;
    until(|| receiver.accepted().iter().any(|it| it.user() == "good")).await;
    until_async(async || server.count(DeliveryState::Dead).await == 1).await;
    until(|| receiver.received().iter().any(|it| it.json()["type"] == "user.offline")).await;

    let dead =
        server.store.outbox().deliveries(None, DeliveryState::Dead, None, 10).await.unwrap().items;
    assert_eq!((dead[0].attempts, dead[0].error.as_deref()), (2, Some("status 422")));
    server.store.outbox().replay(dead[0].id, server.clock.wall()).await.unwrap();
    until(|| receiver.accepted().iter().any(|it| it.header("webhook-id") == dead[0].webhook_id))
        .await;
    until_async(async || server.count(DeliveryState::Dead).await == 0).await;
}

#[tokio::test]
async fn a_receiver_that_is_set_up_wrongly_makes_no_dead_letters() {
    let statuses = [401, 403, 404, 405, 419];
    let tasks = Tasks::new();
    let recoveries = statuses.map(async |status| {
        let receiver = Receiver::start(&tasks, move |hook| {
            if hook.repeats < 2 { Reply::Status(status) } else { Reply::Status(200) }
        })
        .await;
        let config = HooksConfig { reject_after: 1, ..config(&receiver.url()) };
        let server = Server::start(&config, &tasks);
        server.online("ann").await;
        until_async(async || 0 < server.count(DeliveryState::Delivered).await).await;
        assert_eq!(receiver.received().len(), 3, "{status}");
    });

    futures_util::future::join_all(recoveries).await;
}

#[tokio::test]
async fn a_range_of_dead_letters_is_sent_again() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.repeats < 2 { Reply::Status(400) } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&config(&receiver.url()), &tasks);
    for user in ["a", "b", "c"] {
        server.online(user).await;
    }
    until_async(async || server.count(DeliveryState::Dead).await == 3).await;

    let endpoint = server.store.outbox().endpoint("main").unwrap();
    let range = DeadRange { endpoint, from: WallMs(0), to: WallMs(u64::MAX) };
    let replayed = server.store.outbox().replay_dead(range, server.clock.wall()).await.unwrap();

    assert_eq!(replayed.count, 3);
    until(|| receiver.accepted().len() == 3).await;
}

#[tokio::test]
async fn gone_stops_the_endpoint_and_a_wake_up_starts_it_again() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let shows = |value: u8| {
        let line = format!("userline_hook_endpoint_disabled{{endpoint=\"main\"}} {value}\n");
        recorder.handle().render().contains(&line)
    };
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.repeats == 0 { Reply::Status(410) } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&HooksConfig { concurrency: 1, ..config(&receiver.url()) }, &tasks);

    server.online("ann").await;
    server.online("bob").await;
    let both_are_kept = async || {
        let status = server.status().await;
        status.health == Health::Disabled && status.backlog == 2
    };
    until_async(both_are_kept).await;

    let status = server.status().await;
    assert_eq!(receiver.received().len(), 1, "nothing more is sent");
    assert_eq!(status.next_attempt, None);
    assert_eq!(status.last_error.unwrap().text, "status 410");
    assert!(status.oldest_pending.is_some());
    assert!(shows(1), "{}", recorder.handle().render());

    // The other one is answered 410 too, at its first attempt.
    let wake_until_both_arrive = async || {
        server.hooks.wake(server.store.outbox().endpoint("main").unwrap()).await;
        receiver.accepted().len() == 2
    };
    until_async(wake_until_both_arrive).await;
    assert_eq!(receiver.received().len(), 4, "each once refused, once accepted");
    until(|| shows(0)).await;
}

#[tokio::test]
async fn waking_one_endpoint_leaves_another_that_is_switched_off_alone() {
    let tasks = Tasks::new();
    let a = Receiver::start(&tasks, |hook| {
        if hook.repeats == 0 { Reply::Status(410) } else { Reply::Status(200) }
    })
    .await;
    let b = Receiver::start(&tasks, |_| Reply::Status(410)).await;
    let mut config = config(&a.url());
    let mut second = config.endpoints[0].clone();
    (second.name, second.url) = ("other".to_owned(), b.url());
    config.endpoints.push(second);
    let server = Server::start(&config, &tasks);
    server.online("ann").await;
    let healths = async || {
        let all = server.hooks.status().await.unwrap();
        all.iter().map(|it| it.health).collect::<Vec<_>>()
    };
    until_async(async || healths().await == [Health::Disabled; 2]).await;

    server.hooks.wake(server.store.outbox().endpoint("main").unwrap()).await;
    until_async(async || healths().await == [Health::Ok, Health::Disabled]).await;

    assert_eq!((a.received().len(), b.received().len()), (2, 1));
}

#[tokio::test]
async fn an_endpoint_that_has_nothing_left_but_dead_letters_is_well_and_shows_them() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Status(422)).await;
    let server = Server::start(&config(&receiver.url()), &tasks);

    server.online("ann").await;
    server.online("bob").await;
    until_async(async || server.status().await.dead_letters == 2).await;

    until_async(async || server.status().await.health == Health::Ok).await;
    assert_eq!(server.status().await.backlog, 0);
}

#[tokio::test]
async fn what_the_receiver_asked_to_wait_for_is_waited_for_over_a_restart() {
    let dir = tempfile::TempDir::new().unwrap();
    let (first, second) = (Tasks::new(), Tasks::new());
    let busy = Receiver::start(&first, |_| Reply::RetryAfter(503, 3600)).await;
    let server = Server::start_in(dir, &config(&busy.url()), &first);
    server.online("ann").await;
    until_async(async || server.count(DeliveryState::Failing).await == 1).await;
    let promised = server.status().await.next_attempt.unwrap();
    let Server { dir, store, hooks, .. } = server;
    hooks.drain(Duration::from_secs(1)).await;
    store.close().await;
    first.stop(PATIENCE).await;

    let up = Receiver::start(&second, |_| Reply::Status(200)).await;
    let server = Server::start_in(dir, &config(&up.url()), &second);
    server.online("bob").await;
    until(|| up.accepted().len() == 1).await;
    server.hooks.wake(server.store.outbox().endpoint("main").unwrap()).await;
    until_async(async || server.status().await.backlog == 1).await;

    let shown = server.status().await.next_attempt.unwrap();
    assert!(shown.0.abs_diff(promised.0) < 5_000, "{shown:?}, not {promised:?}");
    assert_eq!(up.received()[0].user(), "bob");
    assert_eq!(up.received().len(), 1);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_forward_makes_no_waiting_hook_too_old() {
    // A wall clock that is set by hand; one test uses it.
    static WALL: AtomicU64 = AtomicU64::new(1_785_577_260_000_000);
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| match (hook.kind().as_str(), hook.repeats) {
        ("user.online", _) => Reply::Slow(300),
        (_, 0) => Reply::Status(500),
        _ => Reply::Status(200),
    })
    .await;
    let clock = Clock::start_with(Seq(0), || WALL.load(Ordering::Relaxed));
    let dir = tempfile::TempDir::new().unwrap();
    let server = Server::start_with(dir, &config(&receiver.url()), &tasks, clock);
    server.online("ann").await;
    server.offline("ann").await;
    until(|| !receiver.received().is_empty()).await;

    WALL.fetch_add(30 * 24 * 3600 * 1_000_000, Ordering::Relaxed);

    until_async(async || server.count(DeliveryState::Delivered).await == 2).await;
    assert_eq!(
        receiver.received().len(),
        3,
        "the second one failed once, when its age was 30 days"
    );
}

#[tokio::test]
async fn an_event_of_a_failed_batch_keeps_its_id_and_its_bytes() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        match hook.json().as_array().unwrap()[0]["data"]["user"].as_str() {
            Some("first") => Reply::Slow(300),
            _ if hook.json().as_array().unwrap().len() == 1 => Reply::Status(200),
            _ => Reply::Status(500),
        }
    })
    .await;
    let batching = HooksConfig { concurrency: 1, batch_max: 10, ..config(&receiver.url()) };
    let server = Server::start(&batching, &tasks);
    server.online("first").await;
    until(|| receiver.received().len() == 1).await;
    for user in ["ann", "bob"] {
        server.online(user).await;
    }
    until_async(async || server.count(DeliveryState::Delivered).await == 3).await;

    let sizes: Vec<usize> =
        receiver.received().iter().map(|it| it.json().as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 2, 1, 1], "what failed together is sent again one by one");
    let listed =
        server.store.outbox().deliveries(None, DeliveryState::Delivered, None, 10).await.unwrap();
    let mut bytes = std::collections::BTreeMap::new();
    for request in receiver.received() {
        for element in request.json().as_array().unwrap() {
            let id = element["id"].as_str().unwrap().to_owned();
            let seen = bytes.entry(id).or_insert_with(|| element.to_string());
            assert_eq!(*seen, element.to_string());
        }
    }
    let ids: std::collections::BTreeSet<_> =
        listed.items.iter().map(|it| it.webhook_id.clone()).collect();
    assert_eq!(bytes.into_keys().collect::<std::collections::BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.repeats == 0 { Reply::Redirect } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&config(&receiver.url()), &tasks);

    server.online("ann").await;
    until(|| receiver.received().len() == 2).await;

    let error = server.status().await.last_error.unwrap().text;
    assert_eq!(error, "status 302: redirects are not followed");
    let ids: Vec<_> =
        receiver.received().iter().map(|it| it.header("webhook-id").to_owned()).collect();
    assert_eq!(ids[0], ids[1], "the second request is the retry");
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_one_timeout() {
    let tasks = Tasks::new();
    let receiver =
        Receiver::start(
            &tasks,
            |hook| {
                if hook.repeats == 0 { Reply::Hang } else { Reply::Status(200) }
            },
        )
        .await;
    let timeout = Duration::from_millis(200);
    let server = Server::start(&HooksConfig { timeout, ..config(&receiver.url()) }, &tasks);

    server.online("ann").await;
    until(|| receiver.accepted().len() == 1).await;

    let error = server.status().await.last_error.unwrap().text;
    assert!(error.starts_with("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_reset_is_tried_again() {
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::start(&config(&format!("http://{address}/")), &tasks);
    server.online("ann").await;

    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        // What is unread makes the close a reset.
        drop(stream);
    }
    drop(listener);
    let receiver = Receiver::start_at(&tasks, address, |_| Reply::Status(200)).await;

    until(|| receiver.received().len() == 1).await;
    assert!(server.status().await.last_error.is_some());
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |hook| {
        if hook.repeats == 0 { Reply::RetryAfter(429, 3) } else { Reply::Status(200) }
    })
    .await;
    let server = Server::start(&config(&receiver.url()), &tasks);
    server.online("ann").await;
    until_async(async || server.count(DeliveryState::Failing).await == 1).await;

    let status = server.status().await;
    let asked = status.next_attempt.unwrap().0 - status.last_error.unwrap().at.0;
    assert!((2_900..=3_100).contains(&asked), "{asked}");
    let sent_at = server.clock.now();
    until(|| receiver.accepted().len() == 1).await;
    assert!(Duration::from_millis(2_500) <= server.clock.now().since(sent_at));
}

#[tokio::test]
async fn addresses_of_this_machine_are_refused_unless_allowed() {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, |_| Reply::Status(200)).await;
    let port = receiver.address.port();

    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let mut strict = config(&format!("http://{host}:{port}/"));
        strict.allow_private = false;
        let server = Server::start(&strict, &tasks);
        server.online("ann").await;
        until_async(async || server.status().await.last_error.is_some()).await;
        let error = server.status().await.last_error.unwrap().text;
        assert!(error.contains("hooks.allow_private"), "{host}: {error}");
        assert_eq!(server.status().await.backlog, 1, "it is a failure like any other");
    }

    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn an_outage_opens_the_circuit_and_its_end_brings_everything_in_order() {
    let tasks = Tasks::new();
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap()
    };
    let server = Server::start(&config(&format!("http://{address}/?key=hidden")), &tasks);
    // More users than heads are held in memory.
    for _ in 0..2 {
        for user in 0..1500 {
            server.online(&format!("u{user}")).await;
        }
    }
    until_async(async || server.status().await.health == Health::Open).await;
    server.store.flush().await.unwrap();
    let status = server.status().await;
    assert_eq!((status.backlog, status.in_flight), (3000, 0));
    assert!(status.next_attempt.is_some());
    assert!(!status.url.contains("hidden"), "{}", status.url);
    assert!(!status.last_error.unwrap().text.contains("hidden"));

    let receiver = Receiver::start_at(&tasks, address, |_| Reply::Status(200)).await;
    until_async(async || server.status().await.backlog == 0).await;

    assert_eq!(receiver.received().len(), 3000, "none twice");
    let mut last = std::collections::BTreeMap::new();
    for hook in receiver.received() {
        assert!(last.insert(hook.user(), hook.seq()) < Some(hook.seq()));
    }
    assert_eq!(server.status().await.health, Health::Ok);
    tasks.stop(PATIENCE).await;
}
