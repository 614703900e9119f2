//! What only the wiring can get wrong.

mod stopping;

use super::App;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::connection::{Acceptor, AcceptorConfig, Connection, Connections, EngineStream};
use crate::core::protocol::frame;
use crate::realtime::sockets::Sockets;
use crate::registry::{Socket, SocketParts};
use crate::tasks::Tasks;
use crate::types::{Grants, Namespace, Reason, Seq, SocketId, UserId, WallMs};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_sweep_runs_as_long_as_the_program_does() {
    let (folder, tasks) = (TempDir::new().unwrap(), Tasks::new());
    let config = config(folder.path(), &[]);
    let app = App::build(config.clone(), None).await.unwrap();
    let (sockets, clock) = (app.parts.sockets.clone(), app.parts.clock.clone());
    let shutdown = CancellationToken::new();
    tasks.spawn_to_end("test.app", app.run_until(shutdown.clone()));

    // Twice, because a sweep that runs once is none. The engine never says that they are gone.
    for n in [1, 2] {
        let connection = connection(&config, &clock, &tasks).await;
        register(&sockets, &connection, n).await;
        assert_eq!(sockets.counts().sockets, 1);
        connection.close(Reason::TransportError);

        let swept = async {
            while sockets.counts().sockets != 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let swept = tokio::time::timeout(Duration::from_secs(30), swept).await;
        assert!(swept.is_ok(), "a socket without a connection stays");
    }

    shutdown.cancel();
    assert!(tasks.stop(Duration::from_secs(20)).await);
}

/// A configuration for tests, with these keys changed.
fn config(folder: &Path, changes: &[(&str, &str)]) -> Config {
    let settings = [
        ("listen.public", "127.0.0.1:0"),
        ("listen.admin", "127.0.0.1:0"),
        ("auth.jwt.secret", "a-secret-for-the-tokens-of-the-tests"),
        ("presence.sweep_interval", "1s"),
        ("store.data_dir", folder.to_str().unwrap()),
    ];
    let sources = settings
        .iter()
        .chain(changes)
        .fold(Sources::new(), |sources, (key, value)| sources.with_flag("--set", key, value));
    Config::load(&sources).unwrap()
}

/// A connection whose engine is this test.
async fn connection(config: &Config, clock: &Clock, tasks: &Tasks) -> Arc<Connection> {
    let lent: Arc<Mutex<Vec<EngineStream>>> = Arc::default();
    let engine = Arc::clone(&lent);
    let rules = AcceptorConfig::new(&config.listen, config.limits, &config.socketio);
    let acceptor =
        Acceptor::new(rules, Connections::new(1), tasks.clone(), clock.clone(), move |io| {
            engine.lock().push(io);
        });
    let request = Request::builder().uri("/socket.io/?EIO=4&transport=polling");
    let request: Request<Full<Bytes>> = request.body(Full::default()).unwrap();
    let greeting = async {
        let mut io = lent.lock().pop().expect("the connection was lent");
        io.write_all(&frame::text(&[b"0{}"])).await.unwrap();
        io
    };
    let (response, io) = tokio::join!(acceptor.answer(request), greeting);
    assert_eq!(response.status(), 200);
    Arc::clone(io.connection())
}

async fn register(sockets: &Sockets, connection: &Arc<Connection>, n: u8) {
    let socket = Arc::new(Socket::new(SocketParts {
        id: SocketId::from_bytes([n; SocketId::BYTES]),
        namespace: Namespace::root(),
        user: UserId::parse("ann").unwrap(),
        connected_at: WallMs(0),
        device: None,
        grants: Grants::default(),
        connection: Arc::clone(connection),
    }));
    let place = sockets.presence.reserve().await.unwrap();
    assert!(sockets.connect(&socket, place).is_some_and(|session| Seq(0) < session.id));
}
