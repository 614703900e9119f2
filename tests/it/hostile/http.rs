//! HTTP on the public listener.

use super::gets::Gets;
use super::{Case, Group, Row};

const GET: &str = "GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: test\r\n";
const POST: &str = "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: test\r\n";

pub(super) fn group() -> Group {
    let mut rows = first_lines();
    rows.extend(headers());
    rows.extend(paths());
    rows.extend(bodies());
    Group { title: "HTTP", rows }
}

fn row(input: &'static str, gets: Gets, bytes: impl AsRef<[u8]>) -> Row {
    Row { input, gets, case: Case::Public(bytes.as_ref().to_vec()) }
}

fn first_lines() -> Vec<Row> {
    use Gets::{Ends, Status};
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    vec![
        row("a TLS handshake", Status(400), hello),
        row("the preface of HTTP/2", Ends, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        row("HTTP/0.9", Status(400), "GET /\r\n\r\n"),
        row("`HTTP/3.0` in the first line", Status(400), GET.replace("1.1", "3.0") + "\r\n"),
        row("four bytes of zero", Status(400), b"\0\0\0\0\r\n\r\n"),
        row("a URL of 70,000 bytes", Status(414), GET.replace('4', &"4".repeat(70_000)) + "\r\n"),
        row("`OPTIONS *`", Status(404), "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n"),
        row("CONNECT, as to a proxy", Status(404), "CONNECT other.example:443 HTTP/1.1\r\n\r\n"),
    ]
}

fn headers() -> Vec<Row> {
    use Gets::{Engine, Status};
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    let large = format!("X: {}\r\n", "x".repeat(500_000));
    let table: [(&'static str, Gets, &str); 8] = [
        ("200 headers", Status(431), &many),
        ("a header of 500,000 bytes", Status(431), &large),
        ("a header without a colon", Status(400), "nonsense\r\n"),
        ("a header with a space before its colon", Status(400), "X : 1\r\n"),
        ("a header with a NUL", Status(400), "X: a\0b\r\n"),
        ("a header over two lines", Status(400), "X: a\r\n b\r\n"),
        ("a carriage return inside a header", Status(400), "X: a\rY: b\r\n"),
        ("a header that is not ASCII", Engine(400, 1), "X: é\r\n"),
    ];
    table.map(|(input, gets, header)| row(input, gets, format!("{GET}{header}\r\n"))).into()
}

fn paths() -> Vec<Row> {
    use Gets::Status;
    let table = [
        ("another path", "/"),
        ("`/socket.io/../v1/users`", "/socket.io/../v1/users"),
        ("`//socket.io/`", "//socket.io/"),
        ("`/socket.io%2f`", "/socket.io%2f"),
        ("`/SOCKET.IO/`", "/SOCKET.IO/"),
        ("a path of the admin API", "/v1/users"),
        ("the same, with the URL of another host", "http://other.example/v1/users"),
    ];
    let get = |path| format!("GET {path}?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\n\r\n");
    table.map(|(input, path)| row(input, Status(404), get(path))).into()
}

fn bodies() -> Vec<Row> {
    use Gets::{Engine, Status};
    let length = |of: &str| format!("Content-Length: {of}\r\n\r\n");
    let coding = |of: &str| format!("Transfer-Encoding: {of}\r\n\r\n");
    let table: Vec<(&'static str, Gets, String)> = vec![
        ("`Content-Length: -1`", Status(400), length("-1")),
        ("`Content-Length: +5`", Status(400), length("+5") + "hello"),
        ("a `Content-Length` of 30 digits", Status(400), length(&"9".repeat(30))),
        ("two `Content-Length`", Status(400), length("1\r\nContent-Length: 2") + "42"),
        ("`Transfer-Encoding: gzip`", Status(400), coding("gzip")),
        ("`Transfer-Encoding: chunked, identity`", Status(400), coding("chunked, identity")),
        ("`Transfer-Encoding: xchunked`", Status(400), coding("xchunked")),
        ("a body for a session that does not exist", Engine(400, 1), length("5") + "hello"),
    ];
    let mut rows: Vec<Row> = table
        .into_iter()
        .map(|(input, gets, rest)| row(input, gets, format!("{POST}{rest}")))
        .collect();
    rows.push(row("a GET with a body", Engine(400, 1), format!("{GET}{}hello", length("5"))));
    rows
}
