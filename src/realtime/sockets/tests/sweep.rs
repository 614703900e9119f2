//! The last resort: sockets that are registered though their connection is gone.

use super::fixture::Fixture;
use crate::realtime::sockets::Suspects;
use crate::types::Reason;
use tempfile::TempDir;

#[tokio::test(start_paused = true)]
async fn a_socket_whose_connection_is_gone_has_to_go_after_two_sweeps_in_a_row() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let _well = it.connect("bob");
    let connection = it.connection().await;
    let socket = it.socket_on(&connection, "ann", "/", &[]);
    it.register(&socket).unwrap();
    let mut suspects = Suspects::default();
    assert!(it.sockets.sweep(&mut suspects).is_empty());

    connection.close(Reason::TransportError);
    assert!(it.sockets.sweep(&mut suspects).is_empty(), "perhaps its disconnect is on its way");
    let found = it.sockets.sweep(&mut suspects);

    assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), [socket.id]);
    it.sockets.disconnect(&socket, Reason::Audit);
    assert!(it.sockets.sweep(&mut suspects).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_on_its_way_is_not_the_sweeps_business() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let mut suspects = Suspects::default();

    for _ in 0..5 {
        let connection = it.connection().await;
        let socket = it.socket_on(&connection, "ann", "/", &[]);
        it.register(&socket).unwrap();
        connection.close(Reason::TransportError);
        assert!(it.sockets.sweep(&mut suspects).is_empty());
        it.sockets.disconnect(&socket, Reason::TransportError);
    }

    it.sockets.sweep(&mut suspects);
    assert_eq!(format!("{suspects:?}"), "Suspects({})", "nobody is suspected for ever");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_only_finishes_is_not_gone() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let connection = it.connection().await;
    let socket = it.socket_on(&connection, "ann", "/", &[]);
    it.register(&socket).unwrap();
    let mut suspects = Suspects::default();

    connection.finish(Reason::Kicked);

    for _ in 0..3 {
        assert!(it.sockets.sweep(&mut suspects).is_empty(), "its client has not polled yet");
    }
}
