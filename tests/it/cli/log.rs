//! The log as a reader meets it: one that stalls stops nothing, and no line is two.

use super::{DEADLINE, SECRET, userline};
use crate::rig::http::{self, Message};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// Each logs a line at the level `debug`: many more than a pipe and a megabyte hold.
const REQUESTS: usize = 20_000;

struct Logging {
    child: Child,
    /// Nobody has read it yet.
    log: Lines<BufReader<ChildStderr>>,
    public: String,
    admin: String,
    dir: tempfile::TempDir,
}

impl Logging {
    async fn start(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = userline(&["serve", "--listen-public", "127.0.0.1:0"]);
        command
            .args(["--listen-admin", "127.0.0.1:0", "--set", "listen.drain=0s"])
            .env("USERLINE__AUTH__JWT__SECRET", SECRET)
            .env("USERLINE__STORE__DATA_DIR", dir.path());
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = async |name: &str| {
            let line = timeout(DEADLINE, said.next_line()).await.expect("it starts in time");
            line.unwrap().unwrap().strip_prefix(name).unwrap().to_owned()
        };
        let (public, admin) = (address("public http://").await, address("admin http://").await);
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log, public, admin, dir }
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    async fn get(&self, path: &str) -> Message {
        let mut stream = TcpStream::connect(&self.admin).await.unwrap();
        http::ask(&mut stream, &format!("GET {path}"), "", "").await.unwrap();
        let answer = timeout(DEADLINE, http::read(&mut stream, &mut Vec::new())).await;
        answer.expect("it answers in time").unwrap()
    }

    /// The next line of the log that contains `text`.
    async fn logs(&mut self, text: &str) -> String {
        let found = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("ended without `{text}` in its log");
        };
        timeout(DEADLINE, found).await.expect("it is logged in time")
    }
}

#[tokio::test]
async fn a_reader_of_the_log_that_stalls_stops_nothing_and_is_told_what_it_missed() {
    let mut it = Logging::start(&["log.level=debug"]).await;

    let (from, mut to) = TcpStream::connect(&it.admin).await.unwrap().into_split();
    let asks = async {
        for _ in 0..REQUESTS {
            to.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        }
    };
    let answers = async {
        let mut lines = BufReader::new(from).lines();
        let mut good = 0;
        while good < REQUESTS {
            let line = timeout(DEADLINE, lines.next_line()).await.expect("it goes on answering");
            // A body has no line end, so the next answer begins on its line.
            good += usize::from(line.unwrap().expect("it answers all").contains("HTTP/1.1 200"));
        }
    };
    tokio::join!(asks, answers);

    assert_eq!(it.get("/healthz").await.status(), 200);
    let metrics = it.get("/metrics").await.body;
    let counted =
        metrics.lines().find_map(|it| it.strip_prefix("userline_log_lines_dropped_total "));
    let counted: u64 = counted.unwrap().parse().unwrap();
    assert!(0 < counted, "{metrics}");
    let told = it.logs("lines of this log were dropped").await;
    let told: u64 = told.rsplit_once("lines=").unwrap().1.parse().unwrap();
    assert!(counted <= told, "{counted} {told}");
    it.child.kill().await.unwrap();
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_still_ends_in_order() {
    let mut it = Logging::start(&["log.level=trace"]).await;
    // The pipe is full after some hundred lines.
    for _ in 0..1000 {
        assert_eq!(it.get("/healthz").await.status(), 200);
    }

    it.signal("-TERM").await;

    let ended = timeout(DEADLINE, it.child.wait()).await.expect("it ends in time").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn no_client_writes_a_line_of_the_log() {
    let mut it = Logging::start(&["log.level=debug"]).await;
    let forged = "https://a.example level=ERROR msg=\"the disk is full\"";
    let mut stream = TcpStream::connect(&it.public).await.unwrap();
    let origin = format!("origin: {forged}\r\n");
    http::ask(&mut stream, "GET /socket.io/?EIO=4&transport=polling", &origin, "").await.unwrap();
    let answer = http::read(&mut stream, &mut Vec::new()).await.unwrap();

    assert_eq!(answer.status(), 403);
    let line = it.logs("refused a page").await;
    let quoted = r#"origin="https://a.example level=ERROR msg=\"the disk is full\"""#;
    assert!(line.ends_with(quoted), "{line}");
    it.child.kill().await.unwrap();
}

#[tokio::test]
async fn the_first_lines_say_what_counts() {
    let mut it = Logging::start(&["limits.connections=7", "presence.grace=3s"]).await;

    let first = it.logs("starting").await;
    let second = it.logs("listening").await;

    let version = env!("CARGO_PKG_VERSION");
    let store = it.dir.path().display();
    assert!(first.contains(&format!(" version=\"{version}\" store={store}")), "{first}");
    let addresses = format!(" public={} admin={} ", it.public, it.admin);
    assert!(second.contains(&addresses), "{second}");
    let limits = "connections=7 payload_bytes=1000000 buffer_bytes=1000000 grace=3s";
    assert!(second.ends_with(limits), "{second}");
    it.child.kill().await.unwrap();
}

/// Until there is a reload, a habit of other servers must not end this one.
#[tokio::test]
async fn a_hangup_is_ignored_and_said() {
    let mut it = Logging::start(&[]).await;
    for _ in 0..2 {
        it.signal("-HUP").await;
        it.logs("SIGHUP is ignored").await;
    }
    assert_eq!(it.get("/healthz").await.status(), 200);
    it.child.kill().await.unwrap();
}

#[tokio::test]
async fn what_ends_a_server_is_in_its_log_to_the_last_line() {
    let mut it = Logging::start(&[]).await;

    it.signal("-INT").await;

    it.logs("stopping; a second signal ends the process at once").await;
    it.logs("stopped").await;
    let ended = timeout(DEADLINE, it.child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}
