//! What a connection begins with: the query, the headers of a WebSocket, the page.

use super::client::peer::{QUERY, handshake};
use super::gets::Gets;
use super::{Case, Group, Row};

pub(super) fn group() -> Group {
    let mut rows = queries();
    rows.extend(methods());
    rows.extend(websockets());
    rows.extend(origins());
    Group { title: "Handshakes", rows }
}

fn row(input: &'static str, gets: Gets, bytes: impl AsRef<[u8]>) -> Row {
    Row { input, gets, case: Case::Public(bytes.as_ref().to_vec()) }
}

fn request(method: &str, query: &str) -> String {
    format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

fn queries() -> Vec<Row> {
    let (transport, version, sid) = (0, 5, 1);
    let long = format!("EIO=4&transport=polling&sid={}", "x".repeat(10_000));
    let old = row(
        "`EIO=3` (socket.io-client 1 and 2), which is told to use a newer one",
        Gets::Status(200),
        request("GET", "EIO=3&transport=polling"),
    );
    let table: Vec<(&'static str, u64, &str)> = vec![
        ("no query", transport, ""),
        (
            "60 ampersands",
            transport,
            "&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&",
        ),
        ("no `transport`", transport, "EIO=4"),
        ("`transport=pigeon`", transport, "EIO=4&transport=pigeon"),
        ("`transport=POLLING`", transport, "EIO=4&transport=POLLING"),
        ("`transport=webtransport`", transport, "EIO=4&transport=webtransport"),
        (
            "`transport` twice, the first one wrong",
            transport,
            "EIO=4&transport=x&transport=polling",
        ),
        ("no `EIO`", version, "transport=polling"),
        ("`EIO=2`", version, "EIO=2&transport=polling"),
        ("`EIO=3` as a script (JSONP)", version, "EIO=3&transport=polling&j=0"),
        ("`EIO=5`", version, "EIO=5&transport=polling"),
        ("`EIO=four`", version, "EIO=four&transport=polling"),
        ("`EIO=04`", version, "EIO=04&transport=polling"),
        ("`EIO=%34`", version, "EIO=%34&transport=polling"),
        ("`EIO` twice, the first one wrong", version, "EIO=5&EIO=4&transport=polling"),
        ("a session that does not exist", sid, "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA"),
        ("a session `__proto__`", sid, "EIO=4&transport=polling&sid=__proto__"),
        ("a session `%00`", sid, "EIO=4&transport=polling&sid=%00"),
        ("a session of 10,000 bytes", sid, &long),
    ];
    table
        .into_iter()
        .map(|(input, code, query)| row(input, Gets::Engine(400, code), request("GET", query)))
        .chain([old])
        .collect()
}

fn methods() -> Vec<Row> {
    let bad = || Gets::Engine(400, 2);
    let open = |method| request(method, "EIO=4&transport=polling");
    vec![
        row("a session opened by POST", bad(), open("POST")),
        row("a session opened by DELETE", bad(), open("DELETE")),
        row("a session opened by a method of the client's own", bad(), open("PWN")),
        row("a session opened by HEAD", Gets::Status(400), open("HEAD")),
    ]
}

fn websockets() -> Vec<Row> {
    let good = handshake(QUERY, "");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to)
    };
    let without = |header: &str| {
        let lines = good.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with(header)).collect::<String>()
    };
    let bad = |input, bytes: String| row(input, Gets::Engine(400, 3), bytes);
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    vec![
        bad("a WebSocket without `Upgrade`", without("Upgrade:")),
        bad("a WebSocket without `Connection`", without("Connection:")),
        bad("a WebSocket without `Sec-WebSocket-Version`", without("Sec-WebSocket-Version:")),
        bad("a WebSocket without `Sec-WebSocket-Key`", without("Sec-WebSocket-Key:")),
        bad("`Upgrade: h2c`", with("Upgrade: websocket", "Upgrade: h2c")),
        bad("`Connection: keep-alive`", with("Connection: Upgrade", "Connection: keep-alive")),
        bad("`Sec-WebSocket-Version: 8`", with("Version: 13", "Version: 8")),
        bad("`Sec-WebSocket-Version: 99`", with("Version: 13", "Version: 99")),
        bad("an empty key", with(key, "")),
        bad("a key of 15 bytes", with(key, "dGhlIHNhbXBsZSBub25j")),
        bad("a key that is not base64", with(key, "!!!!!!!!!!!!!!!!!!!!!!==")),
        bad("a WebSocket by HTTP/1.0", with("HTTP/1.1", "HTTP/1.0")),
        bad("a WebSocket by POST", with("GET /socket.io/?", "POST /socket.io/?sid=x&")),
        row(
            "a WebSocket for a session that does not exist",
            Gets::Engine(400, 1),
            with("EIO=4", "EIO=4&sid=AAAAAAAAAAAAAAAA"),
        ),
        row("a WebSocket with `EIO=5`", Gets::Engine(400, 5), with("EIO=4", "EIO=5")),
        row(
            "permessage-deflate, which is not spoken",
            Gets::Status(101),
            handshake(QUERY, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        ),
        row(
            "a WebSocket with `EIO=3`, whose client is told to use a newer one",
            Gets::Status(101),
            with("EIO=4", "EIO=3"),
        ),
        row(
            "subprotocols: the first one is chosen",
            Gets::Status(101),
            handshake(QUERY, "Sec-WebSocket-Protocol: chat, other\r\n"),
        ),
        row(
            "an allowed `Origin` with a path, as programs in Go send it",
            Gets::Status(101),
            handshake(QUERY, "Origin: https://app.example.com/socket.io/\r\n"),
        ),
    ]
}

fn origins() -> Vec<Row> {
    let from = |origin: &str| {
        request("GET", "EIO=4&transport=polling")
            .replace("Host: test", &format!("Host: rt.example.com\r\nOrigin: {origin}"))
    };
    let table = [
        ("a page that may not connect", "https://evil.example"),
        ("one whose host begins like an allowed one", "https://app.example.com.evil.example"),
        ("one whose host ends like an allowed one", "https://evil-app.example.com"),
        ("the allowed one, by another scheme", "http://app.example.com"),
        ("the allowed one, at another port", "https://app.example.com:8443"),
        ("the allowed one, with a user before it", "https://app.example.com@evil.example"),
        ("the allowed one, as the path of another", "https://evil.example/https://app.example.com"),
        ("an empty `Origin`", ""),
        ("an `Origin` that is not ASCII", "https://é.example"),
        (
            "two `Origin`, the second one allowed",
            "https://evil.example\r\nOrigin: https://app.example.com",
        ),
    ];
    let mut rows: Vec<Row> =
        table.map(|(input, origin)| row(input, Gets::Engine(403, 4), from(origin))).into();
    let websocket = handshake(QUERY, "Origin: https://evil.example\r\n");
    rows.push(row("a page that may not connect, by WebSocket", Gets::Engine(403, 4), websocket));
    rows
}
