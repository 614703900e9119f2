//! What is measured of a connection.

use super::clients::client_frame;
use super::fixture::{Server, until};
use crate::connection::Transport;
use crate::core::protocol::frame;
use crate::types::Ending;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn the_bytes_of_a_websocket_are_counted_in_both_directions() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;
    let before = engine.connection.vitals();
    assert_eq!((before.transport, before.is_upgraded), (Transport::WebSocket, false));

    let event = frame::text(&[&vec![b'x'; 1000]]);
    engine.connection.send(&event);
    engine.write(b"2");
    client.send(b"3").await;
    client.next().await.unwrap();
    until("it is read", || (0 < engine.connection.vitals().bytes_in).then_some(())).await;

    let after = engine.connection.vitals();
    assert_eq!(after.bytes_out - before.bytes_out, 1004 + 3);
    assert_eq!((before.bytes_in, after.bytes_in), (0, 7));
}

#[tokio::test]
async fn the_bytes_of_bodies_and_of_the_websocket_after_them_are_counted() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let before = engine.connection.vitals();
    engine.connection.send(&frame::text(&[b"42[1]"]));

    client.post(b"42[22]").await;
    engine.read().await.unwrap();
    client.poll().await;
    let polled = engine.connection.vitals();
    let early = client_frame(0x81, b"2probe");
    let mut socket = client.upgrade(&early).await;
    socket.next().await.unwrap();
    let (five, last) = (client_frame(0x81, b"5"), client_frame(0x81, b"42[3]"));
    socket.stream.write_all(&[&five[..], &last].concat()).await.unwrap();
    assert_eq!(engine.read().await.unwrap(), b"42[3]");

    assert_eq!((polled.bytes_in, polled.bytes_out - before.bytes_out), (6, 5));
    let after = engine.connection.vitals();
    assert_eq!((after.transport, after.is_upgraded), (Transport::WebSocket, true));
    let came = early.len() + five.len() + last.len();
    assert_eq!(after.bytes_in - polled.bytes_in, u64::try_from(came).unwrap(), "each once");
    assert_eq!(after.bytes_out - polled.bytes_out, 8, "the answer to the probe");
}

#[tokio::test(start_paused = true)]
async fn silence_lasts_from_the_last_packet_to_the_end() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.send(b"3").await;
    until("it is read", || (0 < engine.connection.vitals().bytes_in).then_some(())).await;

    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(engine.connection.vitals().silent.as_secs(), 7);
    engine.connection.close(crate::types::Reason::Kicked);
    tokio::time::sleep(Duration::from_mins(1)).await;

    assert_eq!(engine.connection.vitals().silent.as_secs(), 7);
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_told_from_one_that_does_not() {
    let server = Server::start().await;
    let table: [(&[u8], Ending, Option<u16>); 3] = [
        (&client_frame(0x88, &[0x03, 0xe9]), Ending::ClosedByClient, Some(1001)),
        (&client_frame(0x88, &[]), Ending::ClosedByClient, Some(1005)),
        (&client_frame(0x81, b"42[1]"), Ending::EndOfStream, None),
    ];
    for (last, ending, code) in table {
        let (mut client, mut engine) = server.websocket().await;
        client.stream.write_all(last).await.unwrap();
        drop(client);
        while engine.read().await.is_some() {}

        let vitals = engine.connection.vitals();
        assert_eq!((vitals.ending, vitals.close_code), (Some(ending), code), "{last:?}");
    }
}

#[tokio::test]
async fn a_polling_client_says_goodbye_with_a_packet() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let _poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    client.post(b"42[1]\x1e1").await;

    assert_eq!([engine.read().await, engine.read().await], [Some(b"42[1]".to_vec()), None]);
    assert_eq!(engine.connection.vitals().ending, Some(Ending::ClosedByClient));
}

#[tokio::test]
async fn a_reset_is_seen_by_the_reader() {
    let server = Server::start().await;
    let (client, mut engine) = server.websocket().await;
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();

    drop(client);

    assert_eq!(engine.read().await, None);
    assert_eq!(engine.connection.vitals().ending, Some(Ending::Reset));
}
