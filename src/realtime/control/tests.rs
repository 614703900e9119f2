//! Blocks and revoked tokens: who is here, who comes, and who is on the way.

use super::{BlockOrder, Control};
use crate::app::testing::{TestApp, TestClient};
use crate::entropy;
use crate::registry::{Socket, SocketParts};
use crate::types::{Grants, Namespace, SocketId, UserId, WallMs};
use std::sync::Arc;
use tempfile::TempDir;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn order(until: Option<WallMs>) -> BlockOrder {
    BlockOrder { reason: Some("spam".into()), by: "key".into(), until }
}

fn control(app: &TestApp) -> &Arc<Control> {
    &app.realtime.control
}

#[tokio::test]
async fn a_block_disconnects_every_socket_and_tells_why_and_until_when() {
    let app = TestApp::new();
    let (one, other) = (app.connect("ann").await, app.connect("ann").await);
    let bob = app.connect("bob").await;
    let until = WallMs(app.parts.clock.wall().0 + 60_000);

    let blocked = control(&app).block(&user("ann"), order(Some(until))).await.unwrap();

    assert_eq!(blocked.disconnected.done, [one.socket.id, other.socket.id]);
    let told = format!(
        r#"42["userline:kicked",{{"reason":"spam","code":"blocked","until":{}}}]"#,
        until.0
    );
    for client in [&one, &other] {
        assert_eq!(app.hear(client).await, format!("{told}\u{1e}41"));
    }
    assert!(!bob.socket.connection.is_closed());
    let page = control(&app).blocks(None, 10);
    assert_eq!(page.items, [(user("ann"), blocked.block)]);
}

#[tokio::test]
async fn whoever_was_authenticated_before_a_block_does_not_come_in_after_it() {
    let app = TestApp::new();
    let late = on_the_way(&app, "ann", None).await;
    control(&app).block(&user("ann"), order(None)).await.unwrap();

    let place = app.realtime.attendance.reserve(&late.connection, late.user()).await.unwrap();
    app.realtime.attendance.join(&late, place, None);

    assert!(late.connection.is_closed(), "it comes again, and is told");
    assert!(app.parts.sockets.user(&user("ann")).1.is_empty());
    assert!(control(&app).unblock(&user("ann")).await.unwrap().is_some());
    assert!(control(&app).unblock(&user("ann")).await.unwrap().is_none());
    app.connect("ann").await;
}

#[tokio::test]
async fn only_connections_with_older_tokens_are_closed() {
    let app = TestApp::new();
    let old = join(&app, "ann", Some(WallMs(1000))).await;
    let new = join(&app, "ann", Some(WallMs(2000))).await;
    let silent = join(&app, "ann", None).await;

    let revoked = control(&app).revoke(&user("ann"), Some(WallMs(2000))).await.unwrap();

    assert_eq!(revoked.disconnected.done, [old.socket.id, silent.socket.id]);
    assert_eq!(revoked.not_before, WallMs(2000));
    assert!(!new.socket.connection.is_closed());
    assert_eq!(app.parts.sockets.user(&user("ann")).1.len(), 1);
    let late = on_the_way(&app, "ann", Some(WallMs(1999))).await;
    let place = app.realtime.attendance.reserve(&late.connection, late.user()).await.unwrap();
    app.realtime.attendance.join(&late, place, None);
    assert!(late.connection.is_closed());
    assert_eq!(control(&app).restore(&user("ann")).await.unwrap(), Some(WallMs(2000)));
}

#[tokio::test]
async fn without_a_time_tokens_of_this_second_count() {
    let app = TestApp::new();
    let before = app.parts.clock.wall().0;

    let revoked = control(&app).revoke(&user("ann"), None).await.unwrap();

    let not_before = revoked.not_before.0;
    assert!(not_before % 1000 == 0 && before - 1000 < not_before, "{not_before}");
    assert!(not_before <= app.parts.clock.wall().0);
}

#[tokio::test]
async fn what_was_answered_is_there_in_the_next_life() {
    let folder = TempDir::new().unwrap();
    let app = TestApp::in_folder(folder.path(), |_| {});
    control(&app).block(&user("ann"), order(None)).await.unwrap();
    control(&app).revoke(&user("bob"), Some(WallMs(7))).await.unwrap();
    let ended = WallMs(app.parts.clock.wall().0);
    control(&app).block(&user("eve"), order(Some(ended))).await.unwrap();
    app.store.close().await;

    let app = TestApp::in_folder(folder.path(), |_| {});
    control(&app).load().await.unwrap();

    assert!(control(&app).restriction(&user("ann")).block.is_some());
    assert_eq!(control(&app).restriction(&user("bob")).not_before, Some(WallMs(7)));
    assert!(control(&app).restriction(&user("eve")).is_empty(), "it has ended");
    assert_eq!(control(&app).len(), 3);
}

/// A client with a token of this age, authenticated and not here yet.
async fn on_the_way(app: &TestApp, name: &str, issued_at: Option<WallMs>) -> Arc<Socket> {
    let (connection, _) = app.open().await;
    Arc::new(Socket::new(SocketParts { connection, ..parts(app, name, issued_at).await.0 }))
}

async fn join(app: &TestApp, name: &str, issued_at: Option<WallMs>) -> TestClient {
    let (parts, sid) = parts(app, name, issued_at).await;
    app.join(parts, sid).await
}

async fn parts(app: &TestApp, name: &str, issued_at: Option<WallMs>) -> (SocketParts, String) {
    let (connection, sid) = app.open().await;
    let parts = SocketParts {
        id: SocketId::from_bytes(entropy::bytes()),
        namespace: Namespace::root(),
        user: user(name),
        device: None,
        connected_at: WallMs(0),
        grants: Grants { issued_at, ..Grants::default() },
        connection,
    };
    (parts, sid)
}
