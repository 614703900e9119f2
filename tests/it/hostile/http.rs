//! HTTP on the public listener.

use super::gets::Gets;
use super::{Case, Group, Row};

const GET: &str = "GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: test\r\n";
const POST: &str = "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: test\r\n";

/// Where one request ends, and whom it is for: a proxy in front must not see that otherwise.
pub(super) fn framing_group() -> Group {
    let mut rows = hosts();
    rows.extend(lengths());
    rows.extend(chunks());
    Group { title: "Where a request ends, and whom it is for", rows }
}

fn framed(input: &'static str, gets: Gets, version: &str, rest: &str) -> Row {
    let bytes = format!("GET /healthz HTTP/{version}\r\n{rest}");
    Row { input, gets, case: Case::Framing(bytes.into_bytes()) }
}

/// What the request gets, and nothing that is behind it.
fn ends(status: u16) -> Gets {
    Gets::Status(status).then(Gets::Ends)
}

/// What the request gets, and the next one as well.
fn stays() -> Gets {
    Gets::Status(200).then(Gets::Status(200))
}

fn hosts() -> Vec<Row> {
    let one = "Host: test\r\n";
    let table = [
        ("one `Host`", stays(), one),
        ("HTTP/1.1 without `Host`", ends(400), ""),
        ("two `Host`", ends(400), "Host: test\r\nHost: other.example\r\n"),
        ("two `Host` that are the same", ends(400), "Host: test\r\nHost: test\r\n"),
        ("`Host: test, other.example`", ends(400), "Host: test, other.example\r\n"),
        ("`Host: eve@test`", ends(400), "Host: eve@test\r\n"),
        ("`Host: http://test/`", ends(400), "Host: http://test/\r\n"),
    ];
    let row = |(input, gets, host)| framed(input, gets, "1.1", &format!("{host}\r\n"));
    let mut rows: Vec<Row> = table.map(row).into();
    rows.push(framed("HTTP/1.0 without `Host`", ends(200), "1.0", "\r\n"));
    rows
}

fn lengths() -> Vec<Row> {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    let (five, six) = ("Content-Length: 5\r\n", "Content-Length: 6\r\n");
    let beside = "`Content-Length` beside `Transfer-Encoding: chunked`: the chunks count";
    let table = [
        ("two `Content-Length` that differ", ends(400), [five, six], "hello"),
        ("two `Content-Length` that are the same", stays(), [five, five], "hello"),
        ("`Content-Length: 5, 5`", ends(400), ["", "Content-Length: 5, 5\r\n"], "hello"),
        (beside, ends(200), [five, CHUNKED], CHUNKS),
        ("the same, the other way round", ends(200), [CHUNKED, five], CHUNKS),
    ];
    let row = |(input, gets, [one, other], body): (_, _, [&str; 2], _)| {
        framed(input, gets, "1.1", &format!("Host: test\r\n{one}{other}\r\n{body}"))
    };
    table.map(row).into()
}

fn chunks() -> Vec<Row> {
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    let codings = [
        ("`Transfer-Encoding: chunked`", stays(), "chunked"),
        ("`Transfer-Encoding: chunked` twice", ends(501), "chunked\r\nTransfer-Encoding: chunked"),
        ("`Transfer-Encoding: chunked, chunked`", ends(501), "chunked, chunked"),
        ("`Transfer-Encoding: gzip, chunked`", ends(501), "gzip, chunked"),
        ("`Transfer-Encoding: chunked, gzip`", ends(400), "chunked, gzip"),
    ];
    let broken = [
        ("a chunk of the size `+5`, of a body that nobody reads", "+5\r\nhello"),
        ("the same with the size `0x5`", "0x5\r\nhello"),
        ("the same with a chunk that is longer than it says", "4\r\nhello"),
        ("the same with a bare line feed behind the size", "5\nhello"),
    ];
    let coded = |input, gets, version, coding: &str, chunks: &str| {
        let head = format!("Host: test\r\nTransfer-Encoding: {coding}\r\n\r\n");
        framed(input, gets, version, &format!("{head}{chunks}"))
    };
    let row = |(input, gets, coding)| coded(input, gets, "1.1", coding, CHUNKS);
    let mut rows: Vec<Row> = codings.map(row).into();
    let old = "`Transfer-Encoding: chunked` by HTTP/1.0";
    rows.push(coded(old, ends(400), "1.0", "chunked", CHUNKS));
    let row = |(input, first): (_, &str)| {
        coded(input, ends(200), "1.1", "chunked", &format!("{first}\r\n0\r\n\r\n"))
    };
    rows.extend(broken.map(row));
    rows
}

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
    let connect = "CONNECT other.example:443 HTTP/1.1\r\n";
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    vec![
        row("a TLS handshake", Status(400), hello),
        row("the preface of HTTP/2", Ends, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        row("HTTP/0.9", Status(400), "GET /\r\n\r\n"),
        row("`HTTP/3.0` in the first line", Status(400), GET.replace("1.1", "3.0") + "\r\n"),
        row("four bytes of zero", Status(400), b"\0\0\0\0\r\n\r\n"),
        row("a URL of 70,000 bytes", Status(414), GET.replace('4', &"4".repeat(70_000)) + "\r\n"),
        row("`OPTIONS *`", Status(404), "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n"),
        row("CONNECT, as to a proxy", Status(404), format!("{connect}Host: other.example\r\n\r\n")),
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
