//! `userline ingest redis check`, with a real Redis.

use crate::rig::redis::Redis;
use redis::cmd;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const STREAM: &str = "userline:emits";
const PASSWORD: &str = "a-password-of-a-test";

/// A Redis, and a configuration with sources on it.
struct CheckWorld {
    redis: Redis,
    dir: TempDir,
}

impl CheckWorld {
    async fn start() -> Self {
        Self { redis: Redis::start().await, dir: tempfile::tempdir().unwrap() }
    }

    async fn say(&self, command: &[&str]) {
        let (name, args) = command.split_first().unwrap();
        let mut client = self.redis.client().await;
        cmd(name).arg(args).exec_async(&mut client).await.unwrap();
    }

    /// Sources that connect as `user`.
    fn configure(&self, user: &str, password: &str) -> PathBuf {
        let path = self.dir.path().join("userline.toml");
        let url = self.redis.url().replace("redis://", &format!("redis://{user}:{password}@"));
        let text = format!(
            "[auth.jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
             [[ingest.redis_emitter]]\nname = \"node\"\nurl = \"{url}\"\npython_channel = \"py*io\"\n\
             [[ingest.redis_stream]]\nname = \"orders\"\nurl = \"{url}\"\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the check; its exit code and all that it said.
    fn check(&self, source: &str, user: &str, password: &str) -> (Option<i32>, String) {
        let config = self.configure(user, password);
        let mut command = Command::new(env!("CARGO_BIN_EXE_userline"));
        command.args(["ingest", "redis", "check", "--config"]).arg(config);
        if !source.is_empty() {
            command.arg(source);
        }
        let ended = command.output().unwrap();
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(!said.contains(PASSWORD), "{said}");
        (ended.status.code(), said)
    }

    /// The check fails with this code; the command that it advises is run, as pasted.
    fn mend(&self, source: &str, user: &str, code: &str) {
        let (status, said) = self.check(source, user, PASSWORD);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&format!("cannot be read: {code}: ")), "{said}");
        let advised = said.split("can say: ").nth(1).unwrap_or_else(|| panic!("{said}"));
        let advised = advised.replace(">PASSWORD", &format!(">{PASSWORD}"));
        let mut cli = Command::new("redis-cli")
            .args(["-u", &self.redis.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli is missing: it comes with redis-server");
        cli.stdin.take().unwrap().write_all(advised.as_bytes()).unwrap();
        let printed = String::from_utf8(cli.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(printed.trim(), "OK", "{advised}");
    }

    /// The check succeeds and says this.
    fn is_good(&self, source: &str, user: &str, parts: &[&str]) {
        let (status, said) = self.check(source, user, PASSWORD);
        assert_eq!(status, Some(0), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[tokio::test]
async fn what_is_advised_is_all_that_a_stream_needs() {
    let world = CheckWorld::start().await;

    world.mend("orders", "ann", "credentials");
    world.is_good("orders", "ann", &["ok    connected to Redis ", "is not there yet"]);
    for lacking in ["-xautoclaim", "-del", "-time", "-eval", "resetkeys"] {
        world.say(&["ACL", "SETUSER", "ann", lacking]).await;
        world.mend("orders", "ann", "forbidden");
        world.is_good("orders", "ann", &["the user may read, acknowledge and delete entries"]);
    }
}

#[tokio::test]
async fn what_is_advised_is_all_that_a_subscription_needs() {
    let world = CheckWorld::start().await;

    world.mend("node", "ann", "credentials");
    let hears = "hears what is published on socket.io#*, socket.io-request#*, py\\*io";
    world.is_good("node", "ann", &["ok    connected to Redis ", hears]);
    for lacking in ["-psubscribe", "-ping", "resetchannels"] {
        world.say(&["ACL", "SETUSER", "ann", lacking]).await;
        world.mend("node", "ann", "forbidden");
        world.is_good("node", "ann", &[hears]);
    }
}

#[tokio::test]
async fn a_stream_is_looked_at_and_left_as_it_is() {
    let world = CheckWorld::start().await;
    let mend = format!(">{PASSWORD}");
    world.say(&["ACL", "SETUSER", "ann", "on", &mend, "+@all", "~*", "&*"]).await;
    world.say(&["CONFIG", "SET", "appendonly", "no"]).await;
    world.say(&["XADD", STREAM, "1-1", "emit", "{}"]).await;

    let waits = "1 entries wait";
    world.is_good("orders", "ann", &[waits, "makes the group `userline`", "no server reads it"]);
    world.say(&["XGROUP", "CREATE", STREAM, "userline", "0"]).await;
    world.say(&["XREADGROUP", "GROUP", "userline", "a", "STREAMS", STREAM, ">"]).await;
    world.say(&["XGROUP", "CREATE", STREAM, "others", "0"]).await;
    world.say(&["SET", "userline:emits:reader", "somebody"]).await;
    let read = "has the group `userline`, which has read 1 entries";
    world.is_good("orders", "ann", &[waits, read, "`others` read", "a server reads it"]);
    world.is_good("orders", "ann", &["note  entries since the last save", "appendonly is no"]);

    let mut client = world.redis.client().await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut client).await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    world.say(&["DEL", STREAM]).await;
    world.say(&["SET", STREAM, "a text"]).await;
    let (status, said) = world.check("orders", "ann", PASSWORD);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("cannot be read: wrong_type: `userline:emits`"), "{said}");
}

#[tokio::test]
async fn a_source_is_named_and_a_redis_answers() {
    let mut world = CheckWorld::start().await;

    let (status, said) = world.check("", "ann", PASSWORD);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("there are several sources"), "{said}");
    assert!(world.check("other", "ann", PASSWORD).1.contains("no source `other`"));
    world.redis.stop();
    let (status, said) = world.check("node", "ann", PASSWORD);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("`node` cannot be read: unreachable: "), "{said}");
    world.redis.run().await;
}
