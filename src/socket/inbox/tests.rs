use super::parse;
use crate::core::inbox::{PageQuery, Paging, Which};
use crate::types::ItemSeq;
use serde_json::value::RawValue;

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
        assert_eq!(parse(&[&raw(text)], 7).unwrap(), expected, "{text}");
    }
    assert_eq!(parse(&[], 7).unwrap(), page(Paging::Newest, Which::All, 100));

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
        let refused = parse(&[&raw(text)], 7).unwrap_err();
        assert_eq!(refused.code, "invalid_argument");
        assert!(refused.message.contains(part), "{text}: {}", refused.message);
    }
    let (one, two) = (raw("{}"), raw("{}"));
    assert!(parse(&[&one, &two], 7).unwrap_err().message.contains("one argument"));
}
