//! What may be published where emits come from Redis.

use super::gets::Gets;
use super::world::World;
use super::{Case, Group, Row};
use redis::{Cmd, cmd};
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
        python(
            "Python: two places for one buffer",
            "unreadable",
            r#"{"method":"emit","event":"x","binary":true,"data":[[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}],"AQ=="]}"#,
        ),
        ("Python: a pickle", "pickled", PYTHON, b"\x80\x04cos\nsystem\n".to_vec()),
    ]
}

/// An input, the code of its refusal, field and value.
type EntryRow = (&'static str, &'static str, (&'static str, String));

fn entries() -> Vec<EntryRow> {
    let emit = |text: &str| ("emit", text.to_owned());
    let everybody = r#"{"to":{"all":true},"event""#;
    vec![
        ("an entry without `emit`", "invalid_argument", ("other", "1".to_owned())),
        ("half a JSON", "invalid_argument", emit("{\"to\":")),
        ("an emit to nobody", "invalid_argument", emit(r#"{"to":{},"event":"x"}"#)),
        ("a reserved event", "reserved_event", emit(&format!(r#"{everybody}:"userline:x"}}"#))),
        ("more than an emit may have", "payload_too_large", emit(&"x".repeat(2_000_000))),
    ]
}

/// The stream that is read.
const STREAM: &str = "userline:emits";

pub(super) fn entry_group() -> Group {
    let row = |(index, (input, code, _)): (usize, &EntryRow)| Row {
        input,
        gets: Gets::NotEmitted((*code).to_owned()),
        case: Case::Added(index),
    };
    Group {
        title: "What is added to a stream of Redis",
        rows: entries().iter().enumerate().map(row).collect(),
    }
}

/// Adds it; the code that it is refused with.
pub(super) async fn add(world: &World, index: usize) -> Gets {
    let (_, _, (field, value)) = entries().swap_remove(index);
    let mut add = cmd("XADD");
    add.arg(STREAM).arg("*").arg(field).arg(value);
    refused(world, 1, add).await
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
    let mut publish = cmd("PUBLISH");
    publish.arg(channel).arg(bytes);
    refused(world, 0, publish).await
}

/// What the source says of what comes by this command.
async fn refused(world: &World, source: usize, command: Cmd) -> Gets {
    let refused = async || world.api("/v1/ingest").await["sources"][source].clone();
    let before = refused().await["counts"]["refused"].clone();
    let mut client = world.redis.client().await;
    command.exec_async(&mut client).await.unwrap();
    let mut after = Value::Null;
    let counted = async || {
        after = refused().await;
        after["counts"]["refused"] != before
    };
    crate::rig::eventually("it is refused", super::client::PATIENCE, counted).await;
    Gets::NotEmitted(after["refused"]["code"].as_str().unwrap().to_owned())
}
