//! What is read of a client, compared with a naive model that decodes the whole stream at once.

use super::{Inbound, InboundReader};
use crate::core::protocol::frame::tests::client_frame;
use crate::core::protocol::messages::{Malformed, Piece};
use bytes::Bytes;
use proptest::prelude::*;

mod model;

const MASK: [u8; 4] = [1, 2, 3, 250];
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const BYTES_MAX: usize = 2_000;

/// What is read, in one line.
fn shown(inbound: &Inbound<'_>) -> String {
    let list =
        |buffers: &[Bytes]| -> Vec<Vec<u8>> { buffers.iter().map(|it| it.to_vec()).collect() };
    match inbound {
        Inbound::Pong => "pong".to_owned(),
        Inbound::Event(it) => {
            let args: Vec<&str> = it.args().iter().map(|arg| arg.get()).collect();
            let (namespace, name, ack) = (it.namespace, &it.name, it.ack);
            format!("event {namespace} {name:?} {args:?} {ack:?} {:?}", list(it.buffers))
        }
        Inbound::Ack(it) => {
            format!("ack {} {} {} {:?}", it.namespace, it.id, it.args, list(it.buffers))
        }
        Inbound::Connect { namespace, auth } => format!("connect {namespace} {auth}"),
        Inbound::Disconnect { namespace } => format!("disconnect {namespace}"),
        Inbound::Close { code } => format!("close {code:?}"),
        Inbound::Ping(payload) => format!("ping {payload:?}"),
        Inbound::ForeignParser(namespace) => format!("foreign {namespace}"),
        Inbound::Nothing => "nothing".to_owned(),
    }
}

/// What a client is found to say whose stream comes in pieces of these sizes, again and again. Between two packets the
/// reader is thrown away, as a connection does it.
fn read(stream: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut reader = InboundReader::resume(BYTES_MAX, false);
    let mut stream = stream.to_vec();
    let mut rest = &mut stream[..];
    let mut said = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at_mut((*size).min(rest.len()));
        rest = after;
        let mut piece = Piece::new(piece);
        loop {
            match reader.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Inbound::Nothing)) => {}
                Ok(Some(inbound)) => {
                    said.push(shown(&inbound));
                    if matches!(inbound, Inbound::ForeignParser(_)) {
                        return said;
                    }
                }
                Err(_) => {
                    said.push("malformed".to_owned());
                    return said;
                }
            }
        }
        if reader.is_idle() {
            reader = InboundReader::resume(BYTES_MAX, reader.has_spoken());
        }
        if let Some(collected) = &reader.collected {
            let held =
                collected.text.capacity() + collected.buffers.iter().map(Bytes::len).sum::<usize>();
            assert!(held <= 2 * BYTES_MAX, "{held} bytes are held");
        }
    }
    said
}

fn packets(packets: &[&str]) -> Vec<u8> {
    packets.iter().flat_map(|it| client_frame(TEXT, MASK, it.as_bytes())).collect()
}

fn read_whole(stream: &[u8]) -> Vec<String> {
    read(stream, &[usize::MAX])
}

