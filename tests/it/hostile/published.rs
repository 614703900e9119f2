//! What may be published where emits come from Redis.

use super::gets::Gets;
use super::world::World;
use super::{Case, Group, Row};
use redis::cmd;
use serde_json::Value;

/// The channels that are heard.
pub(super) const PYTHON: &str = "socketio";
const PACKETS: &str = "socket.io#/#";
const REQUESTS: &str = "socket.io-request#/#";

/// An input, the code of its refusal, where and what.
type PublishedRow = (&'static str, &'static str, &'static str, Vec<u8>);

fn rows() -> Vec<PublishedRow> {
    let node = |input, bytes| (input, "unreadable", PACKETS, bytes);
    let python = |input, code, text: &str| (input, code, PYTHON, text.as_bytes().to_vec());
    // [0, {type: 2, data: [EVENT], nsp: NAMESPACE}, {}]
    let packet = |namespace: &[u8], event: &[u8]| {
        let parts: [&[u8]; 7] = [
            b"\x93\x00\x83\xa4type\x02\xa4data\x91",
            event,
            b"\xa3nsp",
            namespace,
            b"\x80",
            b"",
            b"",
        ];
        parts.concat()
    };
    vec![
        node("nothing", Vec::new()),
        node("JSON instead of MessagePack", b"{\"type\":2}".to_vec()),
        node("a list of 4,294,967,295 items that are not there", vec![0xdd, 255, 255, 255, 255]),
        node("lists in lists, 100,000 deep", vec![0x91; 100_000]),
        node("a packet without an event", packet(b"\xa1/", b"\xc0")),
        (
            "a packet for a namespace that does not exist",
            "not_found",
            PACKETS,
            packet(b"\xa5/nope", b"\xa1x"),
        ),
        (
            "a packet with a reserved event",
            "reserved_event",
            PACKETS,
            packet(b"\xa1/", b"\xaauserline:x"),
        ),
        ("more than a message may have", "payload_too_large", PACKETS, vec![0x91; 2_000_000]),
        ("a request that is no JSON", "unreadable", REQUESTS, b"{".to_vec()),
        (
            "a request of a type that this server does not do",
            "unsupported",
            REQUESTS,
            b"{\"type\":6}".to_vec(),
        ),
        python("Python: half a JSON", "unreadable", "{\"method\":"),
        python("Python: a method that is not known", "unreadable", "{\"method\":\"x\"}"),
        python(
            "Python: a buffer that is none",
            "invalid_argument",
            r#"{"method":"emit","event":"x","binary":true,"data":[[{"_placeholder":true,"num":0}],"?"]}"#,
        ),
        ("Python: a pickle", "pickled", PYTHON, b"\x80\x04cos\nsystem\n".to_vec()),
    ]
}

pub(super) fn group() -> Group {
    let row = |(index, (input, code, ..)): (usize, &PublishedRow)| Row {
        input,
        gets: Gets::NotEmitted((*code).to_owned()),
        case: Case::Published(index),
    };
    Group {
        title: "What is published on Redis",
        rows: rows().iter().enumerate().map(row).collect(),
    }
}

/// Publishes it; the code that it is refused with.
pub(super) async fn publish(world: &World, index: usize) -> Gets {
    let (_, _, channel, bytes) = rows().swap_remove(index);
    let refused = async || world.api("/v1/ingest").await["sources"][0].clone();
    let before = refused().await["counts"]["refused"].clone();
    let mut client = world.redis.client().await;
    cmd("PUBLISH").arg(channel).arg(bytes).exec_async(&mut client).await.unwrap();
    let mut after = Value::Null;
    let counted = async || {
        after = refused().await;
        after["counts"]["refused"] != before
    };
    crate::rig::eventually("it is refused", super::client::PATIENCE, counted).await;
    Gets::NotEmitted(after["refused"]["code"].as_str().unwrap().to_owned())
}
