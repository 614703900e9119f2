//! A client that hears what is emitted to its user.

use crate::rig::client::Transport;
use crate::rig::eventually;
use crate::rig::server::token;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use userline::client::Client;
use userline::tasks::Tasks;

const PATIENCE: Duration = Duration::from_mins(1);

/// A client that is connected and hears.
pub(super) struct Listener {
    heard: Arc<Mutex<Vec<Value>>>,
    tasks: Tasks,
}

impl Listener {
    /// Connects as `user`; in its rooms when this returns.
    pub(super) async fn connect(user: &str, server: SocketAddr) -> Self {
        let mut client = Client::open(Transport::WebSocket, server).await.unwrap();
        client.join(&json!({"token": token(user)}).to_string()).await.unwrap();
        let (heard, tasks) = (Arc::new(Mutex::new(Vec::new())), Tasks::new());
        let into = Arc::clone(&heard);
        tasks.spawn("listener", async move {
            while let Ok(packet) = client.receive().await {
                if packet == "2" {
                    client.send("3").await.ok();
                }
                // Its own news of the inbox is none of what was emitted.
                let event = packet.strip_prefix("42").filter(|it| !it.starts_with("[\"userline:"));
                into.lock().extend(event.map(|it| serde_json::from_str::<Value>(it).unwrap()));
            }
        });
        Self { heard, tasks }
    }

    /// What it has heard: each event with its arguments.
    pub(super) fn heard(&self) -> Vec<Value> {
        self.heard.lock().clone()
    }

    /// The first argument of each event, once there are so many.
    pub(super) async fn numbers(&self, count: usize) -> Vec<u64> {
        let what = format!("{count} events");
        eventually(&what, PATIENCE, async || count <= self.heard.lock().len()).await;
        self.heard().iter().map(|it| it[1].as_u64().unwrap()).collect()
    }

    /// The connection ends.
    pub(super) async fn leave(self) {
        self.tasks.stop(PATIENCE).await;
    }
}
