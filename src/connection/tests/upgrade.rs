//! From polling to WebSocket: nothing is lost or reordered, and an attempt that fails costs nothing.

use super::clients::{Poller, WebSocket, answer, client_frame};
use super::fixture::{Engine, Server, until, within};
use crate::connection::upgrade::Upgrade;
use crate::connection::{Connection, Transport};
use crate::core::protocol::frame;
use crate::types::Reason;
use std::sync::Arc;
use std::time::Duration;

/// Runs of the random test; each is a few milliseconds.
const SEEDS: u64 = 200;
const EVENTS: u64 = 40;

/// The client's part up to the point at which it would stop polling.
async fn probe(client: &Poller) -> WebSocket {
    let mut socket = client.upgrade(&client_frame(0x81, b"2probe")).await;
    assert_eq!(socket.next().await.unwrap(), b"3probe");
    socket
}

fn is_idle(connection: &Connection) -> bool {
    connection.lock().polling.as_ref().is_none_or(|it| matches!(it.upgrade, Upgrade::None))
}

async fn upgraded(server: &Server) -> (WebSocket, Engine) {
    let (client, engine) = server.poller().await;
    let mut socket = probe(&client).await;
    socket.send(b"5").await;
    until("it has moved", || (engine.connection.transport() == Transport::WebSocket).then_some(()))
        .await;
    (socket, engine)
}

#[tokio::test]
async fn a_waiting_poll_is_answered_so_that_the_client_can_move() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    let mut socket = probe(&client).await;

    assert_eq!(answer(&mut poll).await.packets(), [b"6"]);
    engine.write(b"42[1]");
    socket.send(b"5").await;
    assert_eq!(socket.next().await.unwrap(), b"42[1]", "what nobody polled moves along");
}

#[tokio::test]
async fn connections_are_counted_by_the_transport_they_have_now() {
    let server = Server::start().await;
    let counts = || {
        let it = server.connections.transports();
        (it.polling, it.websocket, it.was_websocket)
    };
    assert_eq!(counts(), (0, 0, false));
    let (client, engine) = server.poller().await;
    let (_other, other) = server.poller().await;
    assert_eq!(counts(), (2, 0, false));
    let mut socket = probe(&client).await;
    socket.send(b"5").await;
    until("it has moved", || (counts() == (1, 1, true)).then_some(())).await;
    let polls = || engine.connection.lock().polling.is_some();
    until("what polling took is given back", || (!polls()).then_some(())).await;
    let (_direct, direct) = server.websocket().await;
    assert_eq!(counts(), (1, 2, true));
    for connection in [engine.connection, other.connection, direct.connection] {
        connection.close(Reason::Kicked);
        connection.close(Reason::Kicked);
    }
    assert_eq!(counts(), (0, 0, true));
}

#[tokio::test]
async fn a_poll_that_is_given_up_while_the_client_moves_closes_nothing() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut socket = probe(&client).await;
    // Polls are answered at once by now, so the client is quicker only if it does not wait.
    drop(client.begin_poll().await);

    socket.send(b"5").await;
    socket.send(b"42[1]").await;

    assert_eq!(engine.read().await.unwrap(), b"42[1]");
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn a_client_may_move_without_a_probe_and_a_waiting_poll_is_answered() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    let mut socket = client.upgrade(&client_frame(0x81, b"5")).await;

    assert_eq!(answer(&mut poll).await.packets(), [b"6"]);
    engine.write(b"42[1]");
    assert_eq!(socket.next().await.unwrap(), b"42[1]");
    // The Swift client sends the noop that was to end its polls.
    socket.send(b"6").await;
    socket.send(b"42[2]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[2]");
}

#[tokio::test]
async fn a_client_may_probe_again() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    let mut socket = probe(&client).await;

    socket.send(b"2probe").await;
    assert_eq!(socket.next().await.unwrap(), b"3probe");
    socket.send(b"5").await;

    until("it has moved", || (engine.connection.transport() == Transport::WebSocket).then_some(()))
        .await;
}

