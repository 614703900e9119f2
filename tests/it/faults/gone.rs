//! Who is slow, and who is gone. The client here is a bare socket, so that the test decides what its kernel does.
//!
//! Who vanishes does so in its own kernel: a filter on its socket (`SO_ATTACH_FILTER`, which needs no rights) throws away
//! whatever comes in, before TCP sees it. So nothing is acknowledged any more, as from a phone in a tunnel; a proxy that
//! stops passing bytes on could not do that, for its kernel goes on acknowledging.

use super::{PATIENCE, SLACK, assert_offline, ends, last};
use crate::rig::server::{GRACE, SILENCE, Setup, token};
use crate::rig::stage::Stage;
use serde_json::json;
use socket2::{SockFilter, SockRef};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// The length of the event that takes long.
const LONG: usize = 800_000;
/// What the kernel keeps of it that is not read.
const WINDOW: u32 = 8192;
/// An answer to a ping.
const PONG: &str = "3";

/// A client that reads only when it is told to.
struct Reader {
    stream: TcpStream,
    /// Bytes that were read.
    read: usize,
}

impl Reader {
    /// One that has joined `/`.
    async fn join(stage: &Stage, user: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(WINDOW).unwrap();
        let stream = socket.connect(stage.public()).await.unwrap();
        let mut it = Self { stream, read: 0 };
        let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        it.stream.write_all(head.as_bytes()).await.unwrap();
        it.hear("\"pingTimeout\"").await;
        it.say(&format!("40{{\"token\":\"{}\"}}", token(user))).await;
        it.hear("userline:session").await;
        it
    }

    /// Sends a short text, with a mask of zeros.
    async fn say(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match u16::try_from(text.len()).unwrap() {
            len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len => frame.extend([&[0xfe], &len.to_be_bytes()[..]].concat()),
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Reads until this has come.
    async fn hear(&mut self, text: &str) {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(text) {
            let n = timeout(PATIENCE, self.stream.read_buf(&mut heard)).await.expect(text).unwrap();
            assert_ne!(n, 0, "the server has closed instead of {text}");
        }
    }

    /// Reads so many bytes more, little by little.
    async fn take(&mut self, bytes: usize, stage: &Stage) {
        let end = self.read + bytes;
        while self.read < end {
            let mut part = [0; 2048];
            let n = timeout(PATIENCE, self.stream.read(&mut part)).await.expect("bytes").unwrap();
            assert_ne!(n, 0, "closed after {} bytes\n{}", self.read, stage.log());
            self.read += n;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// From now on nothing that is sent to it arrives.
    fn vanish(&self) {
        const RETURN: u16 = 0x06;
        SockRef::from(&self.stream).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
    }
}

async fn emit_long(stage: &Stage, user: &str) {
    let event = json!({"to": {"users": [user]}, "event": "long", "data": "x".repeat(LONG)});
    assert_eq!(stage.api().post("/v1/emit", &event).await["sent"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_but_steady_reader_is_not_taken_for_gone() {
    const PING_TIMEOUT: u64 = 3000;
    let setup = Setup { ping_timeout: PING_TIMEOUT, stall: "20s", ..Setup::default() };
    let stage = Stage::with(setup).await;
    let mut reader = Reader::join(&stage, "slow").await;
    stage.hears("slow", &["on"]).await;

    let begun = stage.watch.now();
    emit_long(&stage, "slow").await;
    reader.take(LONG, &stage).await;

    let took = stage.watch.now() - begun;
    assert!(2 * PING_TIMEOUT < took, "{took} ms: no ping had to wait");
    assert_eq!(
        ends(&stage, "slow").await,
        Vec::<String>::new(),
        "after {took} ms\n{}",
        stage.log()
    );
    reader.say(PONG).await;
    reader.say(r#"421["userline:ping"]"#).await;
    reader.hear("431[]").await;
    assert_eq!(stage.state("slow").await, ("online".to_owned(), 1));
    assert_eq!(ends(&stage, "slow").await, Vec::<String>::new());
    assert_eq!(stage.receiver.story("slow"), ["on"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_without_an_acknowledgement_is_offline_after_ping_timeout_and_grace() {
    let stage = Stage::with(Setup { stall: "20s", ..Setup::default() }).await;
    for (user, taken) in [("idle", 0), ("in-the-middle", 100_000)] {
        let mut reader = Reader::join(&stage, user).await;
        stage.hears(user, &["on"]).await;
        if 0 < taken {
            emit_long(&stage, user).await;
            reader.take(taken, &stage).await;
        }

        reader.vanish();
        let broke = stage.watch.now();
        stage.hears(user, &["on", "off"]).await;

        let hook = last(&stage, user);
        assert_offline(&hook, "ping_timeout", 0, broke + SILENCE + GRACE + SLACK);
        drop(reader);
    }
    stage.is_empty().await;
}
