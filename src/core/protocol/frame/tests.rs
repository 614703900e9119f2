//! Frames survive any way of being written.

use super::{
    Content, Cutter, Opcode, binary, put_client_frame, put_client_text, split, take, text,
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

/// One frame as a client sends it, with any first byte and any mask.
pub(in crate::core::protocol) fn client_frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    super::put_head(&mut frame, first, 0x80, payload.len());
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame.to_vec()
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0..130_usize, Just(65_535), Just(65_536), 120..70_000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_split_gives_the_same_frames(
        sizes in prop::collection::vec((any::<bool>(), length()), 1..8),
        cuts in prop::collection::vec(1..40_000_usize, 1..60),
        tiny in any::<bool>(),
    ) {
        let frames: Vec<Bytes> = sizes
            .iter()
            .map(|(is_text, len)| if *is_text { text(&[&vec![b'x'; *len]]) } else { binary(&vec![7; *len]) })
            .collect();
        let stream: Vec<u8> = frames.iter().flatten().copied().collect();

        let mut cutter = Cutter::default();
        let mut cut = Vec::new();
        let mut rest = &stream[..];
        for size in cuts.iter().cycle() {
            let size = if tiny { size % 7 + 1 } else { *size };
            let (piece, after) = rest.split_at(size.min(rest.len()));
            let mut whole = cutter.cut(piece);
            while let Some((frame, _)) = take(&mut whole) {
                cut.push(frame);
            }
            prop_assert!(whole.is_empty(), "the cutter returns whole frames only");
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cut, frames);
        prop_assert_eq!(cutter.partial.capacity(), 0, "an idle cutter holds no memory");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut whole = Cutter::default().cut(&bytes);
        while take(&mut whole).is_some() {}
    }
}

#[test]
fn content_is_told_apart() {
    let mut bytes = Bytes::from(
        [text(&[b"4", b"2"]), binary(&[1, 2]), Bytes::from_static(&[0x88, 0])].concat(),
    );

    let contents: Vec<Content> = std::iter::from_fn(|| take(&mut bytes).map(|it| it.1)).collect();

    let expected = [
        Content::Text(Bytes::from("42")),
        Content::Binary(Bytes::from(vec![1, 2])),
        Content::Close,
    ];
    assert_eq!(contents, expected);
}

#[test]
fn client_frames_are_what_a_websocket_library_reads() {
    use tungstenite::protocol::{Message, Role, WebSocket};
    let mut bytes = BytesMut::new();
    let long = "é".repeat(40_000);
    put_client_text(&mut bytes, b"2probe");
    put_client_frame(&mut bytes, Opcode::Binary, &[1, 2, 3]);
    put_client_text(&mut bytes, long.as_bytes());

    let mut read =
        WebSocket::from_raw_socket(std::io::Cursor::new(bytes.to_vec()), Role::Server, None);

    assert_eq!(read.read().unwrap(), Message::text("2probe"));
    assert_eq!(read.read().unwrap(), Message::binary(vec![1, 2, 3]));
    assert_eq!(read.read().unwrap(), Message::text(long));
}

#[test]
fn frames_are_split_without_being_copied() {
    let bytes = [text(&[b"42"]), binary(&[1, 2]), Bytes::from_static(&[0x89, 0])].concat();

    let (opcode, payload, rest) = split(&bytes).unwrap();

    assert_eq!((opcode, payload), (1, b"42".as_slice()));
    let (opcode, payload, rest) = split(rest).unwrap();
    assert_eq!((opcode, payload, rest), (2, [1, 2].as_slice(), [0x89, 0].as_slice()));
    assert_eq!(split(rest), Some((9, [].as_slice(), [].as_slice())));
    for cut in 0..4 {
        assert_eq!(split(&bytes[..cut]), None, "{cut}");
    }
}
