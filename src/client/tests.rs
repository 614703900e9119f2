//! What a client makes of the bytes that its server sends, however they are cut.

use super::{
    ClientEnd, ClientNews, ClientSession, ClientStage, ConnectPacket, Response, find_response,
};
use crate::core::protocol::frame;
use bytes::BytesMut;
use proptest::prelude::*;

proptest! {
    /// Whatever is cut, it stays partial until it is whole, and never reads beyond its end.
    #[test]
    fn an_http_answer_may_come_in_pieces(cut in 0_usize..200) {
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
            "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ];
        for text in answers {
            let bytes = text.as_bytes();
            let status = text[9..12].parse().unwrap();
            let head = text.find("\r\n\r\n").unwrap() + 4;
            let whole = Response::Whole { status, head, len: bytes.len() };
            prop_assert_eq!(find_response(bytes), whole);
            prop_assert_eq!(find_response(&[bytes, b"HTTP"].concat()), whole);
            if cut < bytes.len() {
                prop_assert_eq!(find_response(&bytes[..cut]), Response::Partial);
            }
        }
    }

    /// A session hears the same, however its bytes are cut.
    #[test]
    fn a_session_hears_the_same_however_the_bytes_are_cut(cuts in prop::collection::vec(1_usize..40, 1..40)) {
        let bytes = greeting();
        let mut session = ClientSession::default();
        let mut out = BytesMut::new();
        let mut heard = Vec::new();
        let (mut rest, mut buffer) = (&bytes[..], vec![0; 4096]);
        for cut in cuts.iter().chain(std::iter::once(&bytes.len())) {
            let held = session.restore(&mut buffer).unwrap();
            let (piece, after) = rest.split_at(*cut.min(&rest.len()));
            rest = after;
            buffer[held..held + piece.len()].copy_from_slice(piece);
            session
                .feed(&buffer[..held + piece.len()], put_connect, &mut out, |it| heard.push(owned(&it)))
                .unwrap();
        }
        prop_assert_eq!(heard, ["ready", "42[\"a\"]", "43/x,7[]"]);
        let mut expected = BytesMut::new();
        put_connect(&mut expected);
        frame::put_client_text(&mut expected, b"3");
        expected.extend_from_slice(&[0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
        prop_assert_eq!(out, expected);
    }
}

fn put_connect(out: &mut BytesMut) {
    ConnectPacket { prefix: "/x,", auth: b"{\"n\":1}" }.put(out);
}

fn owned(heard: &ClientNews<'_>) -> String {
    match heard {
        ClientNews::Ready => "ready".to_owned(),
        ClientNews::Packet(packet) => String::from_utf8(packet.to_vec()).unwrap(),
    }
}

fn greeting() -> Vec<u8> {
    let mut bytes = Vec::from(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n");
    for text in ["0{\"sid\":\"x\"}", "40/x,{\"sid\":\"y\"}", "42[\"a\"]", "2"] {
        bytes.extend_from_slice(&frame::text(&[text.as_bytes()]));
    }
    bytes.extend_from_slice(&[0x89, 2, b'h', b'i']);
    bytes.extend_from_slice(&frame::binary(b"attachment"));
    bytes.extend_from_slice(&frame::text(&[b"43/x,7[]"]));
    bytes
}

fn feed(session: &mut ClientSession, bytes: &[u8]) -> Result<(), ClientEnd> {
    session.feed(bytes, put_connect, &mut BytesMut::new(), |_| {})
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    let mut refused = ClientSession::default();
    let status = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";
    let words = "HTTP/1.1 503 Service Unavailable full";
    assert_eq!(feed(&mut refused, status), Err(ClientEnd::Refused(words.to_owned())));

    let mut error = ClientSession::default();
    let mut bytes = Vec::from(b"HTTP/1.1 101 X\r\n\r\n");
    bytes.extend_from_slice(&frame::text(&[b"0{}"]));
    bytes.extend_from_slice(&frame::text(&[b"44/x,{\"message\":\"no\"}"]));
    let words = "/x,{\"message\":\"no\"}";
    assert_eq!(feed(&mut error, &bytes), Err(ClientEnd::Refused(words.to_owned())));
}

#[test]
fn an_end_means_what_the_stage_says() {
    let mut session = ClientSession::default();
    assert!(matches!(session.over("x"), ClientEnd::Refused(_)));
    feed(&mut session, &greeting()).unwrap();
    assert_eq!(session.stage(), ClientStage::Ready);
    assert!(matches!(session.over("x"), ClientEnd::Closed(_)));
    let disconnected = feed(&mut session, &frame::text(&[b"41/x,"]));
    assert!(matches!(disconnected, Err(ClientEnd::Closed(_))), "{disconnected:?}");
    let closed = feed(&mut session, &[0x88, 0x02, 0x03, 0xe8]);
    assert!(matches!(closed, Err(ClientEnd::Closed(_))), "{closed:?}");

    let mut out = BytesMut::new();
    session.leave("/x,", &mut out);

    let mut expected = BytesMut::new();
    frame::put_client_text(&mut expected, b"41/x,");
    expected.extend_from_slice(&[0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!(out, expected);
    assert_eq!(session.over("x"), ClientEnd::Left);
}

#[test]
fn answers_that_make_no_sense_are_broken() {
    for text in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "hello\r\n\r\n",
    ] {
        assert_eq!(find_response(text.as_bytes()), Response::Broken, "{text}");
    }
}
