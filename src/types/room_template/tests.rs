//! Templates by a table, and what they make of claims against putting texts into texts.

use super::{ClaimFlaw, RoomTemplate, TemplateError};
use crate::types::GrantError;
use proptest::prelude::*;
use serde_json::{Value, json};

fn expanded(template: &str, claims: &Value) -> Result<Vec<String>, ClaimFlaw> {
    RoomTemplate::parse(template).unwrap().expand(claims, 100)
}

#[test]
fn a_template_is_a_name_with_claims_of_at_most_one_array() {
    for good in [
        "lobby",
        "org:{org}",
        "{org}",
        "org:{/account/org~1id}",
        "{https://a.example/org}",
        "{roles[]}",
        "org:{m[].org}:role:{m[].role}:of:{tenant}",
        "{/realm/members[]/org/id}:{/realm/members[].role.name}",
        "{m[0]}",
    ] {
        assert!(RoomTemplate::parse(good).is_ok(), "{good}");
    }
    for (wrong, why) in [
        ("{a[]}:{b[]}", TemplateError::TwoLists),
        ("{a[].x}:{/a/b[].x}", TemplateError::TwoLists),
        ("{a", TemplateError::Brace),
        ("a}", TemplateError::Brace),
        ("{a}}", TemplateError::Brace),
        ("{a}:}{b}", TemplateError::Brace),
        ("{}", TemplateError::Claim),
        ("{[]}", TemplateError::Claim),
        ("{[].a}", TemplateError::Claim),
        ("{a[]b}", TemplateError::Claim),
        ("{a[].}", TemplateError::Claim),
        ("{a[].b[]}", TemplateError::Claim),
        ("{/a~2}", TemplateError::Claim),
        ("org:{org}:*", TemplateError::Star),
        ("user:{id}", TemplateError::Own(GrantError::OfUser)),
        ("sock_AAAAAAAAAAAAAAAAAAAA", TemplateError::Own(GrantError::OfSocket)),
    ] {
        assert_eq!(RoomTemplate::parse(wrong), Err(why), "{wrong}");
    }
    for wrong in ["", "a\n{b}", &"a".repeat(513)] {
        assert!(matches!(RoomTemplate::parse(wrong), Err(TemplateError::Text(_))), "{wrong}");
    }
}

#[test]
fn the_items_of_an_array_expand_together() {
    let claims = json!({
        "tenant": 7,
        "m": [{"org": "acme", "role": "admin"}, {"org": "umbrella", "role": "viewer"}, {"org": "x"}],
        "roles": ["a", -1, 18_446_744_073_709_551_615_u64],
        "a": {"b": [{"c": {"d": "deep"}}, {"c.d": "flat"}]},
    });
    let rooms = |template: &str| expanded(template, &claims).unwrap();

    assert_eq!(rooms("org:{m[].org}"), ["org:acme", "org:umbrella", "org:x"]);
    assert_eq!(
        rooms("org:{m[].org}:role:{m[].role}:of:{tenant}"),
        ["org:acme:role:admin:of:7", "org:umbrella:role:viewer:of:7"]
    );
    assert_eq!(rooms("{roles[]}"), ["a", "-1", "18446744073709551615"]);
    assert_eq!(rooms("{/a/b[]/c/d}"), ["deep"]);
    assert_eq!(rooms("{/a/b[].c.d}"), ["flat"]);
    assert_eq!(rooms("{/m/1/org}"), ["umbrella"]);
    assert_eq!(rooms("lobby"), ["lobby"]);
    assert!(rooms("{tenant}:{missing}").is_empty());
    assert!(rooms("{missing[]}").is_empty());
}

#[test]
fn an_array_of_more_items_than_there_may_be_rooms_is_refused() {
    let template = RoomTemplate::parse("{m[]}").unwrap();
    let claims = json!({"m": [1, 1, 1]});
    assert_eq!(template.expand(&claims, 2), Err(ClaimFlaw::TooMany));
    assert_eq!(template.expand(&claims, 3).unwrap().len(), 3);
}

