//! `serve` and `dev`: what is printed once the ports are bound, and an orderly end.

use super::{DEADLINE, SECRET, run, userline};
use std::fs;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

pub(super) struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, said: Vec::new() }
    }

    /// The word after `name` at the beginning of a line.
    pub(super) async fn says(&mut self, name: &str) -> String {
        let heard = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let mut words = line.split_whitespace().map(str::to_owned);
                let found = if words.next().as_deref() == Some(name) { words.next() } else { None };
                self.said.push(line);
                if let Some(word) = found {
                    return word;
                }
            }
            panic!("ended without saying `{name}`: {:?}", self.said);
        };
        timeout(DEADLINE, heard).await.expect("it is said in time")
    }

    pub(super) async fn signal(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await.unwrap();
        assert!(sent.success());
        timeout(DEADLINE, self.child.wait()).await.expect("it ends in time").unwrap()
    }
}

#[tokio::test]
async fn serve_says_where_it_listens_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut command = userline(&["serve", "--listen-public", "127.0.0.1:0"]);
        command
            .args(["--listen-admin", "127.0.0.1:0", "--set", "listen.drain=0s"])
            .env("USERLINE__AUTH__JWT__SECRET", SECRET)
            .env("USERLINE__STORE__DATA_DIR", dir.path());
        let mut server = Server::start(&mut command);

        let public = server.says("public").await;
        let admin = server.says("admin").await;

        for url in [public, admin] {
            let address = url.strip_prefix("http://").unwrap();
            assert!(TcpStream::connect(address).await.is_ok(), "{address}");
        }
        assert_eq!(server.signal(signal).await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn dev_needs_nothing_says_what_to_try_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = userline(&["dev", "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    // What is meant for `serve` is of no concern here, as the help says.
    command.env("USERLINE__LISTEN__PUBLIC", "nowhere").env("USERLINE_LISTEN__ADMIN", "nowhere");
    let mut server = Server::start(command.env("TMPDIR", temporary.path()));

    let public = server.says("public").await;
    let console = server.says("console").await;
    let key = server.says("key").await;
    server.says("Ctrl-C").await;

    assert!(public.starts_with("http://127.0.0.1:") && !public.ends_with('/'), "{public}");
    assert!(console.starts_with("http://127.0.0.1:") && console.ends_with('/'), "{console}");
    assert!(16 <= key.len(), "{key}");
    let said = server.said.join("\n");
    for part in ["/v1/emit -H 'Authorization: Bearer ", " users --url http://", " kick ann --url "]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("whsec_"), "no hooks, no secret: {said}");
    assert_eq!(server.signal("-INT").await.code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let help = run(&["dev", "--help"]).await.out;
    let words: Vec<&str> = help.split_whitespace().collect();
    assert!(words.join(" ").contains("no file and no `USERLINE__…` variable"), "{help}");
}

#[tokio::test]
async fn dev_ends_in_order_with_its_terminal() {
    let mut command = userline(&["dev", "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut server = Server::start(&mut command);
    server.says("Ctrl-C").await;

    assert_eq!(server.signal("-HUP").await.code(), Some(0));
}

#[tokio::test]
async fn dev_is_for_this_machine_only() {
    let ended = run(&["dev", "--public", "0.0.0.0:0", "--admin", "127.0.0.1:0"]).await;

    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("auth.mode = \"trust\": believes every client"), "{}", ended.err);
}

#[tokio::test]
async fn a_port_that_is_taken_ends_with_70_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let ended = run(&["dev", "--public", "127.0.0.1:0", "--admin", &address]).await;

    assert_eq!(ended.code, Some(70), "{}", ended.err);
    assert!(ended.err.contains("listen.admin") && ended.err.contains(&address), "{}", ended.err);
}
