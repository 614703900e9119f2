//! Several real nodes on one real Redis, and clients that note what they get.

use super::api::Api;
use super::eventually;
use super::redis::Redis;
use super::server::{JWT_SECRET, KEY, Server, token};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

/// How long anything of the nodes may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The nodes of one cluster.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) redis: Redis,
    pub(crate) servers: Vec<Server>,
    pub(crate) apis: Vec<Api>,
    dirs: Vec<TempDir>,
    sections: &'static str,
}

impl Nodes {
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, "").await
    }

    /// With these sections in their configurations, too.
    pub(crate) async fn start_with(count: usize, sections: &'static str) -> Self {
        let redis = Redis::start().await;
        let (servers, apis, dirs) = (Vec::new(), Vec::new(), Vec::new());
        let mut it = Self { redis, servers, apis, dirs, sections };
        for _ in 0..count {
            it.add().await;
        }
        it
    }

    /// One more node.
    pub(crate) async fn add(&mut self) {
        let dir = tempfile::tempdir().unwrap();
        let configuration = configuration(&dir, &self.redis.url()) + self.sections;
        let server = Server::run(dir.path(), &configuration).await;
        self.apis.push(Api::new(server.admin));
        self.servers.push(server);
        self.dirs.push(dir);
    }
}

fn configuration(dir: &TempDir, redis: &str) -> String {
    let data = dir.path().join("data");
    format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
drain = "1s"
[admin]
keys = [{{ name = "test", key = "{KEY}", scopes = ["emit", "read", "control"] }}]
[auth.jwt]
secret = "{JWT_SECRET}"
[presence]
grace = "1m"
[cluster]
redis = "{redis}"
heartbeat = "2s"
lease = "8s"
hold = "1s"
[store]
data_dir = "{}"
"#,
        data.display()
    )
}

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
        Self::connect_as(server, user, true).await
    }

    /// The same, and never answers.
    pub(crate) async fn connect_silent(server: SocketAddr, user: &str) -> Self {
        Self::connect_as(server, user, false).await
    }

    async fn connect_as(server: SocketAddr, user: &str, acks: bool) -> Self {
        let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
        let auth = format!(r#"{{"token":"{}"}}"#, token(user));
        let reply: Value = serde_json::from_str(&client.join(&auth).await.unwrap()).unwrap();
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
