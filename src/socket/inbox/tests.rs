use super::{parse_page, parse_read};
use crate::core::inbox::{PageQuery, Paging, SeenItems, Which};
use crate::types::{ItemId, ItemSeq};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn a_page_is_asked_for_in_one_direction_within_bounds() {
    let page = |paging, which, limit| PageQuery { paging, which, limit, bytes_max: 7 };
    let table = [
        ("null", page(Paging::Newest, Which::All, 100)),
        ("{}", page(Paging::Newest, Which::All, 100)),
        (r#"{"after":0}"#, page(Paging::After(ItemSeq(0)), Which::All, 100)),
        (r#"{"before":9,"limit":1000}"#, page(Paging::Before(ItemSeq(9)), Which::All, 1000)),
        (r#"{"after":null,"unread":true,"limit":1}"#, page(Paging::Newest, Which::Unread, 1)),
    ];
    for (text, expected) in table {
        assert_eq!(parse_page(&[&raw(text)], 7).unwrap(), expected, "{text}");
    }
    assert_eq!(parse_page(&[], 7).unwrap(), page(Paging::Newest, Which::All, 100));

    let table = [
        (r#"{"after":1,"before":2}"#, "not both"),
        (r#"{"limit":0}"#, "1 to 1000"),
        (r#"{"limit":1001}"#, "1 to 1000"),
        (r#"{"limit":-1}"#, "invalid value"),
        (r#"{"after":"7"}"#, "invalid type"),
        (r#"{"surprise":1}"#, "unknown field `surprise`"),
        ("[1]", "must be an object"),
        ("7", "must be an object"),
    ];
    for (text, part) in table {
        let refused = parse_page(&[&raw(text)], 7).unwrap_err();
        assert_eq!(refused.code, "invalid_argument");
        assert!(refused.message.contains(part), "{text}: {}", refused.message);
    }
    let (one, two) = (raw("{}"), raw("{}"));
    assert!(parse_page(&[&one, &two], 7).unwrap_err().message.contains("one argument"));
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
        assert_eq!(parse_read(&[&raw(text)]).unwrap(), expected, "{text}");
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
        let refused = parse_read(&[&raw(text)]).unwrap_err();
        assert!(refused.message.contains(part), "{text}: {}", refused.message);
    }
}
