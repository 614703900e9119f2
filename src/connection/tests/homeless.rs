//! More clients than may be have joined no namespace.

use super::fixture::{Engine, Server, limits};
use crate::config::LimitsConfig;
use crate::types::Reason;

#[tokio::test]
async fn the_oldest_that_has_joined_nothing_makes_room_for_the_newest_and_whoever_has_joined_stays()
{
    let server = Server::with(LimitsConfig { unauthenticated: 2, ..limits() }).await;
    let (_client, joined) = server.websocket().await;
    let mut strangers = Vec::new();
    for n in 0..6 {
        // By both transports.
        let (client, engine) = if n % 2 == 0 {
            let (client, engine) = server.websocket().await;
            (Some(client), engine)
        } else {
            (None, server.poller().await.1)
        };
        engine.connection.expect_connect(&mut engine.connection.lock());
        strangers.push((client, engine));
        let is_closed = |engine: &Engine| engine.connection.is_closed();
        let closed: Vec<bool> = strangers.iter().map(|(_, engine)| is_closed(engine)).collect();
        let beyond = strangers.len().saturating_sub(2);
        let expected: Vec<bool> = (0..strangers.len()).map(|n| n < beyond).collect();
        assert_eq!((closed, is_closed(&joined)), (expected, false));
    }
    assert_eq!(strangers[0].1.connection.end_reason(), Some(Reason::TransportClose));
    assert_eq!(strangers[0].0.as_mut().unwrap().next().await, None);

    joined.connection.expect_connect(&mut joined.connection.lock());
    for (_, engine) in &strangers {
        engine.connection.close(Reason::TransportClose);
    }
    assert_eq!(
        server.connections.homeless(),
        1,
        "it has left, and those that are closed do not count"
    );
    joined.connection.is_homeless_no_more(&mut joined.connection.lock());
    assert_eq!(server.connections.homeless(), 0);
}