#[tokio::test]
async fn a_probe_that_is_none_leaves_polling_as_it_was() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let nonsense: [&[u8]; 4] = [
        &client_frame(0x81, b"2prob"),
        &client_frame(0x82, b"2probe"),
        &client_frame(0x81, &[b'2'; 100]),
        // Not masked.
        &frame::text(&[b"2probe"]),
    ];

    for bytes in nonsense {
        let mut socket = client.upgrade(bytes).await;
        assert_eq!((socket.status, socket.next().await), (101, None), "{bytes:?}");
        until("it is given up", || is_idle(&engine.connection).then_some(())).await;
        engine.write(b"42[1]");
        assert_eq!(client.poll().await.packets(), [b"42[1]"]);
        let (_, read) = tokio::join!(client.post(b"42[2]"), engine.read());
        assert_eq!(read.unwrap(), b"42[2]");
    }
}

#[tokio::test]
async fn a_client_that_gives_the_move_up_after_the_probe_goes_on_polling() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;

    drop(probe(&client).await);
    until("it is given up", || is_idle(&engine.connection).then_some(())).await;

    let mut poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;
    engine.write(b"42[1]");
    assert_eq!(answer(&mut poll).await.packets(), [b"42[1]"]);
    let mut socket = probe(&client).await;
    socket.send(b"5").await;
    socket.send(b"42[2]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[2]", "a later attempt may succeed");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_leads_nowhere_is_given_up_in_time() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    let mut socket = probe(&client).await;

    // upgrade_timeout is 10 s.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!is_idle(&engine.connection));
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert!(is_idle(&engine.connection));
    assert_eq!(socket.next().await, None);
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn a_second_attempt_is_refused_and_does_not_disturb_the_first() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut first = probe(&client).await;

    let mut second = client.upgrade(&client_frame(0x81, b"2probe")).await;

    assert_eq!(second.next().await, None);
    first.send(b"5").await;
    first.send(b"42[1]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[1]");
    assert_eq!(client.upgrade(b"").await.status, 400, "and none after it has moved");
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn a_connection_that_is_closed_during_the_move_stays_closed() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut socket = probe(&client).await;

    engine.connection.close(Reason::Kicked);
    socket.send(b"5").await;

    assert_eq!(socket.next().await, None);
    assert_eq!(engine.read().await, None);
    assert_eq!(engine.connection.end_reason(), Some(Reason::Kicked));
}

