//! What is emitted while the server stops.

use super::config;
use crate::app::App;
use crate::auth::{Grant, mint};
use crate::config::{AuthMode, Config};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::tasks::Tasks;
use crate::types::{EventName, Except, Namespace, Payload, Target, UserId, WallMs};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Too many to be written to by whoever emits.
const CLIENTS: usize = 100;

#[tokio::test]
async fn an_event_for_many_is_written_also_while_the_server_stops() {
    let (folder, tasks) = (TempDir::new().unwrap(), Tasks::new());
    let config = config(folder.path(), &[("recovery.window", "0s"), ("listen.drain", "1m")]);
    let token = token(&config);
    let app = App::build(config, None).await.unwrap();
    let (address, realtime) = (app.public_addr(), app.realtime.clone());
    let connections = app.parts.connections.clone();
    let shutdown = CancellationToken::new();
    tasks.spawn_to_end("test.app", app.run_until(shutdown.clone()));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(address, &token).await);
    }

    shutdown.cancel();
    while !connections.is_draining() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let emitted = realtime.emit(&emit_to_all("last words")).await;

    assert!(CLIENTS / 2 < emitted.sent, "the stop was too quick for this test: {emitted:?}");
    let mut received = 0;
    for client in clients {
        let heard = client.read_to_end().await;
        received += usize::from(heard.contains(r#"42["last words"]"#));
    }
    assert_eq!(received, emitted.sent);
    assert!(tasks.stop(Duration::from_secs(20)).await);
}

fn emit_to_all(event: &str) -> Emit {
    Emit {
        audience: Arc::new(Audience {
            namespace: Namespace::root(),
            target: Target { all: true, ..Target::default() },
            except: Except::default(),
        }),
        event: EventName::parse(event).unwrap(),
        payload: Payload::default(),
        volatile: false,
    }
}

/// A token that has not expired by any clock.
fn token(config: &Config) -> String {
    let AuthMode::Jwt(jwt) = &config.auth.mode else { panic!("tokens are expected") };
    let ttl = Duration::from_hours(24 * 365 * 200);
    let user = UserId::parse("ann").unwrap();
    mint(jwt, Grant { user, rooms: Vec::new(), ttl, data: None }, WallMs(0)).unwrap()
}

/// A client that speaks WebSocket.
struct Client(TcpStream);

impl Client {
    /// Connects to `/`; the answer is read.
    async fn connect(address: SocketAddr, token: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\n\
                       connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let packet = format!(r#"40{{"token":"{token}"}}"#);
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        // The mask of zeros leaves the packet as it is.
        let frame = [&[0x81, 0xfe, len[0], len[1], 0, 0, 0, 0], packet.as_bytes()].concat();
        stream.write_all(&frame).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(br#""user":"ann"}]"#) {
            heard.push(stream.read_u8().await.unwrap());
        }
        Self(stream)
    }

    /// All that still comes until the server ends the connection.
    async fn read_to_end(mut self) -> String {
        let mut heard = Vec::new();
        self.0.read_to_end(&mut heard).await.unwrap();
        String::from_utf8_lossy(&heard).into_owned()
    }
}
