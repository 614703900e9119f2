//! A client of a node that notes what it gets.

use super::PATIENCE;
use crate::rig::eventually;
use crate::rig::server::token;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

/// A client that takes what it gets, and answers what asks for an ack.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: String,
    pub(crate) user: String,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Value>,
    is_over: bool,
}

impl Listener {
    /// Connects to a node.
    pub(crate) async fn connect(server: SocketAddr, user: &str) -> Self {
        Self::connect_as(server, user, json!({}), true).await
    }

    /// The same, with more in its `auth`.
    pub(crate) async fn connect_with(server: SocketAddr, user: &str, auth: Value) -> Self {
        Self::connect_as(server, user, auth, true).await
    }

    /// The same, and never answers.
    pub(crate) async fn connect_silent(server: SocketAddr, user: &str) -> Self {
        Self::connect_as(server, user, json!({}), false).await
    }

    async fn connect_as(server: SocketAddr, user: &str, mut auth: Value, acks: bool) -> Self {
        let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
        auth["token"] = json!(token(user));
        let reply = client.join(&auth.to_string()).await.unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        Tasks::new().spawn("listener", listen(client, Arc::clone(&heard), acks));
        let id = reply["sid"].as_str().unwrap().to_owned();
        Self { id, user: user.to_owned(), heard }
    }

    /// The events so far, without those of the server itself: name and arguments.
    pub(crate) fn events(&self) -> Vec<Value> {
        let is_own = |it: &Value| it[0].as_str().is_some_and(|it| it.starts_with("userline:"));
        self.heard.lock().events.iter().filter(|it| !is_own(it)).cloned().collect()
    }

    /// The numbers that events called `n` brought.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.events().iter().filter(|it| it[0] == "n").map(|it| it[1].as_u64().unwrap()).collect()
    }

    /// The events of this name so far.
    pub(crate) fn heard(&self, name: &str) -> Vec<Value> {
        self.heard.lock().events.iter().filter(|it| it[0] == name).cloned().collect()
    }

    pub(crate) fn has_heard(&self, name: &str) -> bool {
        self.heard.lock().events.iter().any(|it| it[0] == name)
    }

    pub(crate) async fn is_disconnected(&self) {
        let is_over = async || self.heard.lock().is_over;
        eventually("it is disconnected", PATIENCE, is_over).await;
    }

    pub(crate) async fn hears(&self, numbers: &BTreeSet<u64>) {
        let has = async || numbers.iter().all(|it| self.numbers().contains(it));
        eventually("it has heard all", PATIENCE, has).await;
    }
}

async fn listen(mut client: Client, heard: Arc<Mutex<Heard>>, acks: bool) {
    while let Ok(packet) = client.receive().await {
        if packet == "2" {
            drop(client.send("3").await);
        } else if let Some(event) = packet.strip_prefix("42") {
            let (id, event) = event.split_at(event.find('[').unwrap());
            if acks && !id.is_empty() {
                drop(client.send(&format!("43{id}[\"got it\"]")).await);
            }
            heard.lock().events.push(serde_json::from_str(event).unwrap());
        } else if packet.starts_with("41") || packet == "1" {
            break;
        }
    }
    heard.lock().is_over = true;
}
