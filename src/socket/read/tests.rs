use super::parse;
use crate::core::inbox::SeenItems;
use crate::types::{ItemId, ItemSeq};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn what_was_read_is_said_by_number_or_by_ids() {
    let ids = |ids: &[&str]| {
        SeenItems::Ids(ids.iter().map(|id| ItemId::parse(id).unwrap()).collect::<BTreeSet<_>>())
    };
    let table = [
        (r#"{"upto":7}"#, SeenItems::Upto(ItemSeq(7))),
        (r#"{"ids":["a","b","a"]}"#, ids(&["a", "b"])),
        (r#"{"ids":[]}"#, ids(&[])),
    ];
    for (text, expected) in table {
        assert_eq!(parse(&[&raw(text)]).unwrap(), expected, "{text}");
    }

    let many = format!(r#"{{"ids":[{}]}}"#, vec![r#""x""#; 1001].join(","));
    let table = [
        ("{}", "either `upto` or `ids`"),
        (r#"{"upto":1,"ids":[]}"#, "either `upto` or `ids`"),
        (r#"{"ids":[""]}"#, "must not be empty"),
        (r#"{"ids":[7]}"#, "invalid type"),
        (&many, "at most 1000, not 1001"),
    ];
    for (text, part) in table {
        let refused = parse(&[&raw(text)]).unwrap_err();
        assert!(refused.message.contains(part), "{text}: {}", refused.message);
    }
}
