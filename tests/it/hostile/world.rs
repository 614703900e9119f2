//! One server, two clients who behave, and everything that is counted.

use super::client::peer::Peer;
use super::client::{Client, Heard, PATIENCE};
use super::gets::Gets;
use super::{Case, Row, answers, auth_hook, hooks, permissions, published, tokens};
use super::{request, resume};
use crate::rig::eventually;
use crate::rig::redis::Redis;
use crate::rig::server::{HOOK_SECRET, KEY, Server};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::Value;
use std::fs;
use tempfile::TempDir;
use tokio::net::TcpListener;
use userline::tasks::Tasks;

/// A key of the admin API that may only read.
pub(super) const READ_KEY: &str = "a-key-that-may-only-read";
/// A key for one user who is never there.
pub(super) const NARROW_KEY: &str = "a-key-that-may-name-nobody";
/// What a slow client may take for a head, a body, an upgrade.
pub(super) const SLOW: &str = "1s";

/// One server, and who watches what becomes of it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) server: Server,
    /// A good token of somebody who does no good.
    pub(super) eve: String,
    /// Where emits are published.
    pub(super) redis: Redis,
    dir: TempDir,
    /// Where hooks would go to, if they were sent.
    canary: TcpListener,
    bystanders: [Client; 2],
    turn: u64,
    /// Answer events of clients, and what they may do.
    _backend: Tasks,
}

/// Connections, sockets and open files of the server; no files where the system does not tell.
pub(super) type Holds = [usize; 3];

