//! A client that comes back with what a stock client keeps: the name of its session, and the last argument of the last event
//! that ended with a text.

use crate::rig::eventually;
use crate::rig::nodes::PATIENCE;
use crate::rig::server::token;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pid: Option<String>,
    offset: Option<String>,
    /// The numbers that events called `n` brought.
    numbers: Vec<u64>,
    /// So many it had when it was told that it may have missed something.
    pub(super) breaks: Vec<usize>,
    pub(super) recoveries: usize,
    is_over: bool,
}

/// One client of a user.
#[derive(Debug)]
pub(super) struct Comer {
    user: String,
    device: Option<&'static str>,
    kept: Arc<Mutex<Kept>>,
    cut: Option<oneshot::Sender<()>>,
    pub(super) id: String,
}

impl Comer {
    pub(super) fn new(user: &str) -> Self {
        let (kept, id) = (Arc::default(), String::new());
        Self { user: user.to_owned(), device: None, kept, cut: None, id }
    }

    pub(super) fn on_device(user: &str, device: &'static str) -> Self {
        Self { device: Some(device), ..Self::new(user) }
    }

    /// Another one that has the same to come back with.
    pub(super) fn twin(&self) -> Self {
        let kept = Arc::new(Mutex::new(self.kept()));
        Self { kept, cut: None, ..Self::on(self) }
    }

    fn on(it: &Self) -> Self {
        Self { device: it.device, ..Self::new(&it.user) }
    }

    /// Connects; returns whether it has recovered. `None`: it could not connect.
    pub(super) async fn try_connect(&mut self, server: SocketAddr) -> Option<bool> {
        let kept = self.kept();
        self.kept.lock().is_over = true;
        let mut client = Client::open(ClientTransport::WebSocket, server).await.ok()?;
        let mut auth = json!({"token": token(&self.user), "device": self.device});
        if let Some(pid) = &kept.pid {
            auth["pid"] = json!(pid);
            auth["offset"] = json!(kept.offset);
        }
        let reply: Value =
            serde_json::from_str(&client.join(&auth.to_string()).await.ok()?).unwrap();
        reply["sid"].as_str().unwrap().clone_into(&mut self.id);
        let pid = reply["pid"].as_str().map(str::to_owned);
        let is_recovered = pid.is_some() && pid == kept.pid;
        {
            let mut kept = self.kept.lock();
            if is_recovered {
                kept.recoveries += 1;
            } else {
                let had = kept.numbers.len();
                kept.breaks.push(had);
                kept.offset = None;
            }
            (kept.pid, kept.is_over) = (pid, false);
        }
        let (cut, is_cut) = oneshot::channel();
        self.cut = Some(cut);
        Tasks::new().spawn("comer", listen(client, Arc::clone(&self.kept), is_cut));
        Some(is_recovered)
    }

    pub(super) async fn connect(&mut self, server: SocketAddr) -> bool {
        self.try_connect(server).await.expect("it connects")
    }

    /// Its connection ends, without a word.
    pub(super) async fn cut(&mut self) {
        drop(self.cut.take());
        let kept = Arc::clone(&self.kept);
        let is_over = async move {
            while !kept.lock().is_over {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, is_over).await.expect("the connection has ended");
    }

    pub(super) fn kept(&self) -> Kept {
        self.kept.lock().clone()
    }

    pub(super) fn is_over(&self) -> bool {
        self.kept.lock().is_over
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.kept.lock().numbers.clone()
    }

    /// Waits until it has heard this number.
    pub(super) async fn hears(&self, number: u64) {
        let has = async || self.numbers().contains(&number);
        eventually(&format!("{} hears {number}", self.user), PATIENCE, has).await;
    }
}

async fn listen(mut client: Client, kept: Arc<Mutex<Kept>>, mut is_cut: oneshot::Receiver<()>) {
    loop {
        let packet = tokio::select! {
            _ = &mut is_cut => break,
            packet = client.receive() => packet,
        };
        let Ok(packet) = packet else { break };
        if packet == "2" {
            drop(client.send("3").await);
        } else if let Some(event) = packet.strip_prefix("42") {
            let event: Value = serde_json::from_str(event).unwrap();
            let arguments = event.as_array().unwrap();
            let mut kept = kept.lock();
            if let Some(offset) = arguments.last().and_then(Value::as_str) {
                kept.offset = Some(offset.to_owned());
            }
            if event[0] == "n" {
                kept.numbers.push(event[1].as_u64().unwrap());
            }
        } else if packet.starts_with("41") || packet == "1" {
            break;
        }
    }
    drop(client.reset());
    kept.lock().is_over = true;
}
