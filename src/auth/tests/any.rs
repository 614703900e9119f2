//! Whatever is sent is answered.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_as_token_is_answered(token in ".{0,200}") {
        prop_assert!(with_token(&standard(), &token).is_err());
    }

    #[test]
    fn any_signed_claims_are_answered(header in any_json(), claims in any_json()) {
        drop(with_token(&standard(), &sign_raw(&header, &claims)));
        drop(with_token(&standard(), &sign_raw(r#"{"alg":"HS256"}"#, &claims)));
    }

    #[test]
    fn any_json_as_auth_is_answered(auth in any_json()) {
        let trust = with_mode(AuthMode::Trust);
        for authenticator in [&trust, &standard()] {
            drop(with_auth(authenticator, &auth));
        }
    }
}

/// JSON in which the keys that matter are frequent, and any value may stand anywhere.
fn any_json() -> impl Strategy<Value = String> {
    let keys = "token|user|sub|rooms|data|exp|nbf|alg|crit|iss|aud|x";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"HS256\"".to_owned()),
        Just("1e999".to_owned()),
        Just(format!("1{}", "0".repeat(400))),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4)
            .prop_map(|items| format!("[{}]", items.join(",")));
        let object = prop::collection::vec((keys, inner), 0..6).prop_map(|entries| {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", entries.join(","))
        });
        prop_oneof![list, object]
    })
}
