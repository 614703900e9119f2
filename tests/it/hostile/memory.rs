//! What strangers can make the real program keep: the table of docs/limits.md, measured. Each of these took several times as
//! much when only the single thing was bounded.

use super::client::Client;
use super::client::Heard;
use super::client::peer::{Peer, frame, text};
use super::client::poller::Poller;
use crate::rig::api::Api;
use crate::rig::server::{JWT_SECRET, KEY, Server, token};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes of what is begun each time: nearly as many as `limits.payload`.
const LONG: usize = 990_000;
const MANY: usize = 100;
/// What connections, their buffers, the allocator and a debug build take besides, in bytes.
const BESIDES: usize = 60_000_000;

struct Measured {
    server: Server,
    _dir: TempDir,
    before: usize,
}

impl Measured {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let config = format!(
            "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [admin]\nkeys = [{{ name = \"test\", key = \"{KEY}\", scopes = [\"emit\"] }}]\n\
             [auth.jwt]\nsecret = \"{JWT_SECRET}\"\n\
             [store]\ndata_dir = \"{}\"\n\
             [limits]\nunfinished_bytes = \"8MB\"\nwaiting_bytes = \"8MB\"\nstall = \"10m\"\n\
             [messages]\nack_bytes = \"2MB\"\nbytes = \"1MB\"\n",
            data.display()
        );
        let server = Server::run(dir.path(), &config).await;
        // One of each first: what a process takes once is not what is measured.
        let mut ann = join(&server, "ann").await;
        round_trip(&mut ann, LONG).await;
        let before = resident(&server);
        Self { server, _dir: dir, before }
    }

    /// It keeps no more than `bytes` besides what it must.
    fn keeps_at_most(&self, bytes: usize, what: &str) {
        let grown = resident(&self.server).saturating_sub(self.before);
        assert!(grown < bytes + BESIDES, "{what}: {grown} bytes more, not {bytes}");
    }
}

/// Bytes in memory; none where the system does not tell.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or(0, |it| it.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024)
}

async fn join(server: &Server, user: &str) -> Client {
    Client::WebSocket(Peer::open(server.public).await).join(&token(user)).await
}

/// The server acks what it is sent.
async fn round_trip(client: &mut Client, bytes: usize) {
    client.say(&format!("427[\"userline:ping\",\"{}\"]", "x".repeat(bytes))).await;
    let Heard::Text(ack) = client.hear().await else { panic!("no ack") };
    assert!(ack.starts_with("437[") && bytes < ack.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_bodies_that_do_not_end_take_no_more_than_they_may_and_leave_room_for_others()
{
    let it = Measured::start().await;
    let mut ann = join(&it.server, "ann").await;
    let long = "x".repeat(LONG);
    let mut message = text(&format!("40{{\"token\":\"{long}\"}}"));
    message.truncate(LONG - 1000);
    let buffer = frame(0x82, long.as_bytes());
    let mut open = Vec::new();
    for _ in 0..MANY {
        let mut peer = Peer::open(it.server.public).await;
        peer.write(&message).await;
        open.push(peer);
        let mut peer = Peer::open(it.server.public).await;
        peer.write(&[text("452-[\"x\"]"), buffer.clone()].concat()).await;
        open.push(peer);
    }
    let mut posts = Vec::new();
    for _ in 0..MANY {
        let poller = Poller::open(it.server.public).await;
        let mut post = TcpStream::connect(it.server.public).await.unwrap();
        let head = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: test\r\n\
             Content-Length: {LONG}\r\n\r\n",
            poller.sid
        );
        post.write_all(head.as_bytes()).await.unwrap();
        // A refusal may come before all is sent.
        timeout(Duration::from_secs(10), post.write_all(&long.as_bytes()[1..])).await.ok();
        posts.push(post);
    }
    it.keeps_at_most(8_000_000, "unfinished");

    round_trip(&mut ann, LONG / 2).await;
    drop((open, posts));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acks_of_emits_that_wait_for_others_take_no_more_than_they_may() {
    let it = Measured::start().await;
    let mut ann = join(&it.server, "ann").await;
    // Who acks nothing: so each emit waits, with what it has heard.
    let bob = join(&it.server, "bob").await;
    let body = r#"{"to":{"users":["ann","bob"]},"event":"q","ack":{"timeout":"60s"}}"#;
    let request = format!(
        "POST /v1/emit HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut waiting = Vec::new();
    for _ in 0..MANY {
        let mut emit = TcpStream::connect(it.server.admin).await.unwrap();
        emit.write_all(request.as_bytes()).await.unwrap();
        let Heard::Text(event) = ann.hear().await else { panic!("no event") };
        let id = event["42".len()..].split('[').next().unwrap();
        ann.say(&format!("43{id}[\"{}\"]", "x".repeat(LONG - 100))).await;
        waiting.push(emit);
    }
    round_trip(&mut ann, 1).await;
    it.keeps_at_most(2_000_000, "acks");

    drop(bob);
    let mut told = Vec::new();
    for mut emit in waiting {
        let mut answer = String::new();
        emit.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"acked\":1"), "{}", answer.len());
        told.push(answer.contains("\"omitted\":\"server_full\""));
    }
    assert!(
        !told[0] && told.iter().any(|it| *it),
        "the first are told, those beyond are not: {told:?}"
    );
}

/// Clients that never poll: all that they are sent waits in the server, whatever the kernel would take.
async fn who_take_nothing(it: &Measured, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for n in 0..count {
        let poller = Client::Polling(Poller::open(it.server.public).await);
        clients.push(poller.join(&token(&format!("deaf-{n}"))).await);
    }
    clients
}

async fn emit(api: &Api, to: Value, bytes: usize) {
    let body = json!({"to": to, "event": "x", "data": "x".repeat(bytes)});
    api.post("/v1/emit", &body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_do_not_take_takes_no_more_than_it_may_in_all() {
    const DEAF: usize = 150;
    let it = Measured::start().await;
    let api = Api::new(it.server.admin);
    let clients = who_take_nothing(&it, DEAF).await;

    for _ in 0..3 {
        emit(&api, json!({"all": true}), LONG / 20).await;
    }
    let relieved = || api.metric("userline_waiting_relieved_total ");
    assert_eq!(relieved().await, 0, "one copy of each, for all of them");

    for n in 0..DEAF {
        emit(&api, json!({"users": [format!("deaf-{n}")]}), LONG / 5 * 4).await;
    }
    it.keeps_at_most(8_000_000, "waiting");
    assert_ne!(relieved().await, 0);
    drop(clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queues_for_short_events_count_as_well() {
    let it = Measured::start().await;
    let api = Api::new(it.server.admin);
    let clients = who_take_nothing(&it, MANY).await;

    let emits = vec![json!({"to": {"all": true}, "event": "x"}); 1000];
    for _ in 0..8 {
        api.post("/v1/emit/batch", &json!({"emits": emits})).await;
    }
    // 8,000 places for each of a hundred.
    assert_ne!(api.metric("userline_waiting_relieved_total ").await, 0);
    drop(clients);
}