#[test]
fn events_are_read_as_they_were_written() {
    let event = |namespace: &str, name: &str, args: &[&str], ack: Option<u64>| {
        format!("event {namespace} {name:?} {args:?} {ack:?} []")
    };
    let table = [
        (r#"42["a"]"#, event("/", "a", &[], None)),
        (r#"42/chat,17["a",1.0,{"b":12345678901234567890.10}]"#, {
            event("/chat", "a", &["1.0", r#"{"b":12345678901234567890.10}"#], Some(17))
        }),
        (r#"42["say \"hi\"",1]"#, event("/", "say \"hi\"", &["1"], None)),
        (r#"42["gr\u00f6\u00dfe","\u00f6"]"#, event("/", "größe", &[r#""\u00f6""#], None)),
        (r#"42["größe"]"#, event("/", "größe", &[], None)),
        (r#"42/chat?x=[1],7[ "a\tb" , null ]"#, {
            event("/chat?x=[1]", "a\tb", &["null"], Some(7))
        }),
        (r#"42[""]"#, event("/", "", &[], None)),
        (r#"42["=","a"]"#, event("/", "=", &[r#""a""#], None)),
        (r#"423[7,"x"]"#, event("/", "7", &[r#""x""#], Some(3))),
        ("42[-0.5]", event("/", "-0.5", &[], None)),
        (r#"42["\ud800"]"#, event("/", r"\ud800", &[], None)),
        (r#"450-["a"]"#, event("/", "a", &[], None)),
    ];
    for (packet, expected) in table {
        assert_eq!(read_whole(&packets(&[packet])), [expected], "{packet}");
    }
}

#[test]
fn acks_are_read_as_they_were_written() {
    let table = [
        ("430[]", "ack / 0 [] []"),
        (r#"4312[1.0,{"b":1234567890.10}]"#, r#"ack / 12 [1.0,{"b":1234567890.10}] []"#),
        (r#"43/chat,7["["]"#, r#"ack /chat 7 ["["] []"#),
        ("460-7[]", "ack / 7 [] []"),
    ];
    for (packet, expected) in table {
        assert_eq!(read_whole(&packets(&[packet])), [expected], "{packet}");
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_stream() {
    let long = format!(r#"42["{}"]"#, "x".repeat(BYTES_MAX));
    let table = [
        "42",
        "42[",
        "42[]",
        r#"42["a""#,
        r#"42["a"]x"#,
        "42[null]",
        "42[{}]",
        "42{}",
        "42/chat",
        r#"42/chat["a"]"#,
        r#"4299999999999999999999["a"]"#,
        "43[]",
        "437",
        "437[",
        "437[1]x",
        "437{}",
        "43-7[]",
        "43/chat",
        "4399999999999999999999[]",
        "45",
        r#"45["a"]"#,
        r#"45-["a"]"#,
        "451",
        r#"45x["a"]"#,
        r#"45+1-["a"]"#,
        r#"4565-["a"]"#,
        "46x-7[]",
        "461-",
        &long,
    ];
    for packet in table {
        let stream = [packets(&[packet]), client_frame(BINARY, MASK, b"x"), packets(&["3"])];
        assert_eq!(read_whole(&stream.concat()), ["malformed"], "{packet}");
    }
}

#[test]
fn what_no_client_sends_ends_the_stream() {
    for packet in ["", "0{}", "2probe", "4", "44", "47", "4x", "5", "66", "é"] {
        assert_eq!(read_whole(&packets(&[packet, "3"])), ["malformed"], "{packet}");
    }
}

#[test]
fn what_needs_no_answer_is_passed_over() {
    assert_eq!(read_whole(&packets(&["2", "6", "2x", "3"])), ["pong"]);
    assert_eq!(read_whole(&client_frame(0x89, MASK, b"hi")), ["ping [104, 105]"]);
    assert_eq!(read_whole(&client_frame(0x8a, MASK, b"hi")), [""; 0]);
}

#[test]
fn a_client_joins_a_namespace() {
    let said =
        read_whole(&packets(&["40", r#"40{"token":"x"}"#, "40/chat,{}", "40/chat", "40a,b"]));
    let expected = [
        "connect / ",
        r#"connect / {"token":"x"}"#,
        "connect /chat {}",
        "connect /chat ",
        "connect / a,b",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_a_pong_says_besides_does_not_count() {
    assert_eq!(read_whole(&packets(&["3", "3probe", "33"])), ["pong", "pong", "pong"]);
}

#[test]
fn a_buffer_may_be_text() {
    let event = r#"452-["a"]"#;
    for buffer in ["bAQID", "bAQ\r\nID\n", " "] {
        let stream = packets(&[event, "bAQID", buffer, "3"]);
        let expected = ["event / \"a\" [] None [[1, 2, 3], [1, 2, 3]]", "pong"];
        let is_buffer = buffer.starts_with('b');
        assert_eq!(read_whole(&stream) == expected, is_buffer, "{buffer:?}");
    }
    for wrong in ["bAQ", "b-_-_", "b!!!!"] {
        assert_eq!(read_whole(&packets(&[event, wrong, "3"])), ["malformed"], "{wrong}");
    }
    assert_eq!(read_whole(&packets(&["40", "bAQID"])).last().unwrap(), "malformed");
    assert_eq!(read_whole(&packets(&["bAQID"])), ["foreign /"]);
}

#[test]
fn a_client_leaves_a_namespace() {
    let said = read_whole(&packets(&["41", "41/chat,", "41/chat"]));
    assert_eq!(said, ["disconnect /", "disconnect /chat", "disconnect /chat"]);
}

#[test]
fn buffers_follow_their_packet_and_pongs_may_come_between() {
    let event = r#"452-/chat,7["a",{"_placeholder":true,"num":1}]"#;
    let stream = [
        packets(&[event]),
        client_frame(BINARY, MASK, &[1, 2, 3]),
        packets(&["3"]),
        client_frame(0x89, MASK, b""),
        client_frame(BINARY, MASK, &[]),
        packets(&["461-8[]"]),
        client_frame(BINARY, MASK, &[9]),
    ];
    let expected = [
        "pong",
        "ping []",
        r#"event /chat "a" ["{\"_placeholder\":true,\"num\":1}"] Some(7) [[1, 2, 3], []]"#,
        "ack / 8 [] [[9]]",
    ];
    for sizes in [&[1][..], &[usize::MAX]] {
        assert_eq!(read(&stream.concat(), sizes), expected);
    }
}

#[test]
fn a_packet_in_place_of_a_buffer_and_a_buffer_without_a_packet_end_the_stream() {
    for packet in ["40", "42[\"a\"]", "4", "41"] {
        let stream = packets(&["461-7[]", packet]);
        assert_eq!(read_whole(&stream), ["malformed"], "{packet}");
    }
    let stream = [packets(&["41"]), client_frame(BINARY, MASK, &[1])].concat();
    assert_eq!(read_whole(&stream), ["disconnect /", "malformed"]);
}

#[test]
fn the_buffers_of_a_packet_are_no_larger_than_a_message() {
    let half = client_frame(BINARY, MASK, &[7; BYTES_MAX / 2]);
    let fitting = [packets(&["462-7[]"]), half.clone(), half.clone()].concat();
    assert_eq!(read_whole(&fitting).len(), 1);
    let stream = [packets(&["463-7[]"]), half.clone(), half, client_frame(BINARY, MASK, &[1])];
    assert_eq!(read_whole(&stream.concat()), ["malformed"]);

    let mut reader = InboundReader::resume(BYTES_MAX, false);
    let mut stream = stream.concat();
    let mut piece = Piece::new(&mut stream);
    let end = loop {
        match reader.next(&mut piece) {
            Ok(Some(Inbound::Nothing)) => {}
            end => break end.map(|_| ()),
        }
    };
    assert_eq!(end, Err(Malformed::TooLarge));
}

#[test]
fn sixty_four_buffers_may_follow_and_no_more() {
    let buffers = vec![client_frame(BINARY, MASK, &[1]); 64].concat();
    assert_eq!(read_whole(&[packets(&["4664-7[]"]), buffers.clone()].concat()).len(), 1);
    assert_eq!(read_whole(&[packets(&["4665-7[]"]), buffers].concat()), ["malformed"]);
}

#[test]
fn how_a_client_closes_is_told() {
    let table: [(&[u8], u16); 5] = [
        (&[], 1005),
        (&[0x03, 0xed], 1002),
        (&[0x03, 0xe8], 1000),
        (&[0x03, 0xe9], 1001),
        (&[0x0f, 0xa0, b'b', b'y', b'e'], 4000),
    ];
    for (payload, code) in table {
        let expected = format!("close Some({code})");
        assert_eq!(read_whole(&client_frame(0x88, MASK, payload)), [expected]);
    }
    assert_eq!(read_whole(&packets(&["1"])), ["close None"]);
}

#[test]
fn a_client_that_begins_with_a_binary_message_has_another_parser() {
    let connect = b"\x83\xa4type\x00\xa4data\x81\xa5token\xa3abc\xa3nsp\xa5/chat";
    for (payload, namespace) in [(connect.as_slice(), "/chat"), (b"\x01", "/")] {
        let stream = [packets(&["3"]), client_frame(BINARY, MASK, payload), packets(&["3"])];
        for size in [1, 1000] {
            let expected = ["pong".to_owned(), format!("foreign {namespace}")];
            assert_eq!(read(&stream.concat(), &[size]), expected);
        }
    }
}

/// A packet or buffer, or something that is neither.
fn payload() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let json = "[^\u{0}-\u{1f}]{0,30}".prop_map(|text| serde_json::json!([text, 1, {"a": text}]));
    let long = (0..BYTES_MAX + 10).prop_map(|len| format!(r#"42["{}"]"#, "y".repeat(len)));
    let texts = prop_oneof![
        3 => json.clone().prop_map(|json| format!("42{json}")),
        2 => (json.clone(), 0..99_u64).prop_map(|(json, id)| format!("42/chat,{id}{json}")),
        2 => (json.clone(), 0..99_u64).prop_map(|(json, id)| format!("43/chat,{id}{json}")),
        3 => (json.clone(), 0..3_usize).prop_map(|(json, n)| format!("45{n}-{json}")),
        1 => (json, 0..3_usize).prop_map(|(json, n)| format!("46{n}-7{json}")),
        2 => Just("3".to_owned()),
        1 => prop::sample::select(vec!["40{}", "41", "41/chat,", "2", "1", "5", "4", "", "45", "43", "42[7]", "6", "3x", "bAQID", "bAQ\nID", "b!"])
            .prop_map(str::to_owned),
        1 => long,
        1 => "4[0-9]?[0-9/,\\[\\]\"a-]{0,12}",
    ];
    prop_oneof![
        6 => texts.prop_map(|text| (1, text.into_bytes())),
        3 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| (2, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| (1, bytes)),
    ]
}

/// The frames of one message, with control frames between its fragments.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let cuts = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(0..40_usize, 1..4)];
    (payload(), cuts, any::<[u8; 4]>(), any::<bool>()).prop_map(
        |((opcode, payload), cuts, mask, is_interleaved)| {
            let mut frames = Vec::new();
            let (mut rest, mut opcode) = (&payload[..], opcode);
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                frames.extend(client_frame(opcode, mask, part));
                if is_interleaved {
                    frames.extend(client_frame(0x89, MASK, part.get(..5).unwrap_or_default()));
                }
                (rest, opcode) = (after, 0);
            }
            frames.extend(client_frame(0x80 | opcode, mask, rest));
            frames
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_in_pieces_of_any_size_is_what_the_model_makes_of_the_whole(
        messages in prop::collection::vec(message(), 0..12),
        garbage in prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(any::<u8>(), 0..40)],
        sizes in prop::collection::vec(prop_oneof![1..8_usize, 1..3_000_usize], 1..20),
    ) {
        let stream = [messages.concat(), garbage].concat();
        prop_assert_eq!(read(&stream, &sizes), model::decode(&stream, BYTES_MAX));
    }
}
