//! How much there is on a node, for whoever counts what is on all of them.

use serde::{Deserialize, Serialize};

/// How much there is on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeTotals {
    /// Sockets.
    pub sockets: usize,
    /// Rooms that were granted, with a socket in them.
    pub rooms: usize,
    /// Connections, also those without a socket.
    pub connections: usize,
    /// Of these, by long-polling.
    pub polling: usize,
    /// Of these, by WebSocket.
    pub websocket: usize,
    /// Graces that may run out.
    pub deadlines: usize,
}

impl NodeTotals {
    /// With those of another node.
    pub fn add(&mut self, other: Self) {
        let Self { sockets, rooms, connections, polling, websocket, deadlines } = other;
        self.sockets += sockets;
        self.rooms += rooms;
        self.connections += connections;
        self.polling += polling;
        self.websocket += websocket;
        self.deadlines += deadlines;
    }
}
