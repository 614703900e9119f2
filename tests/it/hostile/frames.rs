//! WebSocket frames (RFC 6455 §5).

use super::client::Packet;
use super::client::peer::{frame, text};
use super::gets::Gets;
use super::{Case, Group, Row};

/// An event that would be answered.
const EVENT: &[u8] = br#"421["userline:ping"]"#;

pub(super) fn group() -> Group {
    let mut rows = heads();
    rows.extend(messages());
    rows.extend(closes());
    rows.extend(odd_but_legal());
    Group { title: "WebSocket frames", rows }
}

fn row(input: &'static str, gets: Gets, bytes: Vec<u8>) -> Row {
    Row { input, gets, case: Case::Frames(bytes) }
}

/// A text frame whose length is written in the form `kind`, with a mask of zeros.
fn text_of_length(kind: u8, len: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0x81, 0x80 | kind][..], len, &[0; 4], payload].concat()
}

fn heads() -> Vec<Row> {
    use Gets::Ends;
    let len = u8::try_from(EVENT.len()).unwrap();
    let long = |len: u64| text_of_length(127, &len.to_be_bytes(), EVENT);
    let answered = || Gets::says("431[]");
    vec![
        row("a frame without a mask", Ends, [&[0x81, len][..], EVENT].concat()),
        row("a compressed frame, though no extension was agreed on", Ends, frame(0xc1, EVENT)),
        row("a frame with the reserved bit 2", Ends, frame(0xa1, EVENT)),
        row("a frame with the reserved bit 3", Ends, frame(0x91, EVENT)),
        row("a frame with the reserved opcode 3", Ends, frame(0x83, EVENT)),
        row("a frame with the reserved opcode 11", Ends, frame(0x8b, EVENT)),
        row("a length of 2^63", Ends, long(1 << 63)),
        row("a length of 2^63 - 1", Ends, long((1 << 63) - 1)),
        row("a message of one byte more than `limits.payload`", Ends, text(&"4".repeat(1_000_001))),
        row("a ping of 126 bytes", Ends, frame(0x89, &[b'x'; 126])),
        row("a ping in fragments", Ends, frame(0x09, b"x")),
        row("an HTTP request in place of a frame", Ends, b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        row(
            "a length of 20, written as if it was over 125",
            answered(),
            text_of_length(126, &[0, len], EVENT),
        ),
        row(
            "a length of 20, written as if it was over 65,535",
            answered(),
            text_of_length(127, &u64::from(len).to_be_bytes(), EVENT),
        ),
        row("a mask of zeros", answered(), text_of_length(len, &[], EVENT)),
    ]
}

fn messages() -> Vec<Row> {
    use Gets::Ends;
    let half = vec![b'4'; 600_000];
    let msgpack = b"\x83\xa4type\x00\xa4data\xc0\xa3nsp\xa1/".to_vec();
    vec![
        row("a continuation of nothing", Ends, frame(0x80, b"4")),
        row(
            "a text between the fragments of another",
            Ends,
            [frame(0x01, b"4"), text("2")].concat(),
        ),
        row("a text that is not UTF-8", Ends, frame(0x81, b"42[\"\xff\"]")),
        row("a text that ends within a character", Ends, frame(0x81, b"42[\"\xc3")),
        row("a text with half a surrogate pair", Ends, frame(0x81, b"42[\"\xed\xa0\x80\"]")),
        row(
            "fragments that are together larger than `limits.payload`",
            Ends,
            [frame(0x01, &half), frame(0x80, &half)].concat(),
        ),
        row("an empty text", Ends, text("")),
        row("a binary message that nothing has announced", Ends, frame(0x82, b"\x01\x02")),
        row("`0{}` (open) on a WebSocket", Ends, text("0{}")),
        row("`5` (upgrade) on a WebSocket", Ends, text("5")),
        row("`6` (noop) on a WebSocket", Gets::Stays, text("6")),
        row("`bAQID` on a WebSocket, though nothing has announced it", Ends, text("bAQID")),
        row(
            "the buffer of an event as text, in base64 over two lines",
            Gets::acked("unknown_event"),
            [text("451-5[\"x\"]"), text("bAQ\r\nID\n")].concat(),
        ),
        Row {
            input: "a binary packet before anything else (msgpack)",
            gets: Gets::refused("parser_unsupported").then(Ends),
            case: Case::Early(vec![Packet::Binary(msgpack)]),
        },
    ]
}

fn closes() -> Vec<Row> {
    use Gets::{Closes, Ends};
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    vec![
        row("a close frame of one byte", Ends, frame(0x88, b"x")),
        row("a close frame of 126 bytes", Ends, frame(0x88, &[3; 126])),
        row("a close frame in fragments", Ends, frame(0x08, b"\x03\xe8")),
        row("a close frame whose reason is not UTF-8", Ends, frame(0x88, b"\x03\xe8\xff")),
        row("a close frame with the code 999", Closes(1002), close(999)),
        row("a close frame with the code 1005, which is never sent", Closes(1002), close(1005)),
        row("a close frame with the code 65535", Closes(1002), close(65535)),
        row(
            "an event after a close frame",
            Closes(1000),
            [close(1000), text("421[\"x\"]")].concat(),
        ),
    ]
}

fn odd_but_legal() -> Vec<Row> {
    let mut pieces = frame(0x01, b"");
    for byte in "421[\"userline:ping\",\"é\"]".as_bytes() {
        pieces.extend(frame(0x00, &[*byte]));
        pieces.extend(frame(0x8a, b""));
    }
    pieces.extend(frame(0x80, b""));
    vec![
        row(
            "an event in fragments of one byte, a pong after each",
            Gets::says("431[\"é\"]"),
            pieces,
        ),
        row("a pong that nothing has asked for", Gets::Stays, frame(0x8a, b"x")),
        row("a ping of 125 bytes", Gets::Pong, frame(0x89, &[b'x'; 125])),
    ]
}
