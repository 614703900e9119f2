//! The real program, killed, paused and restarted at will.

use super::eventually;
use jsonwebtoken::Algorithm;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use userline::auth::{TokenClaims, mint};
use userline::clock::Clock;
use userline::config::JwtConfig;
use userline::types::{Secret, Seq, UserId};

pub(crate) const KEY: &str = "a-key-for-the-tests";
/// 32 bytes, base64.
pub(crate) const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

pub(crate) const JWT_SECRET: &str = "a-secret-for-the-tokens-of-the-tests";

/// The times of the configuration below, if the setup does not say otherwise, in milliseconds.
pub(crate) const GRACE: u64 = 1000;
pub(crate) const STARTUP_GRACE: u64 = 2000;
/// Until a silent client is noticed: ping interval and timeout.
pub(crate) const SILENCE: u64 = 2000;

/// What may differ between the servers of two tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// The grace in milliseconds.
    pub(crate) grace: u64,
    /// The same after a start.
    pub(crate) startup_grace: u64,
    /// `recovery.window`.
    pub(crate) recovery: &'static str,
    /// `socketio.ping_timeout` in milliseconds.
    pub(crate) ping_timeout: u64,
    /// `limits.stall`.
    pub(crate) stall: &'static str,
}

impl Setup {
    pub(crate) const DEFAULT: Self = Self {
        grace: GRACE,
        startup_grace: STARTUP_GRACE,
        recovery: "2m",
        ping_timeout: 1000,
        stall: "2s",
    };
}

impl Default for Setup {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How long anything of the program may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Server {
    /// Starts on free ports, with the data in `dir`; ready when this returns.
    pub(crate) async fn start(dir: &Path, hook_url: &str, setup: Setup) -> Self {
        Self::run(dir, &configuration(dir, hook_url, setup)).await
    }

    /// The same with a configuration of the test's own.
    pub(crate) async fn run(dir: &Path, configuration: &str) -> Self {
        let mut child = spawn(dir, configuration);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut says = async |name: &str| -> SocketAddr {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts in time");
            let line = line.unwrap().unwrap_or_else(|| panic!("it did not start: {}", logged(dir)));
            line.strip_prefix(name).expect("it says where it listens").parse().unwrap()
        };
        let (public, admin) = (says("public http://").await, says("admin http://").await);
        Self { child, dir: dir.to_owned(), public, admin }
    }

    /// How one ends that cannot start so.
    pub(crate) async fn refused(dir: &Path, configuration: &str) -> ExitStatus {
        let ended = timeout(PATIENCE, spawn(dir, configuration).wait_with_output()).await;
        ended.unwrap_or_else(|_| panic!("it did not end: {}", logged(dir))).unwrap().status
    }

    /// SIGKILL; over when this returns.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; over when this returns.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM").await;
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it did not end: {}", logged(&self.dir))).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await.unwrap();
        assert!(sent.success());
        if signal == "-STOP" {
            // Its threads come to stand one after the other, and `kill` does not wait for that.
            let stand = async || all_threads_stand(&pid);
            eventually("the process stands still", PATIENCE, stand).await;
        }
    }
}

fn spawn(dir: &Path, configuration: &str) -> Child {
    let config = dir.join("userline.toml");
    fs::write(&config, configuration).unwrap();
    let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_userline"))
        .args(["serve", "--config", config.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn all_threads_stand(pid: &str) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|it| {
        // `pid (name) state …`
        let stat = fs::read_to_string(it.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// A token that makes its bearer `user`, for longer than any test runs.
pub(crate) fn token(user: &str) -> String {
    let secret = Secret::new(JWT_SECRET.as_bytes().to_vec());
    let config = JwtConfig::with_secret(secret, &[Algorithm::HS256]);
    let user = UserId::parse(user).unwrap();
    let grant = TokenClaims { user, rooms: Vec::new(), ttl: Duration::from_hours(1), data: None };
    mint(&config, grant, Clock::start(Seq(0)).wall()).unwrap()
}

/// The end of what the servers in `dir` have logged.
pub(crate) fn logged(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// The head of every configuration of the tests: listeners on free ports, one key, one secret. A stop waits for `drain`.
pub(crate) fn common(data_dir: &str, drain: &str) -> String {
    format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
drain = "{drain}"
[admin]
keys = [{{ name = "test", key = "{KEY}", scopes = ["emit", "read", "control"] }}]
[auth.jwt]
secret = "{JWT_SECRET}"
[store]
data_dir = "{data_dir}"
"#
    )
}

fn configuration(dir: &Path, hook_url: &str, setup: Setup) -> String {
    let common = common(&dir.join("data").to_string_lossy(), "1s");
    let Setup { grace, startup_grace, recovery, ping_timeout, stall } = setup;
    format!(
        r#"
{common}[presence]
grace = "{grace}ms"
startup_grace = "{startup_grace}ms"
# A busy machine may take more than a second between the end of a connection and the news of it; a true leak stays.
sweep_interval = "3s"
[hooks]
url = "{hook_url}"
secret = "{HOOK_SECRET}"
timeout = "1s"
allow_private = true
[recovery]
window = "{recovery}"
[limits]
stall = "{stall}"
[socketio]
ping_interval = "1s"
ping_timeout = "{ping_timeout}ms"
[log]
level = "info"
"#
    )
}
