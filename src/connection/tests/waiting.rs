//! What waits for all clients: counted once however many are sent it, and whoever owes most goes at the bound.

use super::fixture::{Engine, Server, limits, until};
use crate::config::LimitsConfig;
use crate::connection::{Sent, SharedFrames};
use crate::core::protocol::frame;
use crate::types::{Ending, Reason};
use bytes::Bytes;

/// Clients that do not read: what they are sent waits, whatever the kernel takes for others.
struct Pollers {
    server: Server,
    engines: Vec<Engine>,
}

impl Pollers {
    async fn start(count: usize, waiting_bytes: usize) -> Self {
        let server = Server::with(LimitsConfig { waiting_bytes, ..limits() }).await;
        let mut engines = Vec::new();
        for _ in 0..count {
            engines.push(server.poller().await.1);
        }
        // The open packets are out.
        until("nothing waits", || (server.connections.waiting_bytes() == 0).then_some(())).await;
        Self { server, engines }
    }

    fn waiting(&self) -> usize {
        self.server.connections.waiting_bytes()
    }

    fn share(&self, bytes: usize) -> SharedFrames {
        self.server.connections.waiting().share(event(bytes))
    }

    fn open(&self) -> Vec<bool> {
        self.engines.iter().map(|it| !it.connection.is_closed()).collect()
    }
}

fn event(bytes: usize) -> Bytes {
    frame::text(&[b"42", &vec![b'x'; bytes]])
}

#[tokio::test]
async fn what_many_are_sent_counts_once_and_what_each_is_sent_for_each() {
    let it = Pollers::start(20, 10_000_000).await;

    let shared = it.share(100_000);
    let bytes = shared.bytes().len();
    for engine in &it.engines {
        assert_eq!(engine.connection.send_shared(&shared, false), Sent::Yes);
    }
    drop(shared);
    assert_eq!(it.waiting(), bytes);

    let own = event(1000);
    for engine in &it.engines {
        assert_eq!(engine.connection.send(&own), Sent::Yes);
    }
    let queues: usize = it.engines.iter().map(|it| it.connection.lock().outbound.overhead()).sum();
    assert_ne!(queues, 0);
    assert_eq!(it.waiting(), bytes + 20 * own.len() + queues);

    for engine in &it.engines {
        engine.connection.close(Reason::ServerShutdown);
    }
    assert_eq!(it.waiting(), 0);
}

#[tokio::test]
async fn what_is_written_at_once_counts_where_it_has_to_wait() {
    let it = Pollers::start(2, 10_000_000).await;
    let (mut client, websocket) = it.server.websocket().await;

    let shared = it.server.connections.waiting().share_at_once(event(1000));
    assert_eq!(websocket.connection.send_shared(&shared, false), Sent::Yes);
    assert_eq!(it.waiting(), 0);
    for engine in &it.engines {
        assert_eq!(engine.connection.send_shared(&shared, false), Sent::Yes);
    }
    let bytes = shared.bytes().len();
    assert!((bytes..2 * bytes).contains(&it.waiting()), "{}", it.waiting());
    drop(shared);
    for engine in &it.engines {
        engine.connection.close(Reason::ServerShutdown);
    }
    assert_eq!(it.waiting(), 0);
    assert_eq!(client.next().await.unwrap().len(), 1002);
}

#[tokio::test]
async fn the_queue_of_a_client_for_many_short_events_counts() {
    let it = Pollers::start(1, 10_000_000).await;

    let shared = it.share(1);
    for _ in 0..1000 {
        assert_eq!(it.engines[0].connection.send_shared(&shared, false), Sent::Yes);
    }

    assert!(999 * size_of::<Bytes>() <= it.waiting(), "{}", it.waiting());
}

#[tokio::test]
async fn at_the_bound_whoever_owes_most_goes_and_not_whoever_has_a_part_in_what_many_wait_for() {
    let it = Pollers::start(30, 1_000_000).await;
    let [debtors @ .., last] = &it.engines[..10] else { panic!("too few") };
    let crowd = &it.engines[10..];
    // More than what the debtors wait for.
    for _ in 0..18 {
        let shared = it.share(10_000);
        for engine in crowd {
            assert_eq!(engine.connection.send_shared(&shared, false), Sent::Yes);
        }
    }
    for engine in debtors {
        assert_eq!(engine.connection.send(&event(85_000)), Sent::Yes);
    }
    assert_eq!(it.open(), vec![true; 30]);

    // Whoever is sent something last owes least.
    assert_eq!(last.connection.send(&event(70_000)), Sent::Yes);
    until("somebody goes", || (it.waiting() <= 1_000_000).then_some(())).await;

    assert!(!last.connection.is_closed());
    assert!(crowd.iter().all(|it| !it.connection.is_closed()));
    let gone: Vec<_> = debtors.iter().filter(|it| it.connection.is_closed()).collect();
    assert!((1..=4).contains(&gone.len()), "{}", gone.len());
    for engine in gone {
        assert_eq!(engine.connection.end_reason(), Some(Reason::SlowConsumer));
        assert_eq!(engine.connection.vitals().ending, Some(Ending::Crowded));
    }
}

#[tokio::test]
async fn a_crowd_that_holds_all_together_goes_as_far_as_it_must() {
    let it = Pollers::start(20, 1_000_000).await;
    // Two of them hold each event, so neither's end alone frees anything.
    for pair in it.engines.chunks(2) {
        let shared = it.share(150_000);
        for engine in pair {
            assert_eq!(engine.connection.send_shared(&shared, false), Sent::Yes);
        }
    }

    until("somebody goes", || (it.waiting() <= 1_000_000).then_some(())).await;

    assert!(it.open().contains(&true));
}
