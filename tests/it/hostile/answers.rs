//! What a backend may answer to the event of a client.

use super::client::Packet;
use super::gets::Gets;
use super::{Case, Group, Row};
use crate::rig::http;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use userline::tasks::Tasks;

/// What the answers are given to: `answer:0` and so on.
pub(super) const EVENT: &str = "answer:";
/// What the backend may emit.
pub(super) const MAY_EMIT: &str = "chat:*";

const OK: &str = "200 OK";
const PLAIN: &str = "";
const MORE: &str = "userline-answer: 1\r\n";

/// An input, what the client's ack is, and the answer: status, headers, body.
type AnswerRow = (&'static str, &'static str, (&'static str, &'static str, &'static str));

const INVALID: &str = "backend_answer_invalid";
const ROWS: [AnswerRow; 16] = [
    ("a page instead of JSON", INVALID, (OK, PLAIN, "<html>log in</html>")),
    ("half a JSON", INVALID, (OK, PLAIN, "{\"a\":")),
    ("a JSON and more", INVALID, (OK, PLAIN, "{} {}")),
    ("500 with a byte of zero", "backend_unavailable", ("500 No", PLAIN, "\u{0}")),
    (
        "a redirect to a page that asks who it is",
        "backend_unavailable",
        ("302 Found", "Location: http://127.0.0.1/\r\n", ""),
    ),
    ("403 with a page", "event_refused", ("403 No", PLAIN, "<html>go away</html>")),
    ("419, as against forged requests", "event_refused", ("419 No", PLAIN, "")),
    ("with the header, a list", INVALID, (OK, MORE, "[]")),
    ("with the header, a key that is not known", INVALID, (OK, MORE, "{\"acks\":1}")),
    (
        "with the header, `ack` and `error`",
        INVALID,
        (OK, MORE, "{\"ack\":1,\"error\":{\"code\":\"a\",\"message\":\"b\"}}"),
    ),
    (
        "with the header, an error without a code",
        INVALID,
        (OK, MORE, "{\"error\":{\"code\":\"\",\"message\":\"b\"}}"),
    ),
    (
        "with the header, a broken `$binary`",
        INVALID,
        (OK, MORE, "{\"ack\":{\"$binary\":\"?\"},\"binary\":true}"),
    ),
    (
        "with the header, an emit of what it may not emit",
        INVALID,
        (OK, MORE, "{\"emit\":[{\"to\":{\"all\":true},\"event\":\"order:paid\"}]}"),
    ),
    (
        "with the header, an emit of a reserved event",
        INVALID,
        (OK, MORE, "{\"emit\":[{\"to\":{\"all\":true},\"event\":\"userline:kicked\"}]}"),
    ),
    (
        "with the header, an emit to nobody",
        INVALID,
        (OK, MORE, "{\"emit\":[{\"to\":{},\"event\":\"chat:x\"}]}"),
    ),
    ("an answer that is no HTTP", "backend_unavailable", ("", "", "")),
];

pub(super) fn group() -> Group {
    let rows = ROWS.iter().enumerate().map(|(index, (input, code, _))| {
        let packet = Packet::Text(format!("425[\"{EVENT}{index}\"]"));
        Row { input, gets: Gets::acked(code), case: Case::Packets(vec![packet]) }
    });
    Group { title: "Answers to events of clients", rows: rows.collect() }
}

/// A backend that gives these answers; its port.
pub(super) async fn backend(tasks: &Tasks) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            all.spawn("backend.connection", answer(stream));
        }
    });
    port
}

async fn answer(mut stream: TcpStream) {
    let mut rest = Vec::new();
    while let Ok(request) = http::read(&mut stream, &mut rest).await {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let event = body["data"]["event"].as_str().unwrap();
        let index: usize = event.strip_prefix(EVENT).unwrap().parse().unwrap();
        let (_, _, (status, headers, body)) = ROWS[index];
        let text = if status.is_empty() {
            "nonsense\r\n\r\n".to_owned()
        } else {
            let len = body.len();
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n{body}")
        };
        if stream.write_all(text.as_bytes()).await.is_err() || status.is_empty() {
            return;
        }
    }
}
