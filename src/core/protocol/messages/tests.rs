//! Messages are what a WebSocket library reads, however the stream is cut into pieces.

use super::{Malformed, MessageReader, Piece, RESERVE_MIN, WebSocketMessage};
use crate::core::protocol::frame::tests::client_frame;
use crate::core::protocol::frame::{self, Opcode};
use proptest::prelude::*;
use std::io::Cursor;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const BYTES_MAX: usize = 10_000;

/// A message, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Control(Opcode, Vec<u8>),
    Malformed,
}

impl From<WebSocketMessage<'_>> for Owned {
    fn from(message: WebSocketMessage<'_>) -> Self {
        match message {
            WebSocketMessage::Text(text) => Self::Text(text.to_owned()),
            WebSocketMessage::Binary(bytes) => Self::Binary(bytes.to_owned()),
            WebSocketMessage::Control(opcode, payload) => Self::Control(opcode, payload.to_owned()),
        }
    }
}

/// What the reader makes of a stream in pieces of these sizes, again and again. A close frame is the end.
fn read(stream: &[u8], sizes: &[usize]) -> Vec<Owned> {
    let mut reader = MessageReader::new(BYTES_MAX);
    let mut stream = stream.to_vec();
    let mut rest = &mut stream[..];
    let mut messages = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at_mut((*size).min(rest.len()));
        rest = after;
        let mut piece = Piece::new(piece);
        loop {
            match reader.next(&mut piece) {
                Ok(Some(message)) => messages.push(message.into()),
                Ok(None) => break,
                Err(_) => {
                    messages.push(Owned::Malformed);
                    return messages;
                }
            }
            if let Some(Owned::Control(Opcode::Close, _)) = messages.last() {
                return messages;
            }
        }
        assert!(piece.rest().is_empty(), "a piece is read to its end");
        assert!(reader.payload.capacity() <= BYTES_MAX, "{}", reader.payload.capacity());
        let held = reader.payload.capacity() + reader.control.capacity();
        assert!(!reader.is_idle() || held == 0, "at rest it holds {held} bytes");
    }
    messages
}

/// The same by a library.
fn read_by_library(stream: &[u8]) -> Vec<Owned> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(BYTES_MAX))
        .max_frame_size(Some(BYTES_MAX));
    let stream = Stream(Cursor::new(stream.to_vec()));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(Message::Text(text)) => Owned::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Owned::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Owned::Control(Opcode::Ping, payload.to_vec()),
            Ok(Message::Pong(payload)) => Owned::Control(Opcode::Pong, payload.to_vec()),
            Ok(Message::Close(_)) => {
                messages.push(Owned::Control(Opcode::Close, Vec::new()));
                return messages;
            }
            Ok(Message::Frame(_)) => panic!("only for writing"),
            Err(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return messages;
            }
            Err(_) => Owned::Malformed,
        };
        messages.push(message);
        if messages.last() == Some(&Owned::Malformed) {
            return messages;
        }
    }
}

/// Bytes to read; what is written is lost.
struct Stream(Cursor<Vec<u8>>);

impl std::io::Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl std::io::Write for Stream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        // Whole messages and fragments that fit together more often than chance would have it.
        4 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x00, 0x80]),
        2 => prop::sample::select(vec![0x89_u8, 0x8a]),
        1 => prop_oneof![Just(0x88_u8), any::<u8>()],
    ];
    let len = prop_oneof![4 => 0..20_usize, 2 => 120..130_usize, 1 => 0..3_000_usize, 1 => 9_990..10_010_usize];
    let mask = prop_oneof![Just([0; 4]), any::<[u8; 4]>()];
    // A close frame with a code that is none, and bytes that are no text, are malformed where the library says so.
    (first, mask, len, any::<u8>()).prop_map(|(first, mask, len, byte)| match first {
        0x88 => client_frame(first, mask, &[]),
        0x81 if len == 7 => client_frame(first, mask, &[byte; 7]),
        _ => client_frame(first, mask, &vec![byte % 128; len]),
    })
}

/// Bytes that are no frames, but by chance. Where the library alone looks into a payload that is not whole, it is let be.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let begins_as_looked_into = |it: &Vec<u8>| matches!(it.first(), Some(0x88 | 0x01 | 0x00));
    let bytes = prop::collection::vec(any::<u8>(), 0..30);
    let bytes = bytes.prop_filter("looked into", move |it| !begins_as_looked_into(it));
    prop_oneof![3 => Just(vec![]), 1 => bytes]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_messages_are_those_that_a_library_reads(
        frames in prop::collection::vec(piece(), 0..12),
        garbage in garbage(),
        sizes in prop::collection::vec(prop_oneof![1..8_usize, 1..5_000_usize], 1..20),
    ) {
        let stream = [frames.concat(), garbage].concat();
        let (read, by_library) = (read(&stream, &sizes), read_by_library(&stream));
        let (end, before) = read.split_last().map_or((None, &read[..]), |(end, it)| (Some(end), it));
        // The library looks at some of what a head tells only when the payload has come.
        let is_earlier = end == Some(&Owned::Malformed) && before == by_library;
        prop_assert!(is_earlier || read == by_library, "{read:?} {by_library:?}");
    }
}

#[test]
fn what_is_not_masked_is_refused_at_its_head() {
    for bytes in [&frame::text(&[b"3"])[..2], &[0x81, 0x00], &[0xc1, 0x80, 0, 0, 0, 0]] {
        assert_eq!(read(bytes, &[1]), [Owned::Malformed], "{bytes:?}");
    }
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_comes() {
    let mut reader = MessageReader::new(100);
    let frame = client_frame(0x81, MASK, &[b'x'; 101]);
    assert_eq!(reader.next(&mut Piece::new(&mut frame.clone()[..6])), Err(Malformed::TooLarge));

    let mut reader = MessageReader::new(100);
    let mut fragments =
        [client_frame(0x01, MASK, &[b'x'; 100]), client_frame(0x80, MASK, b"x")].concat();
    assert_eq!(reader.next(&mut Piece::new(&mut fragments)), Err(Malformed::TooLarge));

    let mut reader = MessageReader::new(100);
    let mut ping =
        [client_frame(0x01, MASK, &[b'x'; 100]), client_frame(0x89, MASK, b"x")].concat();
    let message = reader.next(&mut Piece::new(&mut ping));
    assert_eq!(message, Ok(Some(WebSocketMessage::Control(Opcode::Ping, b"x"))));
}

#[test]
fn a_message_that_is_announced_and_does_not_come_costs_nothing_and_at_most_its_size() {
    let mut reader = MessageReader::new(1_000_000);
    let frame = client_frame(0x81, MASK, &vec![b'x'; 1_000_000]);
    let head = 14;
    for len in [head, head + 1, 5_000, 700_000, 999_999] {
        let mut reader = MessageReader::new(1_000_000);
        assert_eq!(reader.next(&mut Piece::new(&mut frame.clone()[..len])), Ok(None));
        let (came, held) = (len - head, reader.payload.capacity());
        assert!(held <= (2 * came).max(RESERVE_MIN), "{held} for {came}");
    }
    let mut bytes = frame;
    for piece in bytes.chunks_mut(777) {
        let mut piece = Piece::new(piece);
        let is_last = reader.next(&mut piece).unwrap().is_some();
        assert!(reader.payload.capacity() <= 1_000_000, "{}", reader.payload.capacity());
        assert!(!is_last || piece.rest().is_empty());
    }
}
