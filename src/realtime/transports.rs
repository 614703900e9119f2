//! How clients are reached, and whether a proxy keeps them from a WebSocket.

use crate::clock::Clock;
use crate::connection::Connections;
use crate::core::protocol::upgrades::{UpgradeWatch, Upgrades};
use std::time::Duration;

/// Looks within the time that an upgrade may take.
const LOOKS: u32 = 4;

/// Watches until it is clear whether a WebSocket gets through, and says so once if none does. An upgrade may take
/// `patience`. For servers that offer both transports.
pub async fn watch_upgrades(connections: Connections, clock: Clock, patience: Duration) {
    let mut watch = UpgradeWatch::new(patience);
    loop {
        tokio::time::sleep(patience / LOOKS).await;
        let transports = connections.transports();
        match watch.look(clock.now(), transports.polling, transports.was_websocket) {
            Upgrades::Unknown => {}
            Upgrades::Work => return,
            Upgrades::Fail => {
                return tracing::warn!(
                    polling = transports.polling,
                    "0 % websocket: many clients poll, and none was ever upgraded. Does the proxy forward `Upgrade` \
                     and `Connection`?"
                );
            }
        }
    }
}
