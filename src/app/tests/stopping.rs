//! What is emitted while the server stops.

use crate::app::App;
use crate::app::testing::config;
use crate::auth::{TokenClaims, mint};
use crate::client::{Client, ClientTransport};
use crate::config::{AuthMode, Config};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{Emit, Message, WhenUndelivered};
use crate::tasks::Tasks;
use crate::types::{EventName, Except, Namespace, Payload, Target, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Too many to be written to by whoever emits.
const CLIENTS: usize = 100;

#[tokio::test]
async fn an_event_for_many_is_written_also_while_the_server_stops() {
    let (folder, tasks) = (TempDir::new().unwrap(), Tasks::new());
    let config = config(folder.path(), &[("recovery.window", "0s"), ("listen.drain", "1m")]);
    let token = token(&config);
    let app = App::build(config, None).await.unwrap();
    let (address, messages) = (app.public_addr(), Arc::clone(&app.realtime.messages));
    let connections = app.parts.connections.clone();
    let shutdown = CancellationToken::new();
    tasks.spawn_to_end("test.app", app.run_until(shutdown.clone()));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client::open(ClientTransport::WebSocket, address).await.unwrap();
        client.join(&format!(r#"{{"token":"{token}"}}"#)).await.unwrap();
        clients.push(client);
    }

    shutdown.cancel();
    while !connections.is_draining() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let emitted = messages.post(to_all("last words")).await.unwrap().emitted;

    assert!(CLIENTS / 2 < emitted.sent, "the stop was too quick for this test: {emitted:?}");
    let mut received = 0;
    for mut client in clients {
        // Until the server ends the connection.
        while let Ok(packet) = client.receive().await {
            received += usize::from(packet == r#"42["last words"]"#);
        }
    }
    assert_eq!(received, emitted.sent);
    assert!(tasks.stop(Duration::from_secs(20)).await);
}

fn to_all(event: &str) -> Message {
    let emit = Emit {
        audience: Arc::new(Audience {
            namespace: Namespace::root(),
            target: Target { all: true, ..Target::default() },
            except: Except::default(),
        }),
        event: EventName::parse(event).unwrap(),
        payload: Payload::default(),
        volatile: false,
        source: None,
    };
    Message { emit, store: None, acks: None, undelivered: WhenUndelivered::Nothing }
}

/// A token that has not expired by any clock.
fn token(config: &Config) -> String {
    let AuthMode::Jwt(jwt) = &config.auth.mode else { panic!("tokens are expected") };
    let ttl = Duration::from_hours(24 * 365 * 200);
    let user = UserId::parse("ann").unwrap();
    mint(jwt, TokenClaims { user, rooms: Vec::new(), ttl, data: None }, WallMs(0)).unwrap()
}