/// A value, and what stands for it in a name: nothing, or no value that may stand there.
fn value() -> impl Strategy<Value = (Value, Result<Option<&'static str>, ()>)> {
    prop::sample::select(vec![
        (Value::Null, Ok(None)),
        (json!("x"), Ok(Some("x"))),
        (json!("ü y"), Ok(Some("ü y"))),
        (json!("{a}"), Ok(Some("{a}"))),
        (json!(7), Ok(Some("7"))),
        (json!(-7), Ok(Some("-7"))),
        (json!(""), Err(())),
        (json!("x:y"), Err(())),
        (json!("*"), Err(())),
        (json!("x\n"), Err(())),
        (json!(1.5), Err(())),
        (json!(true), Err(())),
        (json!({"a": "x"}), Err(())),
        (json!(["x"]), Err(())),
    ])
}

type Known = (Value, Result<Option<&'static str>, ()>);

fn fields() -> impl Strategy<Value = (Known, Known)> {
    (value(), value())
}

fn object((a, b): &(Known, Known)) -> Value {
    json!({"a": a.0, "b": b.0})
}

/// One place of a template after the other is written over with its value. Places are taken apart first, because values may
/// look like places.
fn naive(
    parts: &[&str],
    claims: &(Known, Known),
    items: Option<&[(Known, Known)]>,
) -> Result<Vec<String>, ()> {
    let of = |part: &str, item: Option<&(Known, Known)>| match part {
        "{a}" => claims.0.1,
        "{b}" => claims.1.1,
        "{m[].a}" => item.map_or(Ok(None), |it| it.0.1),
        "{m[]/b}" => item.map_or(Ok(None), |it| it.1.1),
        _ => Ok(Some("-")),
    };
    let is_listed = parts.iter().any(|it| it.contains("[]"));
    let all: Vec<Option<&(Known, Known)>> = match items {
        _ if !is_listed => vec![None],
        Some(items) => items.iter().map(Some).collect(),
        None => Vec::new(),
    };
    // What is wrong counts wherever it is, also where nothing would come of it.
    for part in parts {
        of(part, None)?;
        for item in &all {
            of(part, *item)?;
        }
    }
    let names = all.into_iter().filter_map(|item| {
        let texts: Option<Vec<&str>> = parts.iter().map(|it| of(it, item).unwrap()).collect();
        Some(texts?.concat())
    });
    Ok(names.collect())
}

proptest! {
    #[test]
    fn claims_stand_where_their_places_are(
        parts in prop::collection::vec(
            prop::sample::select(vec!["-", "{a}", "{b}", "{m[].a}", "{m[]/b}"]),
            1..6,
        ),
        claims in fields(),
        items in prop::option::of(prop::collection::vec(fields(), 0..4)),
    ) {
        let template = RoomTemplate::parse(&parts.concat()).unwrap();
        let mut given = object(&claims);
        if let Some(items) = &items {
            given["m"] = items.iter().map(object).collect();
        }

        let names = template.expand(&given, 10).map_err(|why| assert_eq!(why, ClaimFlaw::Value));
        prop_assert_eq!(names, naive(&parts, &claims, items.as_deref()));
    }

    #[test]
    fn whatever_is_written_is_a_template_or_none_and_stays_within_its_bounds(
        text in "[a-b{}\\[\\].:*/~-]{0,12}",
        claims in fields(),
    ) {
        if let Ok(template) = RoomTemplate::parse(&text) {
            let given = json!({"a": claims.0.0, "b": [claims.1.0, {"a": claims.0.0}]});
            if let Ok(names) = template.expand(&given, 2) {
                prop_assert!(names.len() <= 2);
                prop_assert!(names.iter().all(|it| !it.is_empty() && !it.contains('*')));
            }
        }
    }
}
