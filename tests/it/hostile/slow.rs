//! Clients that take their time. These rows run at once.

use super::client::peer::{Peer, text};
use super::client::poller::Poller;
use super::client::{Client, Packet};
use super::gets::Gets;
use super::request;
use super::upgrades::attempt;
use super::world::World;
use super::{Group, Row};
use crate::rig::server::KEY;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const HALF: &str = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: te";

pub(super) fn group() -> Group {
    use Gets::{Ends, Engine, NoUpgrade};
    let rows = vec![
        Row::scene("nothing at all", Ends, |world| {
            Box::pin(silent(world.server.public, String::new()))
        }),
        Row::scene("half a head", Ends, |world| {
            Box::pin(silent(world.server.public, HALF.to_owned()))
        }),
        Row::scene("a head, one byte after the other", Ends, |world| Box::pin(dripped(world))),
        Row::scene("half a body of a POST", Engine(400, 3), |world| Box::pin(half_posted(world))),
        Row::scene("half a body for the admin API", Gets::api(408, "request_timeout"), |world| {
            let head = format!(
                "POST /v1/emit HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n\
                     Content-Length: 9\r\n\r\n{{\"to\""
            );
            Box::pin(silent(world.server.admin, head))
        }),
        Row::scene("a WebSocket that joins nothing", Ends, |world| {
            Box::pin(async {
                let mut client = Client::WebSocket(Peer::open(world.server.public).await);
                client.judge_early(&Ends).await
            })
        }),
        Row::scene("a session that joins nothing", Ends, |world| {
            Box::pin(async {
                let mut client = Client::Polling(Poller::open(world.server.public).await);
                client.judge_early(&Ends).await
            })
        }),
        Row::scene("an event whose buffers never come, by WebSocket", Ends, |world| {
            Box::pin(async {
                let peer = Client::WebSocket(Peer::open(world.server.public).await);
                without_buffers(peer.join(&world.eve).await).await
            })
        }),
        Row::scene("an event whose buffers never come, by polling", Ends, |world| {
            Box::pin(async {
                let poller = Client::Polling(Poller::open(world.server.public).await);
                without_buffers(poller.join(&world.eve).await).await
            })
        }),
        Row::scene("an upgrade that never probes", NoUpgrade, |world| {
            Box::pin(attempt(world, Vec::new()))
        }),
        Row::scene("an upgrade that probes and no more", NoUpgrade, |world| {
            Box::pin(attempt(world, vec![text("2probe")]))
        }),
    ];
    Group { title: "What comes slowly, or not at all", rows }
}

async fn silent(to: SocketAddr, bytes: String) -> Gets {
    request::told(request::send(to, bytes.as_bytes()).await)
}

async fn dripped(world: &World) -> Gets {
    let mut stream = TcpStream::connect(world.server.public).await.unwrap();
    for byte in HALF.bytes() {
        // What has ended takes no more.
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    request::told(request::answer(&mut stream).await)
}

/// One buffer of two, and then nothing but pongs.
async fn without_buffers(mut client: Client) -> Gets {
    let event = Packet::Text("452-5[\"x\"]".to_owned());
    client.send(&[event, Packet::Binary(vec![1])]).await;
    client.judge_early(&Gets::Ends).await
}

async fn half_posted(world: &World) -> Gets {
    let poller = Poller::open(world.server.public).await;
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: test\r\n\
         Content-Length: 9\r\n\r\n40{{",
        poller.sid
    );
    let got = silent(world.server.public, head).await;
    Client::Polling(poller).leave().await;
    got
}
