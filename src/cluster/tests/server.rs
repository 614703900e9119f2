//! A Redis of the test's own: `redis-server`, or what `USERLINE_TEST_REDIS` names.

use crate::cluster::{ClusterPlace, RedisCall, Script};
use crate::config::{ClusterConfig, Durability, RedisLocation};
use crate::core::cluster::agreement::{Agreement, Term};
use redis::{Client, Commands as _, Connection, Value};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Stands for clock.lua: the time is the last argument, and belongs to the test.
const TEST_CLOCK: &str = "local now = tonumber(table.remove(ARGV))";

/// A server on a Unix socket, and one connection to it.
pub(in crate::cluster) struct TestRedis {
    process: Child,
    _folder: TempDir,
    url: String,
    connection: Connection,
    scripts: BTreeMap<Script, String>,
}

/// What nodes agree on, as far as scripts look at it.
pub(super) fn agreement(grace: &str) -> Agreement {
    let must = vec![Term::shown("cluster.lease", "15000ms"), Term::shown("presence.grace", grace)];
    Agreement { must, should: vec![Term::shown("hooks.endpoints", "hook")] }
}

/// A place in Redis as most tests have it.
pub(super) fn place() -> ClusterPlace {
    ClusterPlace {
        prefix: "userline:{test}:".to_owned(),
        agreement: agreement("10s"),
        lease: Duration::from_secs(15),
        endpoints: Vec::new(),
        log_bytes: 1000,
        window: Duration::ZERO,
        events_kept: Duration::from_hours(72),
        node_grace: Duration::from_secs(20),
        hold: Duration::from_secs(20),
        silence: Duration::from_secs(5),
        grace_max: Duration::from_mins(10),
    }
}

/// The configuration of a cluster at `url`, otherwise as it usually is.
pub(in crate::cluster) fn cluster_config(url: &str) -> ClusterConfig {
    ClusterConfig {
        redis: RedisLocation::parse(url).unwrap(),
        name: "test".to_owned(),
        secret: None,
        heartbeat: Duration::from_secs(5),
        lease: Duration::from_secs(15),
        node_grace: Duration::from_secs(20),
        hold: Duration::from_secs(20),
        log_bytes: 16_000_000,
        inbox_bytes: 1_000_000_000,
        durability: Durability::Async,
        ready_when_cut_off: true,
        forward: None,
        admit_when_cut_off: true,
    }
}

/// A server that a Python package brings: its path in the package.
pub(super) fn of_package(path: &str) -> OsString {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/.venv/lib");
    let versions = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    let mut all = versions.map(|it| it.path().join("site-packages").join(path));
    let program = all.find(|it| it.exists());
    let program = program.unwrap_or_else(|| {
        panic!("{path} is missing: `./test rust` installs it, from tests/clients/requirements-redis.txt")
    });
    program.into_os_string()
}

/// All keys and values at one moment.
pub(super) type Snapshot = Vec<(Vec<u8>, Vec<u8>)>;

impl TestRedis {
    /// Starts a server. Scripts are as `edit` makes them.
    pub(in crate::cluster) fn start(edit: impl Fn(Script, String) -> String) -> Self {
        let program = std::env::var_os("USERLINE_TEST_REDIS")
            .unwrap_or_else(|| OsString::from("redis-server"));
        Self::start_as(&program, edit)
    }

    /// Another program.
    pub(super) fn start_as(program: &OsStr, edit: impl Fn(Script, String) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("redis.sock");
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need {program:?}: {error}"));
        let url = format!("unix://{}", socket.display());
        let client = Client::open(url.as_str()).unwrap();
        let mut tries = 0;
        let mut connection = loop {
            match client.get_connection() {
                Ok(connection) => break connection,
                Err(error) => {
                    tries += 1;
                    assert!(tries < 1000, "{program:?} does not start: {error}");
                    #[expect(clippy::disallowed_methods, reason = "no runtime is blocked")]
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        };
        let mut load = |script: Script| {
            let text = edit(script, script.text_with_clock(TEST_CLOCK));
            let loaded: String =
                redis::cmd("SCRIPT").arg("LOAD").arg(text).query(&mut connection).unwrap();
            (script, loaded)
        };
        let scripts = Script::ALL.into_iter().map(&mut load).collect();
        Self { process, _folder: folder, url, connection, scripts }
    }

    /// Where it is.
    pub(in crate::cluster) fn url(&self) -> &str {
        &self.url
    }

    /// Runs one call at `now`, in microseconds.
    pub(super) fn run(&mut self, call: &RedisCall, now: u64) -> Value {
        match call {
            RedisCall::Script { script, key, arguments } => {
                let mut command = redis::cmd("EVALSHA");
                command.arg(&self.scripts[script]).arg(1).arg(key);
                command.arg(arguments).arg(now);
                command.query(&mut self.connection).unwrap_or_else(|it| panic!("{script:?}: {it}"))
            }
            RedisCall::Read { keys, after, entries_max } => {
                let mut command = redis::cmd("XREAD");
                command.arg("COUNT").arg(*entries_max).arg("STREAMS").arg(keys).arg(after);
                command.query(&mut self.connection).unwrap()
            }
        }
    }

    /// Any command.
    pub(in crate::cluster) fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.connection).unwrap()
    }

    pub(super) fn flush(&mut self) {
        let () = self.ask(&["FLUSHALL"]);
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        let keys: Vec<Vec<u8>> = self.ask(&["KEYS", "*"]);
        let mut dump = |key: Vec<u8>| {
            let value = redis::cmd("DUMP").arg(&key).query(&mut self.connection).unwrap();
            (key, value)
        };
        keys.into_iter().map(&mut dump).collect()
    }

    pub(super) fn restore(&mut self, snapshot: &Snapshot) {
        self.flush();
        for (key, value) in snapshot {
            let command = redis::cmd("RESTORE").arg(key).arg(0).arg(value).to_owned();
            let () = command.query(&mut self.connection).unwrap();
        }
    }

    pub(super) fn keys(&mut self) -> Vec<String> {
        self.connection.keys("*").unwrap()
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
