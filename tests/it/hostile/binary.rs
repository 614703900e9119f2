//! Events with buffers.

use super::client::Packet;
use super::gets::Gets;
use super::{Case, Group, Row};

const PLACE: &str = r#"{"_placeholder":true,"num":0}"#;

/// A packet that is followed by so many buffers.
fn row(input: &'static str, gets: Gets, text: &str, buffers: usize) -> Row {
    let mut packets = vec![Packet::Text(text.to_owned())];
    packets.extend(vec![Packet::Binary(vec![1, 2, 3]); buffers]);
    Row { input, gets, case: Case::Packets(packets) }
}

pub(super) fn group() -> Group {
    let mut rows = counts();
    rows.extend(places());
    Group { title: "Buffers", rows }
}

fn counts() -> Vec<Row> {
    let many = format!("45100-[\"x\",{}]", vec![PLACE; 100].join(","));
    let table: Vec<(&'static str, String, usize)> = vec![
        ("a binary event without a count", format!("45-[\"x\",{PLACE}]"), 1),
        ("a binary event whose count is a word", format!("45x-[\"x\",{PLACE}]"), 1),
        ("a binary event without the dash", format!("451[\"x\",{PLACE}]"), 1),
        ("a binary event of 100 buffers", many, 100),
        ("a binary event of 10^20 buffers", format!("45100000000000000000000-[\"x\",{PLACE}]"), 1),
        ("a buffer too many", format!("451-[\"x\",{PLACE}]"), 2),
    ];
    let row = |(input, text, buffers): (&'static str, String, usize)| {
        row(input, Gets::Ends, &text, buffers)
    };
    let mut rows: Vec<Row> = table.into_iter().map(row).collect();
    let texts = [format!("451-[\"x\",{PLACE}]"), "42[\"x\"]".to_owned()];
    rows.push(Row {
        input: "an event in place of a buffer",
        gets: Gets::Ends,
        case: Case::Packets(texts.map(Packet::Text).into()),
    });
    rows
}

fn places() -> Vec<Row> {
    let unknown = || Gets::acked("unknown_event");
    let numbered = |num: &str| format!("451-5[\"x\",{{\"_placeholder\":true,\"num\":{num}}}]");
    vec![
        row("a binary event that nothing listens to", unknown(), &numbered("0"), 1),
        row("a binary event of no buffers", unknown(), "450-5[\"x\"]", 0),
        row("a buffer without a place", unknown(), "451-5[\"x\"]", 1),
        row("two places for one buffer", unknown(), &format!("451-5[\"x\",{PLACE},{PLACE}]"), 1),
        row("a place with the number 5, of one buffer", unknown(), &numbered("5"), 1),
        row("a place with the number -1", unknown(), &numbered("-1"), 1),
        row("a place with the number `\"0\"`", unknown(), &numbered("\"0\""), 1),
        row(
            "a buffer for `userline:read`",
            Gets::acked("binary_unsupported"),
            &format!("451-5[\"userline:read\",{PLACE}]"),
            1,
        ),
        row(
            "a buffer for `userline:ping`",
            Gets::Says(format!("461-5[{PLACE}]")),
            &format!("451-5[\"userline:ping\",{PLACE}]"),
            1,
        ),
        row(
            "a place in an event without buffers",
            Gets::Says(format!("435[{PLACE}]")),
            &format!("425[\"userline:ping\",{PLACE}]"),
            0,
        ),
        row("a binary ack that nothing has asked for", Gets::Stays, &format!("461-5[{PLACE}]"), 1),
    ]
}
