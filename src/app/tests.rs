//! What only the wiring can get wrong.

mod stopping;

use super::App;
use super::testing::{PATIENCE, TestApp, config};
use crate::connection::Connection;
use crate::presence::SessionAtUp;
use crate::realtime::sockets::Sockets;
use crate::registry::{Socket, SocketParts};
use crate::tasks::Tasks;
use crate::types::{Grants, Namespace, Reason, Seq, SocketId, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_sweep_runs_as_long_as_the_program_does() {
    let (folder, tasks) = (TempDir::new().unwrap(), Tasks::new());
    let config = config(folder.path(), &[("presence.sweep_interval", "1s")]);
    let app = App::build(config, None).await.unwrap();
    let sockets = app.parts.sockets.clone();
    let elsewhere = TestApp::new();
    let shutdown = CancellationToken::new();
    tasks.spawn_to_end("test.app", app.run_until(shutdown.clone()));

    // Twice, because a sweep that runs once is none. Nobody says that they are gone.
    for n in [1, 2] {
        let (connection, _) = elsewhere.open().await;
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
    assert!(tasks.stop(PATIENCE).await);
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
    let session = sockets.connect(&socket, place);
    assert!(matches!(session, Some(SessionAtUp::Known(it)) if Seq(0) < it.id));
}
