use super::{AckReader, Heard, HeardAck};
use crate::core::protocol::frame;
use bytes::{BufMut as _, BytesMut};
use proptest::prelude::*;

/// One frame as a client sends it.
fn put(to: &mut BytesMut, first: u8, mask: [u8; 4], payload: &[u8]) {
    to.put_u8(first);
    match payload.len() {
        len @ 0..126 => to.put_u8(0x80 | u8::try_from(len).unwrap()),
        len @ 126..65536 => {
            to.put_u8(0xfe);
            to.put_u16(u16::try_from(len).unwrap());
        }
        len => {
            to.put_u8(0xff);
            to.put_u64(u64::try_from(len).unwrap());
        }
    }
    to.put_slice(&mask);
    to.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

fn text(packet: &str) -> BytesMut {
    let mut bytes = BytesMut::new();
    put(&mut bytes, 0x81, [1, 2, 3, 250], packet.as_bytes());
    bytes
}

fn heard(reader: &mut AckReader, bytes: &[u8]) -> Vec<HeardAck> {
    let mut acks = Vec::new();
    reader.read(bytes, &mut |heard| match heard {
        Heard::Ack(ack) => acks.push(ack),
        Heard::Pong => {}
    });
    acks
}

/// Whether a pong is heard.
fn is_pong(packet: &str) -> bool {
    let mut pongs = 0;
    AckReader::new(1000).read(&text(packet), &mut |heard| {
        pongs += usize::from(matches!(heard, Heard::Pong));
    });
    pongs == 1
}

#[test]
fn only_a_pong_is_a_pong() {
    assert!(is_pong("3"));
    for other in ["", "2", "4", "33", "3probe", "43", "430[]", "42[\"3\"]"] {
        assert!(!is_pong(other), "{other}");
    }
}

fn shown(acks: &[HeardAck]) -> Vec<String> {
    let show = |ack: &HeardAck| {
        let buffers: Vec<&[u8]> = ack.buffers.iter().map(AsRef::as_ref).collect();
        format!("{} {} {} {buffers:?}", ack.namespace, ack.id, ack.args)
    };
    acks.iter().map(show).collect()
}

#[test]
fn acks_are_heard_as_they_were_written_and_nothing_else_is() {
    let table = [
        ("430[]", Some("/ 0 [] []")),
        (
            "4312[1.0,{\"b\":12345678901234567890.10}]",
            Some("/ 12 [1.0,{\"b\":12345678901234567890.10}] []"),
        ),
        ("43/chat,7[\"[\"]", Some("/chat 7 [\"[\"] []")),
        ("460-7[]", Some("/ 7 [] []")),
        ("42[\"x\"]", None),
        ("421[\"x\"]", None),
        ("3", None),
        ("4", None),
        ("43", None),
        ("43[]", None),
        ("437", None),
        ("437[", None),
        ("437[1]x", None),
        ("43-7[]", None),
        ("43/chat", None),
        ("4399999999999999999999[]", None),
        ("4665-7[]", None),
        ("46x-7[]", None),
        ("", None),
    ];
    for (packet, expected) in table {
        let mut reader = AckReader::new(1000);
        let acks = heard(&mut reader, &text(packet));
        assert_eq!(shown(&acks).first().map(String::as_str), expected, "{packet}");
        let acks = heard(&mut reader, &text("431[]"));
        assert_eq!(shown(&acks), ["/ 1 [] []"], "after {packet}");
    }
}

#[test]
fn buffers_follow_their_ack() {
    let mut bytes = text("462-/chat,7[{\"_placeholder\":true,\"num\":1}]");
    put(&mut bytes, 0x82, [9; 4], &[1, 2, 3]);
    put(&mut bytes, 0x89, [9; 4], b"ping");
    put(&mut bytes, 0x82, [9; 4], &[]);
    bytes.extend(text("438[]"));

    let acks = heard(&mut AckReader::new(1000), &bytes);

    let args = "[{\"_placeholder\":true,\"num\":1}]";
    assert_eq!(shown(&acks), [format!("/chat 7 {args} [[1, 2, 3], []]"), "/ 8 [] []".to_owned()]);
}

#[test]
fn an_ack_whose_buffers_do_not_come_is_forgotten() {
    let mut bytes = text("461-7[]");
    bytes.extend(text("42[\"x\"]"));
    put(&mut bytes, 0x82, [9; 4], &[1]);

    assert!(heard(&mut AckReader::new(1000), &bytes).is_empty());
}

#[test]
fn fragments_are_one_message() {
    let mut bytes = BytesMut::new();
    put(&mut bytes, 0x01, [1, 2, 3, 4], b"4");
    put(&mut bytes, 0x00, [5; 4], b"37[");
    put(&mut bytes, 0x89, [9; 4], b"42");
    put(&mut bytes, 0x80, [6; 4], b"1]");
    put(&mut bytes, 0x01, [1, 2, 3, 4], b"4");
    put(&mut bytes, 0x80, [6; 4], b"2[\"437[]\"]");

    assert_eq!(shown(&heard(&mut AckReader::new(1000), &bytes)), ["/ 7 [1] []"]);
}

#[test]
fn messages_beyond_the_bound_are_passed_over() {
    let long = format!("437[\"{}\"]", "x".repeat(100_000));
    let mut bytes = text(&long);
    bytes.extend(text("438[]"));

    assert_eq!(shown(&heard(&mut AckReader::new(1000), &bytes)), ["/ 8 [] []"]);
    let all = heard(&mut AckReader::new(1_000_000), &bytes);
    assert_eq!(all.len(), 2);
}

#[test]
fn what_polls_posted_is_read_too() {
    let mut bytes = BytesMut::new();
    frame::put_client_text(&mut bytes, b"461-7[{}]");
    frame::put_client_binary(&mut bytes, &[1]);

    assert_eq!(shown(&heard(&mut AckReader::new(1000), &bytes)), ["/ 7 [{}] [[1]]"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn pieces_of_any_size_are_the_same_stream(
        packets in prop::collection::vec((0_usize..6, prop::array::uniform4(any::<u8>())), 0..12),
        cuts in prop::collection::vec(1_usize..40, 1..40),
    ) {
        let mut bytes = BytesMut::new();
        let long = format!("43/a,5[\"{}\"]", "y".repeat(200));
        for (kind, mask) in packets {
            match kind {
                0 => put(&mut bytes, 0x81, mask, b"42[\"event\",1]"),
                1 => put(&mut bytes, 0x81, mask, b"433[1,2]"),
                2 => put(&mut bytes, 0x81, mask, long.as_bytes()),
                3 => put(&mut bytes, 0x81, mask, b"461-4[]"),
                4 => put(&mut bytes, 0x82, mask, &[0, 255, 7]),
                _ => put(&mut bytes, 0x81, mask, b"3"),
            }
        }
        let whole = heard(&mut AckReader::new(10_000), &bytes);
        let mut reader = AckReader::new(10_000);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for len in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*len));
            pieces.extend(heard(&mut reader, piece));
            rest = after;
        }
        prop_assert_eq!(shown(&whole), shown(&pieces));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(heard(&mut AckReader::new(100), &bytes));
    }
}
