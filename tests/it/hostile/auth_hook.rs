//! What a backend may answer when it is asked who a client is. Each row has a server of its own, so that no answer of one is held
//! against the next.

use super::client::{Client, Packet};
use super::gets::Gets;
use super::{Case, Group, Row};
use crate::rig::http;
use crate::rig::server::{HOOK_SECRET, KEY, Server};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use userline::tasks::Tasks;

const OK: &str = "200 OK";
const NO: &str = "403 Forbidden";

/// An input, the code of the refusal (none: the client is held for a while, then its connection ends), status and body.
type HookRow = (&'static str, Option<&'static str>, &'static str, &'static str);

const ROWS: [HookRow; 16] = [
    ("a page instead of JSON", None, OK, "<html>log in</html>"),
    ("half a JSON", None, OK, "{\"user\":"),
    ("a list", None, OK, "[\"42\"]"),
    ("no body", None, OK, ""),
    ("a byte of zero", None, OK, "\u{0}"),
    ("no user", None, OK, "{\"rooms\":[]}"),
    ("a user with a NUL", None, OK, "{\"user\":\"a\\u0000\"}"),
    ("the user twice", None, OK, "{\"user\":\"ann\",\"user\":\"bob\"}"),
    ("a room that is a number", None, OK, "{\"user\":\"u\",\"rooms\":[7]}"),
    ("an end in the past", None, OK, "{\"user\":\"u\",\"expires_at\":1}"),
    ("a redirect to a login page", None, "302 Found\r\nLocation: http://127.0.0.1/", ""),
    ("404", None, "404 No", ""),
    ("419, as against forged requests", None, "419 No", ""),
    ("an answer that is no HTTP", None, "", ""),
    ("403 with a page", Some("unauthorized"), NO, "<html>go away</html>"),
    ("403 with a code of the backend's own", Some("trial_over"), NO, "{\"code\":\"trial_over\"}"),
];

pub(super) fn group() -> Group {
    let rows = ROWS.iter().enumerate().map(|(index, (input, code, ..))| {
        let gets = code.map_or(Gets::Ends, Gets::refused);
        Row { input, gets, case: Case::Identified(index) }
    });
    Group { title: "Answers of the auth hook", rows: rows.collect() }
}

/// What a client gets, by one transport and by the other, whose backend answers so.
pub(super) async fn ask(index: usize, expected: &Gets) -> Vec<Gets> {
    let (_, _, status, body) = ROWS[index];
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = Tasks::new();
    let all = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            all.spawn("backend.connection", answer(stream, status, body));
        }
    });
    let data = dir.path().join("data");
    let configuration = format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
[admin]
keys = [{{ name = "test", key = "{KEY}", scopes = ["read"] }}]
[auth]
mode = "hook"
[auth.hook]
url = "http://127.0.0.1:{port}/"
secret = "{HOOK_SECRET}"
allow_private = true
[store]
data_dir = "{}"
"#,
        data.display()
    );
    let server = Server::run(dir.path(), &configuration).await;
    let mut got = Vec::new();
    let both = Client::both(server.public).await.map(async |mut client| {
        client.send(&[Packet::Text("40".to_owned())]).await;
        client.judge_early(expected).await
    });
    for one in both {
        got.push(one.await);
    }
    got
}

async fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let mut rest = Vec::new();
    while http::read(&mut stream, &mut rest).await.is_ok() {
        let len = body.len();
        let text = if status.is_empty() {
            "nonsense\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{body}")
        };
        if stream.write_all(text.as_bytes()).await.is_err() || status.is_empty() {
            return;
        }
    }
}
