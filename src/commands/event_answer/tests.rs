use super::{AnswerTerms, EMITS_MAX, EventAnswer, parse};
use crate::commands::emit::EmitTerms;
use crate::types::{EventPattern, Namespace};
use std::time::Duration;

fn read(json: &str) -> Result<EventAnswer, String> {
    let chat = Namespace::parse("/chat").unwrap();
    let (namespaces, may_emit) =
        ([Namespace::root(), chat.clone()], [EventPattern::parse("chat:*").unwrap()]);
    let emits = EmitTerms {
        namespaces: &namespaces,
        default_namespace: Some(&chat),
        ttl_max: Duration::from_hours(1),
        client_events: &[],
    };
    let terms = AnswerTerms { emits, may_emit: &may_emit };
    parse(json.as_bytes(), terms).map_err(|error| error.message)
}

#[test]
fn the_reply_is_an_ack_or_an_error() {
    let args = |json| -> Vec<String> {
        let payload = read(json).unwrap().reply.unwrap();
        payload.args().iter().map(|it| it.get().to_owned()).collect()
    };
    assert_eq!(args("{}"), [""; 0]);
    assert_eq!(args(r#"{"ack":null}"#), ["null"]);
    assert_eq!(args(r#"{"ack":{"b": 1.0}}"#), [r#"{"b": 1.0}"#]);
    assert_eq!(args(r#"{"args":[null,7]}"#), ["null", "7"]);

    let error = read(r#"{"error":{"code":"full","message":"the room is full"}}"#).unwrap().reply;
    let error = error.unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("full", "the room is full"));
}

#[test]
fn buffers_come_out_only_if_the_answer_says_so() {
    let ack = r#""ack":{"$binary":"aGVsbG8="}"#;
    let plain = read(&format!("{{{ack}}}")).unwrap().reply.unwrap();
    assert_eq!(plain.args()[0].get(), r#"{"$binary":"aGVsbG8="}"#);
    assert!(plain.buffers().is_empty());

    let binary = read(&format!("{{{ack},\"binary\":true}}")).unwrap().reply.unwrap();
    assert_eq!(binary.buffers(), [&b"hello"[..]]);
}

#[test]
fn it_emits_what_may_be_emitted_in_the_namespace_of_the_event() {
    let answer = read(
        r#"{"emit":[{"to":{"users":["bob"]},"event":"chat:new"},{"namespace":"/","to":{"all":true},"event":"chat:x"}]}"#,
    );
    let emits = answer.unwrap().emits;
    let namespaces = emits.iter().map(|it| it.emit.audience.namespace.as_str());
    assert_eq!(namespaces.collect::<Vec<_>>(), ["/chat", "/"]);
}

#[test]
fn what_is_wrong_anywhere_is_wrong_as_a_whole() {
    let to = r#""to":{"users":["bob"]}"#;
    let good = format!(r#"{{{to},"event":"chat:new"}}"#);
    for (json, says) in [
        ("7".to_owned(), "a JSON object"),
        (r#"{"acks":1}"#.to_owned(), "unknown field `acks`"),
        (r#"{"ack":1,"args":[]}"#.to_owned(), "give one of"),
        (r#"{"ack":1,"error":{"code":"a","message":"b"}}"#.to_owned(), "give one of"),
        (r#"{"error":{"code":"","message":"b"}}"#.to_owned(), "error.code: must be"),
        (r#"{"error":{"code":"a"}}"#.to_owned(), "error.message: missing field"),
        (
            format!(r#"{{"emit":[{good},{{{to},"event":"order:paid"}}]}}"#),
            "emit[1].event: `events.may_emit`",
        ),
        (format!(r#"{{"emit":[{{{to},"event":"userline:x"}}]}}"#), "emit[0].event: "),
        (
            format!(r#"{{"emit":[{{{to},"event":"chat:x","ack":{{"timeout":7}}}}]}}"#),
            "emit[0].ack: ",
        ),
        (
            format!(r#"{{"emit":[{}]}}"#, vec![good.as_str(); EMITS_MAX + 1].join(",")),
            "at most 100 emits",
        ),
    ] {
        let error = read(&json).unwrap_err();
        assert!(error.contains(says), "{json}: {error}");
    }
}
