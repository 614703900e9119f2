//! Engine.IO: bodies, packets, sessions.

use super::client::Client;
use super::client::Packet;
use super::client::peer::Peer;
use super::client::poller::Poller;
use super::gets::Gets;
use super::request;
use super::world::World;
use super::{Case, Group, Row};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

pub(super) fn group() -> Group {
    let mut rows = bodies();
    rows.extend(packets());
    rows.extend(sessions());
    Group { title: "Engine.IO", rows }
}

fn bodies() -> Vec<Row> {
    let ends = || Gets::Engine(400, 3).then(Gets::Ends);
    let many = format!("3{}", "\u{1e}3".repeat(10_000));
    let table: Vec<(&'static str, Gets, Vec<u8>)> = vec![
        ("an empty body", ends(), b"".to_vec()),
        ("a body of nonsense", ends(), b"garbage".to_vec()),
        ("a body that is not UTF-8", ends(), b"4\xff\xfe".to_vec()),
        ("an empty packet between two", ends(), b"3\x1e\x1e3".to_vec()),
        ("a separator at the end", ends(), b"3\x1e".to_vec()),
        ("a binary packet that is not base64", ends(), b"b!!!!".to_vec()),
        ("base64 without its padding", ends(), b"bAQ".to_vec()),
        ("base64 of the alphabet for URLs", ends(), b"b-_-_".to_vec()),
        ("`0{}` (open) in a body", ends(), b"0{}".to_vec()),
        ("`5` (upgrade) in a body", ends(), b"5".to_vec()),
        ("`6` (noop) in a body", Gets::Status(200).then(Gets::Stays), b"6".to_vec()),
        (
            "a body that is larger than `limits.payload`",
            Gets::Engine(413, 3).then(Gets::Stays),
            vec![b'4'; 1_000_001],
        ),
        ("a body of 10,001 packets", Gets::Status(200).then(Gets::Stays), many.into_bytes()),
    ];
    let row = |(input, gets, body)| Row { input, gets, case: Case::Body(body) };
    table.into_iter().map(row).collect()
}

fn packets() -> Vec<Row> {
    use Gets::{Ends, Stays};
    let table = [
        ("a packet of the kind `9`", Ends, "9"),
        ("a pong that nothing has asked for", Stays, "3"),
        ("a pong with data", Stays, "3probe"),
        ("a ping of the client", Stays, "2"),
        ("`2probe`, though nothing is to be upgraded", Ends, "2probe"),
        ("`1` (close)", Ends, "1"),
        ("a message without a kind (`4`)", Ends, "4"),
        ("a message of the kind `7`", Ends, "47"),
        ("a message of the kind `x`", Ends, "4x"),
        ("a message of the kind `-1`", Ends, "4-1"),
    ];
    let packet = |text: &str| vec![Packet::Text(text.to_owned())];
    table.map(|(input, gets, it)| Row { input, gets, case: Case::Packets(packet(it)) }).into()
}

fn sessions() -> Vec<Row> {
    use Gets::{Engine, Stays};
    vec![
        Row::scene("two polls at once", Engine(400, 3).then(Gets::Ends), |world| {
            Box::pin(two_polls(world))
        }),
        Row::scene("a POST after `1` (close)", Engine(400, 1), |world| {
            Box::pin(async {
                let poller = joined(world).await;
                poller.post(b"1").await;
                poller.poll().await;
                request::told(poller.post(b"3").await)
            })
        }),
        Row::scene("a POST for the session of a WebSocket", Engine(400, 1).then(Stays), |world| {
            Box::pin(async {
                let peer = Peer::open(world.server.public).await;
                let posted = Poller::of(world.server.public, &peer.sid).post(b"3").await;
                request::told(posted).then(goes_on(Client::WebSocket(peer)).await)
            })
        }),
        Row::scene("a poll for the session of a WebSocket", Engine(400, 3).then(Stays), |world| {
            Box::pin(async {
                let peer = Peer::open(world.server.public).await;
                let polled = Poller::of(world.server.public, &peer.sid).poll().await;
                request::told(polled).then(goes_on(Client::WebSocket(peer)).await)
            })
        }),
    ]
}

async fn goes_on(mut client: Client) -> Gets {
    client.judge_early(&Gets::Stays).await
}

async fn joined(world: &World) -> Poller {
    let [_, poller] = Client::both(world.server.public).await;
    let Client::Polling(poller) = poller.join(&world.eve).await else {
        panic!("another transport")
    };
    poller
}

/// Whichever comes second is refused.
async fn two_polls(world: &World) -> Gets {
    let poller = joined(world).await;
    let mut got = loop {
        let mut first = pin!(poller.poll());
        // If this is answered, it was for something that was still to come, such as a ping.
        if timeout(Duration::from_millis(200), &mut first).await.is_err() {
            let (first, second) = tokio::join!(first, poller.poll());
            break [request::told(first), request::told(second)];
        }
    };
    got.sort_by_key(|it| *it == Gets::Engine(400, 1));
    let [refused, ended] = got;
    assert_eq!(ended, Gets::Engine(400, 1));
    refused.then(Client::Polling(poller).judge(&Gets::Ends).await)
}
