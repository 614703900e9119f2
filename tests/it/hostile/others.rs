//! What clients in other languages send, as their sources have it. All of it works.

use super::client::peer::{Peer, handshake, text};
use super::client::poller::Poller;
use super::client::{Client, Heard, Packet, connect};
use super::gets::Gets;
use super::request::{self, told};
use super::world::World;
use super::{Case, Group, Row};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const PLACE: &str = r#"{"_placeholder":true,"num":0}"#;
/// A round trip after which nothing is left to say.
const PING: (&str, &str) = (r#"425["userline:ping"]"#, "435[]");

pub(super) fn group() -> Group {
    let mut rows = paths();
    rows.extend(packets());
    rows.extend(scenes());
    Group { title: "What clients in other languages send", rows }
}

/// Each asks for a session that does not exist.
fn paths() -> Vec<Row> {
    let table = [
        ("`/socket.io`, as the C++ client sends what it is given", "/socket.io"),
        ("`/socket.io//`, as the Unity client makes it of `/socket.io/`", "/socket.io//"),
    ];
    let row = |(input, path)| {
        let query = "EIO=4&transport=polling&sid=x";
        let get = format!("GET {path}?{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        Row { input, gets: Gets::Engine(400, 1), case: Case::Public(get.into_bytes()) }
    };
    table.map(row).into()
}

fn packets() -> Vec<Row> {
    let early = |(input, packet): (_, &str)| Row {
        input,
        gets: Gets::refused("token_missing"),
        case: Case::Early(vec![Packet::Text(packet.to_owned())]),
    };
    let joined = |(input, gets, packet): (_, _, &str)| Row {
        input,
        gets,
        case: Case::Packets(vec![Packet::Text(packet.to_owned())]),
    };
    let mut rows: Vec<Row> = [
        ("`40/,` without `auth` (Swift)", "40/,"),
        ("`40/` (arduinoWebSockets)", "40/"),
        ("`40{}` (Python)", "40{}"),
    ]
    .map(early)
    .into();
    rows.extend(
        [
            (
                "`41/chat`, of which nothing was joined, without a comma (C++)",
                Gets::Stays,
                "41/chat",
            ),
            (
                "a slash with a backslash in a name (Java, Swift)",
                Gets::acked("unknown_event"),
                r#"425["a\/b"]"#,
            ),
            (
                "the same in an argument",
                Gets::says(r#"435["a\/b"]"#),
                r#"425["userline:ping","a\/b"]"#,
            ),
            (
                "a name and a text in which all but ASCII is escaped (Python)",
                Gets::says(r#"435["\u00e9"]"#),
                r#"425["userline:\u0070ing","\u00e9"]"#,
            ),
        ]
        .map(joined),
    );
    rows
}

fn scenes() -> Vec<Row> {
    let pong = || Gets::says(PING.1);
    vec![
        Row::scene(
            "a WebSocket on the connection that polled, then `2probe`, `5` and CONNECT at once (arduinoWebSockets)",
            pong(),
            |world| Box::pin(at_once(world)),
        ),
        Row::scene(
            "CONNECT by polling, then a WebSocket that begins with `5` (PHP)",
            pong(),
            |world| Box::pin(without_probe(world)),
        ),
        Row::scene(
            "`6` as a POST before `5`, and the packets that were to be posted behind it (Swift)",
            pong(),
            |world| Box::pin(with_noop(world)),
        ),
        Row::scene(
            "an event, a pong and the event's buffer in a POST each (.NET)",
            Gets::Says(format!("461-5[{PLACE}]")),
            |world| Box::pin(apart(world)),
        ),
        Row::scene(
            "a POST with `Expect: 100-continue` (Unity, .NET Framework)",
            Gets::Status(100).then(Gets::Status(200)),
            |world| Box::pin(expecting(world)),
        ),
        Row::scene("a POST in chunks (Dart, .NET)", Gets::Status(200), |world| {
            Box::pin(chunked(world))
        }),
        Row::scene(
            "an emit of bytes that says it is an ack (Rust: its own ack never comes, as with Node)",
            Gets::Stays,
            |world| Box::pin(as_ack(world)),
        ),
        Row::scene("CONNECT before the server has said anything (C++)", pong(), |world| {
            Box::pin(before_open(world))
        }),
    ]
}

/// A polling session that has said nothing yet.
async fn session(world: &World) -> Poller {
    Poller::open(world.server.public).await
}

fn websocket(sid: &str) -> String {
    format!("EIO=4&transport=websocket&sid={sid}")
}

/// Whoever has said CONNECT on this WebSocket is in.
async fn is_in(peer: Peer, skipped: &str) -> Gets {
    let mut client = Client::WebSocket(peer);
    for beginning in [skipped, "40{", "42[\"userline:session\""] {
        if beginning.is_empty() {
            continue;
        }
        let heard = client.hear().await;
        if !heard.begins_with(beginning) {
            return Gets::Says(format!("{heard:?}"));
        }
    }
    client.say(PING.0).await;
    client.judge(&Gets::says(PING.1)).await
}

async fn at_once(world: &World) -> Gets {
    let mut stream = TcpStream::connect(world.server.public).await.unwrap();
    let open = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\n\r\n";
    stream.write_all(open.as_bytes()).await.unwrap();
    let open = request::answer(&mut stream).await.unwrap().body;
    let (_, sid) = open.split_once("\"sid\":\"").unwrap();
    let (sid, _) = sid.split_once('"').unwrap();
    let mut peer = Peer::over(stream, &websocket(sid)).await;
    peer.write(&[text("2probe"), text("5"), text(&connect(&world.eve))].concat()).await;
    is_in(peer, "3probe").await
}

async fn without_probe(world: &World) -> Gets {
    let poller = session(world).await;
    let sid = poller.sid.clone();
    Client::Polling(poller).join(&world.eve).await;
    let mut peer = Peer::handshake(world.server.public, &websocket(&sid)).await;
    peer.write(&[text("5"), text(PING.0)].concat()).await;
    Client::WebSocket(peer).judge(&Gets::says(PING.1)).await
}

async fn with_noop(world: &World) -> Gets {
    let poller = session(world).await;
    let mut peer = Peer::handshake(world.server.public, &websocket(&poller.sid)).await;
    peer.write(&text("2probe")).await;
    assert_eq!(peer.hear().await, Heard::Text("3probe".to_owned()));
    assert_eq!(told(poller.post(b"6").await), Gets::Status(200));
    assert_eq!(told(poller.poll().await), Gets::Status(200));
    peer.write(&[text("5"), text("6"), text(&connect(&world.eve))].concat()).await;
    is_in(peer, "").await
}

async fn apart(world: &World) -> Gets {
    let mut client = Client::Polling(session(world).await).join(&world.eve).await;
    client.say(&format!("451-5[\"userline:ping\",{PLACE}]")).await;
    client.say("3").await;
    client.send(&[Packet::Binary(vec![1, 2, 3])]).await;
    client.judge(&Gets::Says(format!("461-5[{PLACE}]"))).await
}

/// The head of a POST of a CONNECT, with this header.
fn post(sid: &str, header: &str) -> String {
    format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: test\r\n\
         Content-Type: text/plain\r\n{header}\r\n\r\n"
    )
}

async fn expecting(world: &World) -> Gets {
    let poller = session(world).await;
    let body = connect(&world.eve);
    let head =
        post(&poller.sid, &format!("Expect: 100-continue\r\nContent-Length: {}", body.len()));
    let mut stream = TcpStream::connect(world.server.public).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let first = told(request::answer(&mut stream).await);
    stream.write_all(body.as_bytes()).await.unwrap();
    let second = told(request::answer(&mut stream).await);
    Client::Polling(poller).leave().await;
    first.then(second)
}

async fn chunked(world: &World) -> Gets {
    let poller = session(world).await;
    let body = connect(&world.eve);
    let head = post(&poller.sid, "Connection: close\r\nTransfer-Encoding: chunked");
    let (first, second) = body.split_at(10);
    let chunks = [first, second].map(|it| format!("{:x}\r\n{it}\r\n", it.len())).concat();
    let request = format!("{head}{chunks}0\r\n\r\n");
    let got = told(request::send(world.server.public, request.as_bytes()).await);
    Client::Polling(poller).leave().await;
    got
}

async fn as_ack(world: &World) -> Gets {
    let mut client =
        Client::WebSocket(Peer::open(world.server.public).await).join(&world.eve).await;
    let packet = format!("461-5[\"userline:ping\",{PLACE}]");
    client.send(&[Packet::Text(packet), Packet::Binary(vec![1])]).await;
    client.judge(&Gets::Stays).await
}

async fn before_open(world: &World) -> Gets {
    let mut stream = TcpStream::connect(world.server.public).await.unwrap();
    let head = handshake(super::client::peer::QUERY, "");
    stream.write_all(&[head.as_bytes(), &text(&connect(&world.eve))].concat()).await.unwrap();
    is_in(Peer::answered(stream).await, "0{").await
}
