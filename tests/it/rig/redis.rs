//! A Redis of a test's own, on a free port, with its data in a folder that goes with it.

use super::eventually;
use redis::aio::MultiplexedConnection;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Redis {
    /// Starts one; it takes clients when this returns.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let it = Self { child: run(&dir, port), dir, port };
        it.takes_clients().await;
        it
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs it again, with what it had written.
    pub(crate) async fn run(&mut self) {
        self.child = run(&self.dir, self.port);
        self.takes_clients().await;
    }

    pub(crate) async fn client(&self) -> MultiplexedConnection {
        self.connected().await.unwrap()
    }

    async fn connected(&self) -> Option<MultiplexedConnection> {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.ok()
    }

    async fn takes_clients(&self) {
        let answers = async || match self.connected().await {
            // While it loads its data it takes clients, and answers nothing.
            Some(mut client) => redis::cmd("PING").exec_async(&mut client).await.is_ok(),
            None => false,
        };
        eventually("Redis takes clients", PATIENCE, answers).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// It writes each command down before it answers, so that it has it after a crash of its own.
fn run(dir: &TempDir, port: u16) -> Child {
    let started = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "no", "--dir"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.expect("redis-server is missing: `./test` installs it, or install it yourself")
}
