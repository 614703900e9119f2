use super::{ForeignParser, Mender};
use crate::core::protocol::frame;
use bytes::BytesMut;
use proptest::prelude::*;

/// One frame as a client sends it.
fn put(to: &mut BytesMut, first: u8, mask: [u8; 4], payload: &[u8]) {
    frame::put_client_head(to, first, Some(mask), payload.len());
    to.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

fn one(first: u8, payload: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    put(&mut bytes, first, [1, 2, 3, 250], payload);
    bytes
}

fn mended(stream: &[u8], piece_len: usize) -> BytesMut {
    let (mut mender, mut out) = (Mender::default(), BytesMut::new());
    for piece in stream.chunks(piece_len) {
        mender.read(piece, &mut out).unwrap();
    }
    out
}

#[test]
fn names_that_the_engine_cannot_read_are_marked_and_nothing_else_is() {
    let long = format!("42[\"{}\",1]", "x".repeat(5000));
    let marked = format!("42[\"=\",\"{}\",1]", "x".repeat(5000));
    let table = [
        (r#"42["say \"hi\"",1]"#, Some(r#"42["=","say \"hi\"",1]"#)),
        (r#"42["a\\b"]"#, Some(r#"42["=","a\\b"]"#)),
        (r#"4217["gr\u00f6\u00dfe"]"#, Some(r#"4217["=","gr\u00f6\u00dfe"]"#)),
        (r#"42/chat,["a\tb"]"#, Some(r#"42/chat,["=","a\tb"]"#)),
        (r#"42/chat?x=[1],7[ "a\tb"]"#, Some(r#"42/chat?x=[1],7["=", "a\tb"]"#)),
        (
            r#"452-/chat,7["a\tb",{"_placeholder":true,"num":0}]"#,
            Some(r#"452-/chat,7["=","a\tb",{"_placeholder":true,"num":0}]"#),
        ),
        // The mark itself is no name.
        (r#"42["=","a"]"#, Some(r#"42["=","=","a"]"#)),
        // Too long to look at, and broken off.
        (&long, Some(&marked)),
        (r#"42["a"#, Some(r#"42["=","a"#)),
        (r#"42["größe","\\"]"#, None),
        (r#"42["a","\"b\""]"#, None),
        (r#"42[1,"\""]"#, None),
        (r#"40{"token":"a\"b"}"#, None),
        (r#"431["\""]"#, None),
        ("42", None),
        ("42/chat", None),
        ("451", None),
        ("45x[\"\\\"]", None),
        ("4", None),
        ("2", None),
        ("", None),
        ("3", None),
    ];
    for (packet, expected) in table {
        // So long that the length of the frame needs more bytes than before, or just not.
        for filling in [0, 100, 120, 125, 65_530, 70_000] {
            let filling = " ".repeat(filling);
            let stream = one(0x81, format!("{packet}{filling}").as_bytes());
            let expected = one(0x81, format!("{}{filling}", expected.unwrap_or(packet)).as_bytes());
            for piece_len in [1, 3, 1024, usize::MAX] {
                // What is broken off has an end only if nothing follows.
                if filling.is_empty() || packet.ends_with([']', '}']) {
                    assert_eq!(mended(&stream, piece_len), expected, "{packet} by {piece_len}");
                }
            }
        }
    }
}

#[test]
fn the_first_fragment_of_a_message_decides_and_control_frames_go_between() {
    let mut stream = one(0x01, br#"42["say \"#);
    put(&mut stream, 0x8a, [9; 4], b"pong");
    put(&mut stream, 0x80, [5; 4], br#""hi\"",42["\""]"#);
    let mut expected = one(0x01, br#"42["=","say \"#);
    put(&mut expected, 0x8a, [9; 4], b"pong");
    put(&mut expected, 0x80, [5; 4], br#""hi\"",42["\""]"#);

    assert_eq!(mended(&stream, 1), expected);
    assert_eq!(mended(&stream, 1000), expected);
}

#[test]
fn frames_without_a_mask_stay_without_one() {
    let packet = br#"42["say \"hi\""]"#;
    let stream = frame::text(&[packet]);
    assert_eq!(mended(&stream, 5), frame::text(&[br#"42["=","say \"hi\""]"#]));
}

#[test]
fn a_client_that_begins_with_a_binary_message_has_another_parser() {
    let connect = b"\x83\xa4type\x00\xa4data\x81\xa5token\xa3abc\xa3nsp\xa5/chat";
    let long = vec![7; 70_000];
    for (payload, namespace) in [(connect.as_slice(), "/chat"), (b"\x01", "/"), (&long, "/")] {
        for piece_len in [1, 1000, usize::MAX] {
            let mut mender = Mender::default();
            let mut out = BytesMut::new();
            let mut stream = one(0x81, b"3");
            put(&mut stream, 0x82, [1, 2, 3, 4], payload);
            let end = stream.chunks(piece_len).try_for_each(|it| mender.read(it, &mut out));
            assert_eq!(end, Err(ForeignParser { namespace: namespace.to_owned() }));
            assert_eq!(out, one(0x81, b"3"));
        }
    }
}

#[test]
fn binary_messages_of_a_client_that_has_spoken_pass() {
    let mut stream = one(0x81, b"40{}");
    put(&mut stream, 0x82, [1, 2, 3, 4], &[0; 100]);
    assert_eq!(mended(&stream, 7), stream);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), n in 1_usize..50) {
        let (mut mender, mut out) = (Mender::default(), BytesMut::new());
        for piece in bytes.chunks(n) {
            if mender.read(piece, &mut out).is_err() {
                break;
            }
        }
    }

    #[test]
    fn every_event_keeps_its_name_and_its_arguments(name in ".{0,20}", arg in ".{0,200}", n in 1_usize..50) {
        let packet = format!("42{}", serde_json::json!([name, arg]));
        let out = mended(&one(0x81, packet.as_bytes()), n);
        let head = frame::client_head(&out).unwrap();
        let payload = out.iter().skip(out.len() - usize::try_from(head.len).unwrap());
        let clear: Vec<u8> =
            payload.zip([1, 2, 3, 250].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let mut parts: Vec<String> = serde_json::from_slice(&clear[2..]).unwrap();
        if parts[0] == super::MARK {
            parts.remove(0);
        }
        prop_assert_eq!(parts, vec![name, arg]);
    }
}
