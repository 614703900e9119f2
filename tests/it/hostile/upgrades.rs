//! From polling to WebSocket, done wrong.

use super::client::peer::{Peer, frame, handshake, text};
use super::client::poller::Poller;
use super::client::{Client, Heard};
use super::gets::Gets;
use super::request;
use super::world::World;
use super::{Group, Row};

pub(super) fn group() -> Group {
    use Gets::{Engine, NoUpgrade, Stays};
    let rows = vec![
        Row::scene("`5` without a probe, as the .NET client says it", Stays, |world| {
            Box::pin(moved(world, &["5"]))
        }),
        Row::scene("a probe after the probe", Gets::says("3probe").then(Stays), |world| {
            Box::pin(moved(world, &["2probe", "2probe", "5"]))
        }),
        Row::scene("`6` after `5`, as the Swift client says it", Stays, |world| {
            Box::pin(moved(world, &["5", "6"]))
        }),
        Row::scene("another probe (`2prob`)", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![text("2prob")]))
        }),
        Row::scene("a binary probe", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![frame(0x82, b"2probe")]))
        }),
        Row::scene("a probe without a mask", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![b"\x81\x062probe".to_vec()]))
        }),
        Row::scene("a probe in fragments", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![frame(0x01, b"2pr"), frame(0x80, b"obe")]))
        }),
        Row::scene("a probe of 1,000 bytes", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![text(&"2".repeat(1000))]))
        }),
        Row::scene("an event before `5`", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![text("2probe"), text("42[\"x\"]")]))
        }),
        Row::scene("a close frame", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![frame(0x88, b"")]))
        }),
        Row::scene("a second WebSocket while the first probes", NoUpgrade, |world| {
            Box::pin(second(world))
        }),
        Row::scene("a poll after the upgrade", Engine(400, 3).then(Stays), |world| {
            Box::pin(afterwards(world))
        }),
        Row::scene("a POST after the upgrade", Engine(400, 1).then(Stays), |world| {
            Box::pin(posted_afterwards(world))
        }),
        Row::scene("an upgrade of what is a WebSocket", Engine(400, 3).then(Stays), |world| {
            Box::pin(again(world))
        }),
    ];
    Group { title: "Upgrades from polling to WebSocket", rows }
}

fn query(sid: &str) -> String {
    format!("EIO=4&transport=websocket&sid={sid}")
}

/// A polling session, and a WebSocket that wants to take it over.
async fn begun(world: &World) -> (Client, Peer, String) {
    let [_, client] = Client::both(world.server.public).await;
    let client = client.join(&world.eve).await;
    let Client::Polling(poller) = &client else { panic!("another transport") };
    let sid = poller.sid.clone();
    let peer = Peer::handshake(world.server.public, &query(&sid)).await;
    (client, peer, sid)
}

async fn probed(world: &World) -> (Peer, String) {
    let (_, mut peer, sid) = begun(world).await;
    peer.write(&text("2probe")).await;
    assert_eq!(peer.hear().await, Heard::Text("3probe".to_owned()));
    (peer, sid)
}

pub(super) async fn attempt(world: &World, frames: Vec<Vec<u8>>) -> Gets {
    let (mut client, mut peer, _) = begun(world).await;
    for frame in frames {
        peer.write(&frame).await;
    }
    let mut end = peer.hear().await;
    if end == Heard::Text("3probe".to_owned()) {
        end = peer.hear().await;
    }
    failed(end, client.judge(&Gets::Stays).await)
}

/// A client that goes over with these packets; what the last of two answers is, and whether the WebSocket goes on.
async fn moved(world: &World, packets: &[&str]) -> Gets {
    let (_, mut peer, _) = begun(world).await;
    let mut answers = Vec::new();
    for packet in packets {
        peer.write(&text(packet)).await;
        if packet.starts_with('2') {
            answers.push(peer.hear().await);
        }
    }
    let goes_on = Client::WebSocket(peer).judge(&Gets::Stays).await;
    match &answers[..] {
        [_, Heard::Text(last)] => Gets::says(last).then(goes_on),
        _ => goes_on,
    }
}

/// What came of the WebSocket, and of the session that it was to take over.
fn failed(end: Heard, after: Gets) -> Gets {
    match (end, after) {
        (Heard::End(None), Gets::Stays) => Gets::NoUpgrade,
        (end, after) => Gets::Says(format!("{end:?}")).then(after),
    }
}

/// The first one goes on.
async fn second(world: &World) -> Gets {
    let (mut first, sid) = probed(world).await;
    let mut second = Peer::handshake(world.server.public, &query(&sid)).await;
    let end = second.hear().await;
    first.write(&text("5")).await;
    failed(end, Client::WebSocket(first).judge(&Gets::Stays).await)
}

async fn upgraded(world: &World) -> (Client, Poller) {
    let (mut peer, sid) = probed(world).await;
    peer.write(&text("5")).await;
    let mut client = Client::WebSocket(peer);
    assert_eq!(client.judge(&Gets::Stays).await, Gets::Stays);
    (client, Poller::of(world.server.public, &sid))
}

async fn afterwards(world: &World) -> Gets {
    let (mut client, poller) = upgraded(world).await;
    request::told(poller.poll().await).then(client.judge(&Gets::Stays).await)
}

async fn posted_afterwards(world: &World) -> Gets {
    let (mut client, poller) = upgraded(world).await;
    request::told(poller.post(b"3").await).then(client.judge(&Gets::Stays).await)
}

async fn again(world: &World) -> Gets {
    let peer = Peer::open(world.server.public).await;
    let head = handshake(&query(&peer.sid), "");
    let refused = request::send(world.server.public, head.as_bytes()).await;
    let after = Client::WebSocket(peer).judge_early(&Gets::Stays).await;
    request::told(refused).then(after)
}
