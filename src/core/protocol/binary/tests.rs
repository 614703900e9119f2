//! Buffers leave and come back; everything else stays to the letter.

use super::{BinaryError, BuffersLeft, put_back, take_out};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::value::RawValue;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn buffers_leave_and_come_back_wherever_they_are() {
    let text = r#"{"b":1.0,"list":[{"$binary":"AQID"},{"deep":{"x":{"$binary":""}}}],"\u0061":12345678901234567890.10}"#;
    let mut buffers = vec![Bytes::from("first argument's")];

    let packed = take_out(&raw(text), &mut buffers).unwrap();

    assert_eq!(
        packed.get(),
        r#"{"b":1.0,"list":[{"_placeholder":true,"num":1},{"deep":{"x":{"_placeholder":true,"num":2}}}],"\u0061":12345678901234567890.10}"#
    );
    assert_eq!(buffers[1..], [Bytes::from(vec![1, 2, 3]), Bytes::new()]);
    assert_eq!(put_back(&packed, &buffers).unwrap().get(), text);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let deep = format!("{}{{\"a\":1}}{}", "[".repeat(70), "]".repeat(70));
    let many = format!("[{}]", vec![r#"{"$binary":""}"#; 65].join(","));
    let table = [
        (r#"{"$binary":"AQID","other":1}"#, BinaryError::Mark),
        (r#"{"$binary":"!"}"#, BinaryError::Mark),
        (r#"{"$binary":7}"#, BinaryError::Mark),
        (r#"[{"_placeholder":true,"num":0}]"#, BinaryError::Placeholder),
        (&deep, BinaryError::TooDeep),
        (&many, BinaryError::TooMany),
    ];
    for (text, error) in table {
        assert_eq!(take_out(&raw(text), &mut Vec::new()).unwrap_err(), error, "{text}");
    }
}

#[test]
fn a_place_without_a_buffer_stays() {
    let text = r#"[{"_placeholder":true,"num":7},{"_placeholder":false,"num":0},{"num":0}]"#;

    assert_eq!(put_back(&raw(text), &[Bytes::from("x")]).unwrap().get(), text);
}

/// A megabyte could ask for ten gigabytes so.
#[test]
fn a_buffer_that_is_named_twice_is_not_written_twice() {
    let (two, place) = ([Bytes::from("x"), Bytes::from("y")], r#"{"_placeholder":true,"num":1}"#);
    let both = raw(&format!("[{place},{{\"a\":{place}}}]"));

    assert_eq!(put_back(&both, &two).unwrap_err(), BinaryError::Repeated);
    assert_eq!(super::pass_on(&both, &two).unwrap_err(), BinaryError::Repeated);
    let mut left = BuffersLeft::all(&two);
    left.put_back(&raw(place)).unwrap();
    assert_eq!(
        left.put_back(&raw(place)).unwrap_err(),
        BinaryError::Repeated,
        "in another argument"
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| {
            use base64::Engine as _;
            serde_json::json!({"$binary": base64::engine::general_purpose::STANDARD.encode(bytes)})
        }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-z\"é]{0,3}", inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_json_comes_back_as_it_was(value in json()) {
        let text = value.to_string();
        let mut buffers = Vec::new();
        let packed = take_out(&raw(&text), &mut buffers).unwrap();
        prop_assert!(!packed.get().contains("$binary"));
        let back = put_back(&packed, &buffers).unwrap();
        prop_assert_eq!(back.get(), text);
    }
}

#[test]
fn what_is_passed_on_has_a_place_for_each_buffer_and_no_other() {
    let pass = |text: &str, buffers: &[Bytes]| {
        let value = RawValue::from_string(text.to_owned()).unwrap();
        super::pass_on(&value, buffers).map(|(value, buffers)| (value.get().to_owned(), buffers))
    };
    let place = |num: &str| format!("[{{\"_placeholder\":true,\"num\":{num}}}]");
    let two = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];

    assert_eq!(pass(&place("1"), &two), Ok((place("0"), vec![two[1].clone()])));
    for num in ["2", "-1", "\"0\"", "0.5"] {
        assert_eq!(pass(&place(num), &two), Err(BinaryError::Placeholder), "{num}");
    }
    let plain = r#"{"$binary":"no"}"#;
    assert_eq!(
        pass(plain, &[]),
        Ok((plain.to_owned(), Vec::new())),
        "without buffers it is but JSON"
    );
}
