//! What a backend may answer to the question whether a client may do something.

use super::client::Packet;
use super::gets::Gets;
use super::{Case, Group, Row};
use crate::rig::http;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use userline::tasks::Tasks;

/// What the answers are about: the rooms `ask:0` and so on.
pub(super) const ROOM: &str = "ask:";

/// An input, what the client's ack is, and the answer: status, body.
type AnswerRow = (&'static str, &'static str, (&'static str, &'static str));

const OK: &str = "200 OK";
const INVALID: &str = "backend_answer_invalid";
const UNAVAILABLE: &str = "backend_unavailable";
const ROWS: [AnswerRow; 16] = [
    ("`{\"allow\": false}`", "not_allowed", (OK, "{\"allow\":false}")),
    ("a page instead of JSON", INVALID, (OK, "<html>log in</html>")),
    ("half a JSON", INVALID, (OK, "{\"allow\":true")),
    ("two answers", INVALID, (OK, "{\"allow\":true}{\"allow\":true}")),
    ("nothing", INVALID, ("204 No", "")),
    ("`true`", INVALID, (OK, "true")),
    ("`allow` is a text", INVALID, (OK, "{\"allow\":\"true\"}")),
    ("`allow` is 1", INVALID, (OK, "{\"allow\":1}")),
    ("`allow` is `null`", INVALID, (OK, "{\"allow\":null}")),
    ("`allow` twice", INVALID, (OK, "{\"allow\":false,\"allow\":true}")),
    ("a list of users, where none were asked about", INVALID, (OK, "{\"allow\":[\"eve\"]}")),
    ("a key that is not known", INVALID, (OK, "{\"allow\":true,\"data\":{}}")),
    ("`for` is a text", INVALID, (OK, "{\"allow\":true,\"for\":\"1h\"}")),
    ("403 with a yes", INVALID, ("403 No", "{\"allow\":true}")),
    ("500 with a yes", UNAVAILABLE, ("500 No", "{\"allow\":true}")),
    ("302 with a yes", UNAVAILABLE, ("302 Found", "{\"allow\":true}")),
];

pub(super) fn group() -> Group {
    let rows = ROWS.iter().enumerate().map(|(index, (input, code, _))| {
        let packet = Packet::Text(format!("425[\"userline:join\",{{\"room\":\"{ROOM}{index}\"}}]"));
        Row { input, gets: Gets::acked(code), case: Case::Packets(vec![packet]) }
    });
    Group { title: "Answers to questions for permissions", rows: rows.collect() }
}

/// A backend that gives these answers; its port.
pub(super) async fn backend(tasks: &Tasks) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = tasks.clone();
    tasks.spawn("permissions", async move {
        while let Ok((stream, _)) = listener.accept().await {
            all.spawn("permissions.connection", answer(stream));
        }
    });
    port
}

async fn answer(mut stream: TcpStream) {
    let Ok(request) = http::read(&mut stream, &mut Vec::new()).await else { return };
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let room = body["data"]["room"].as_str().unwrap();
    let index: usize = room.strip_prefix(ROOM).unwrap().parse().unwrap();
    let (_, _, (status, body)) = ROWS[index];
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nLocation: http://127.0.0.1/");
    let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    // The row says what came of it.
    let _closed = stream.write_all(text.as_bytes()).await;
}