impl World {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = canary.local_addr().unwrap().port();
        let tasks = Tasks::new();
        let backends = (answers::backend(&tasks).await, permissions::backend(&tasks).await);
        let redis = Redis::start().await;
        let configuration = configuration(&dir, port, backends, &redis.url());
        let server = Server::run(dir.path(), &configuration).await;
        let [ann, bob] = Client::both(server.public).await;
        let bystanders =
            [ann.join(&tokens::good("ann")).await, bob.join(&tokens::good("bob")).await];
        let eve = tokens::good("eve");
        let it = Self { server, eve, redis, dir, canary, bystanders, turn: 0, _backend: tasks };
        let hears = async || {
            let sources = it.api("/v1/ingest").await["sources"].clone();
            sources.as_array().unwrap().iter().all(|it| it["state"] == "active")
        };
        eventually("the server hears what is published", PATIENCE, hears).await;
        it
    }

    /// Does what the row says; what came of it, once for each way that there is to do it.
    pub(super) async fn run(&self, row: &Row) -> Vec<Gets> {
        let (public, admin) = (self.server.public, self.server.admin);
        let mut got = Vec::new();
        match &row.case {
            Case::Public(bytes) => got.push(request::told(request::send(public, bytes).await)),
            Case::Admin(bytes) => got.push(request::told(request::send(admin, bytes).await)),
            Case::Framing(bytes) => {
                got.push(request::before_another(public, bytes).await);
                got.push(request::before_another(admin, bytes).await);
            }
            Case::Identified(index) => got.extend(auth_hook::ask(*index, &row.gets).await),
            Case::Resumed(index) => got.extend(resume::try_it(*index, &row.gets).await),
            Case::Setting(setting) => got.push(hooks::refused(&[*setting], &row.gets).await),
            Case::HookUrl(url) => got.push(hooks::check(url).await),
            Case::Added(index) => got.push(published::add(self, *index).await),
            Case::Published(index) => got.push(published::publish(self, *index).await),
            Case::Scene(scene) => got.push(scene(self).await),
            Case::Frames(bytes) => {
                let peer = Client::WebSocket(Peer::open(public).await);
                let mut client = peer.join(&self.eve).await;
                let Client::WebSocket(peer) = &mut client else { panic!("another transport") };
                peer.write(bytes).await;
                got.push(client.judge(&row.gets).await);
            }
            Case::Body(body) => {
                let [_, poller] = Client::both(public).await;
                let mut client = poller.join(&self.eve).await;
                let Client::Polling(poller) = &client else { panic!("another transport") };
                let posted = request::told(poller.post(body).await);
                let Gets::Then(_, expected) = &row.gets else { panic!("an answer, then this") };
                got.push(posted.then(client.judge(expected).await));
            }
            Case::Packets(packets) => {
                let both = Client::both(public).await.map(async |client| {
                    let mut client = client.join(&self.eve).await;
                    client.send(packets).await;
                    client.judge(&row.gets).await
                });
                got.extend(join_all(both).await);
            }
            Case::Early(packets) => {
                let both = Client::both(public).await.map(async |mut client| {
                    client.send(packets).await;
                    client.judge_early(&row.gets).await
                });
                got.extend(join_all(both).await);
            }
        }
        got
    }

    /// A round trip of each still works.
    pub(super) async fn bystanders_are_well(&mut self, input: &str) {
        self.turn += 1;
        let event = format!("42{}[\"userline:ping\",\"é\"]", self.turn);
        let ack = Heard::Text(format!("43{}[\"é\"]", self.turn));
        for client in &mut self.bystanders {
            client.say(&event).await;
            assert_eq!(client.hear().await, ack, "a bystander after {input}");
        }
    }

    pub(super) async fn api(&self, path: &str) -> Value {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Authorization: Bearer {KEY}\r\n\r\n"
        );
        request::send(self.server.admin, head.as_bytes()).await.unwrap().json()
    }

    pub(super) async fn holds(&self) -> Holds {
        let stats = self.api("/v1/stats").await;
        let counted = |key: &str| usize::try_from(stats[key].as_u64().unwrap()).unwrap();
        let files = fs::read_dir(format!("/proc/{}/fd", self.server.pid()));
        [counted("connections"), counted("sockets"), files.map_or(0, Iterator::count)]
    }

    /// Nothing is left of anybody but the bystanders, no hook was sent, and the log knows of no error.
    pub(super) async fn ends_as_it_began(self, before: Holds) {
        let what = format!("it holds {before:?} again, not {:?}", self.holds().await);
        // A connection of before may have been about to end.
        let is_so = async || self.holds().await.iter().zip(&before).all(|(now, it)| now <= it);
        eventually(&what, PATIENCE, is_so).await;
        assert!(self.canary.accept().now_or_never().is_none(), "a hook went where none may go");
        let log = self.log();
        let is_bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
        let bad: Vec<&str> = log.lines().filter(is_bad).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

fn configuration(
    dir: &TempDir,
    port: u16,
    (backend, permitting): (u16, u16),
    redis: &str,
) -> String {
    let (event, may_emit, room) = (answers::EVENT, answers::MAY_EMIT, permissions::ROOM);
    let (data, python) = (dir.path().join("data"), published::PYTHON);
    format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
origins = ["https://app.example.com"]
[admin]
keys = [
  {{ name = "test", key = "{KEY}", scopes = ["emit", "read", "control"] }},
  {{ name = "reader", key = "{READ_KEY}", scopes = ["read"] }},
  {{ name = "narrow", key = "{NARROW_KEY}", scopes = ["emit", "read", "control"], allow_users = ["nobody"], allow_rooms = [] }},
]
[rooms]
auto = ["org:{{org}}"]
join = ["news:*"]
join_by_hook = ["{room}*"]
[permissions]
url = "http://127.0.0.1:{permitting}/"
secret = "{HOOK_SECRET}"
allow_private = true
[auth.jwt]
algorithms = ["RS256"]
public_key_file = "tests/it/keys/rsa.pub.pem"
[hooks]
url = "http://receiver.invalid:{port}/"
secret = "{HOOK_SECRET}"
[events]
url = "http://127.0.0.1:{backend}/"
secret = "{HOOK_SECRET}"
allow_private = true
allow = ["{event}*"]
may_emit = ["{may_emit}"]
[store]
data_dir = "{}"
[[ingest.redis_emitter]]
name = "redis"
url = "{redis}"
python_channel = "{python}"
[[ingest.redis_stream]]
name = "stream"
url = "{redis}"
[limits]
header_timeout = "{SLOW}"
body_timeout = "{SLOW}"
[socketio]
connect_timeout = "3s"
upgrade_timeout = "{SLOW}"
"#,
        data.display()
    )
}