#[tokio::test]
async fn close_reaches_a_connection_that_has_moved() {
    let server = Server::start().await;
    let (mut socket, mut engine) = upgraded(&server).await;

    engine.connection.close(Reason::Kicked);

    assert_eq!(socket.next().await, None);
    assert_eq!(engine.read().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_reordered_whenever_the_client_moves() {
    let server = Server::start().await;

    for seed in 1..=SEEDS {
        within(&format!("seed {seed}"), run(&server, seed)).await;
    }
}

/// Small numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % n
    }

    async fn dawdle(&mut self) {
        for _ in 0..self.below(20) {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for `second`; says whether `first` was done by then.
async fn both_or_second<T>(
    first: impl Future<Output = ()>,
    second: impl Future<Output = T>,
) -> (bool, T) {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let mut is_first_done = false;
    loop {
        tokio::select! {
            () = &mut first, if !is_first_done => is_first_done = true,
            second = &mut second => return (is_first_done, second),
        }
    }
}

async fn run(server: &Server, seed: u64) {
    let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (client, mut engine) = server.poller().await;
    let connection = Arc::clone(&engine.connection);
    let mut client = Client { poller: client, heard: Vec::new(), told: 0 };
    let (serving, moving) = (Dice(dice.0 | 1), Dice(dice.0.rotate_left(7) | 1));

    let (mut socket, (), read) =
        tokio::join!(client.run(&connection, moving), serve(&connection, serving), async {
            let mut read = Vec::new();
            while read.last().is_none_or(|it| it != b"42[\"last\"]") {
                read.push(engine.read().await.unwrap_or_else(|| panic!("closed: seed {seed}")));
            }
            read
        });
    while u64::try_from(client.heard.len()).unwrap() < EVENTS {
        client.hear(socket.next().await.unwrap_or_else(|| panic!("closed: seed {seed}")));
    }

    let expected: Vec<u64> = (0..EVENTS).collect();
    assert_eq!(client.heard, expected, "events reach the client in order: seed {seed}");
    let mut expected: Vec<Vec<u8>> =
        (0..client.told).map(|n| format!("42[{n}]").into_bytes()).collect();
    expected.push(b"42[\"last\"]".to_vec());
    assert_eq!(read, expected, "packets arrive in order: seed {seed}");
}

/// Sends numbered events, by each way there is, of different sizes.
async fn serve(connection: &Arc<Connection>, mut dice: Dice) {
    for n in 0..EVENTS {
        let filling = "x".repeat(usize::try_from(dice.below(3000)).unwrap());
        let event = frame::text(&[format!("42[{n},\"{filling}\"]").as_bytes()]);
        if dice.below(4) < 3 {
            connection.send(&event);
        } else {
            connection.queue(&event);
            dice.dawdle().await;
            connection.flush_queued();
        }
        if dice.below(5) == 0 {
            connection.send(&frame::text(&[b"2"]));
        }
        dice.dawdle().await;
    }
}

struct Client {
    poller: Poller,
    /// The numbers of the events it got.
    heard: Vec<u64>,
    /// Numbered packets it sent.
    told: u64,
}

impl Client {
    /// Polls and posts for a while, perhaps fails to move, moves, and goes on by WebSocket.
    async fn run(&mut self, connection: &Connection, mut dice: Dice) -> WebSocket {
        for _ in 0..dice.below(4) {
            self.exchange(&mut dice).await;
        }
        match dice.below(4) {
            0 => {
                let mut socket = self.poller.upgrade(&client_frame(0x81, b"nonsense")).await;
                assert_eq!(socket.next().await, None);
            }
            1 => drop(probe(&self.poller).await),
            _ => {}
        }
        until("the attempt is over", || is_idle(connection).then_some(())).await;
        let mut socket = self.change_over(&mut dice).await;
        for _ in 0..dice.below(10) {
            let packet = self.packet();
            socket.send(&packet).await;
            dice.dawdle().await;
        }
        socket.send(b"42[\"last\"]").await;
        socket
    }

    /// A poll, and perhaps a post meanwhile. What the server has to say comes at some time, pings at the least.
    async fn exchange(&mut self, dice: &mut Dice) {
        if u64::try_from(self.heard.len()).unwrap() == EVENTS {
            return; // nothing more would come
        }
        let mut poll = self.poller.begin_poll().await;
        if dice.below(2) == 0 {
            let body = [self.packet(), self.packet()].join(&0x1e);
            assert_eq!(self.poller.post(&body).await.status, 200);
        }
        for packet in answer(&mut poll).await.packets() {
            self.hear(packet);
        }
    }

    /// As stock clients do it: polls go on until the probe is answered, and the last one is waited for.
    async fn change_over(&mut self, dice: &mut Dice) -> WebSocket {
        let mut socket = self.poller.upgrade(b"").await;
        let mut poll = self.poller.begin_poll().await;
        dice.dawdle().await;
        socket.send(b"2probe").await;
        let mut is_probed = false;
        {
            let mut probed = std::pin::pin!(socket.next());
            while !is_probed {
                let pong = async { assert_eq!(probed.as_mut().await.unwrap(), b"3probe") };
                let polled = both_or_second(pong, answer(&mut poll)).await;
                is_probed = polled.0;
                polled.1.packets().into_iter().for_each(|packet| self.hear(packet));
                if !is_probed {
                    poll = self.poller.begin_poll().await;
                }
            }
        }
        dice.dawdle().await;
        socket.send(b"5").await;
        socket
    }

    fn packet(&mut self) -> Vec<u8> {
        self.told += 1;
        format!("42[{}]", self.told - 1).into_bytes()
    }

    fn hear(&mut self, packet: Vec<u8>) {
        let packet = String::from_utf8(packet).unwrap();
        if packet != "2" && packet != "6" {
            let number = packet.strip_prefix("42[").and_then(|it| it.split_once(','));
            self.heard.push(number.unwrap_or_else(|| panic!("{packet}")).0.parse().unwrap());
        }
    }
}
