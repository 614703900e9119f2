//! Times, parties, users, rooms and data of well-signed tokens.

use super::*;
use crate::types::{GrantError, millis};
use proptest::prelude::*;

#[test]
fn a_token_ends_at_its_exp_plus_the_leeway() {
    let leeway = 10;
    let at = |exp: Value| verdict(&json!({"sub": "42", "exp": exp}));

    assert_eq!(at(json!(NOW - leeway)), "token_expired");
    assert_eq!(at(json!(NOW - leeway + 1)), "ok");
    assert_eq!(at(json!(0)), "token_expired");
}

#[test]
fn a_token_begins_at_its_nbf_less_the_leeway() {
    let at = |nbf: u64| verdict(&json!({"sub": "42", "exp": NOW + 60, "nbf": nbf}));

    assert_eq!(at(NOW), "ok");
    assert_eq!(at(NOW + 10), "ok");
    assert_eq!(at(NOW + 11), "token_not_yet_valid");
}

#[test]
fn a_token_says_when_it_ends_in_seconds() {
    let with_exp = |exp: &str| {
        let claims = format!(r#"{{"sub":"42","exp":{exp}}}"#);
        with_token(&standard(), &sign_raw(r#"{"alg":"HS256"}"#, &claims))
    };

    assert_eq!(verdict(&json!({"sub": "42"})), "token_invalid");
    assert_eq!(with_exp("null").unwrap_err(), TokenFlaw::NoExpiry.into());
    for exp in ["1767225600000", "1e400", "1e300", "-1", "\"1767225700\"", "[]", "true"] {
        assert_eq!(with_exp(exp).unwrap_err(), TokenFlaw::Time.into(), "{exp}");
    }
    for exp in ["1767225700", "1.7672257e9", "1767225700.5", "253402300799"] {
        assert!(with_exp(exp).is_ok(), "{exp}");
    }
    let identity = with_exp("1767225700.25").unwrap();
    assert_eq!(identity.grants.expires_at, Some(WallMs(1_767_225_700_250)));
}

#[test]
fn issuer_and_audience_must_be_the_configured_ones() {
    let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
    config.issuers = vec!["me".to_owned(), "my old name".to_owned()];
    config.audiences = vec!["near".to_owned(), "here".to_owned()];
    let authenticator = with_mode(AuthMode::Jwt(Box::new(config)));
    let verdict = |iss: Value, aud: Value| {
        let claims = json!({"sub": "42", "exp": NOW + 60, "iss": iss, "aud": aud});
        with_token(&authenticator, &hs256(&claims)).err()
    };

    assert_eq!(verdict(json!("me"), json!("here")), None);
    assert_eq!(verdict(json!("me"), json!(["there", "here"])), None);
    assert_eq!(verdict(json!("my old name"), json!("near")), None);
    for iss in [json!("you"), json!(null), json!(["me"]), json!(1)] {
        assert_eq!(verdict(iss, json!("here")), Some(TokenFlaw::Issuer.into()));
    }
    for aud in [json!("there"), json!([]), json!(null), json!({"here": 1}), json!([["here"]])] {
        assert_eq!(verdict(json!("me"), aud), Some(TokenFlaw::Audience.into()));
    }
}

#[test]
fn a_user_is_a_text_or_an_integer() {
    let user = |sub: &str| {
        let claims = format!(r#"{{"exp":1767225700,"sub":{sub}}}"#);
        with_token(&standard(), &sign_raw(r#"{"alg":"HS256"}"#, &claims))
            .map(|identity| identity.user.to_string())
    };

    assert_eq!(user("\"ann\"").unwrap(), "ann");
    assert_eq!(user("42").unwrap(), "42");
    assert_eq!(user("-42").unwrap(), "-42");
    assert_eq!(user("18446744073709551615").unwrap(), "18446744073709551615");
    assert_eq!(user("\"\\u00e4\"").unwrap(), "ä");
    assert_eq!(user("null").unwrap_err(), UserFlaw::Missing.into());
    let wrong =
        ["18446744073709551616", "4.2", "1e3", "-0", "true", "[\"ann\"]", "{}", "\"\\ud800\""];
    for sub in wrong {
        assert_eq!(user(sub).unwrap_err(), UserFlaw::Type.into(), "{sub}");
    }
    for sub in ["\"\"", "\"a\\u0000b\"", &format!("\"{}\"", "x".repeat(257))] {
        assert_eq!(user(sub).unwrap_err().code(), "user_invalid", "{sub}");
    }
}

#[test]
fn rooms_are_texts_that_are_nobodys_own() {
    let rooms = |rooms: Value| {
        let claims = json!({"sub": "42", "exp": NOW + 60, "rooms": rooms});
        with_token(&standard(), &hs256(&claims)).map(|identity| {
            identity.grants.rooms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        })
    };

    assert_eq!(rooms(json!(["org:7", "role:admin", "org:7"])).unwrap(), "org:7,role:admin");
    assert_eq!(rooms(json!([])).unwrap(), "");
    assert_eq!(rooms(json!(null)).unwrap(), "");
    for wrong in [json!("org:7"), json!([7]), json!({"a": 1}), json!([null])] {
        assert_eq!(rooms(wrong).unwrap_err(), RoomFlaw::Type.into());
    }
    for own in ["user:7", "user:42", "user:"] {
        let flaw = RoomFlaw::Grant(GrantError::OfUser.into());
        assert_eq!(rooms(json!(["a", own])).unwrap_err(), flaw.into());
    }
    let of_socket = "sock_wTmVbPq0o3x5n2LkZr8c";
    let flaw = RoomFlaw::Grant(GrantError::OfSocket.into());
    assert_eq!(rooms(json!(["a", of_socket])).unwrap_err(), flaw.into());
    let document = "wTmVbPq0o3x5n2LkZr8c";
    assert_eq!(rooms(json!([document])).unwrap(), document, "nobody's own");
    assert_eq!(rooms(json!([""])).unwrap_err().code(), "room_invalid");
}

#[test]
fn rooms_follow_from_claims() {
    let config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
    let auto = ["org:{org}", "org:{/access/in[].org}:role:{/access/in[].role}"];
    let authenticator = with_rooms(AuthMode::Jwt(Box::new(config)), &auto);
    let rooms = |claims: Value| {
        let mut all = json!({"sub": "42", "exp": NOW + 60, "rooms": ["x"]});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let identity = with_token(&authenticator, &hs256(&all));
        identity.map(|it| it.grants.rooms.iter().map(Room::as_str).collect::<Vec<_>>().join(","))
    };
    let roles = json!({"org": 7, "access": {"in": [{"org": 7, "role": "admin"}, {"org": 8}]}});

    assert_eq!(rooms(roles).unwrap(), "x,org:7,org:7:role:admin");
    assert_eq!(rooms(json!({})).unwrap(), "x", "a claim that is missing names no room");
    let code = |claims: Value| rooms(claims).unwrap_err().code();
    for wrong in
        [json!("7:role:admin"), json!("7\n"), json!("*"), json!(""), json!(["7"]), json!(1.5)]
    {
        assert_eq!(code(json!({"org": wrong})), "room_invalid");
    }
    let many: Vec<Value> = (0..500).map(|n| json!({"role": n})).collect();
    assert_eq!(rooms(json!({"access": {"in": many}})).unwrap(), "x", "no item is whole");
}

#[test]
fn data_stays_as_it_was_written() {
    let claims = r#"{"sub":"42","exp":1767225700,"data":{"b":1.0,"a":12345678901234567890123}}"#;

    let identity =
        with_token(&standard(), &sign_raw(r#"{"alg":"HS256"}"#, claims)).expect("a good token");

    assert_eq!(identity.grants.data.unwrap().get(), r#"{"b":1.0,"a":12345678901234567890123}"#);
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    let claims = r#"{"sub":"42","exp":1767225700,"sub":"43"}"#;

    let refusal = with_token(&standard(), &sign_raw(r#"{"alg":"HS256"}"#, claims));

    assert_eq!(refusal.unwrap_err(), TokenFlaw::Malformed.into());
}

#[test]
fn a_claim_is_a_name_or_the_way_to_it() {
    let identity = |user: &str, rooms: &str, claims: Value| {
        let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
        config.user_claim = ClaimPath::parse(user).unwrap();
        config.rooms_claim = ClaimPath::parse(rooms).unwrap();
        let identity = with_token(&with_mode(AuthMode::Jwt(Box::new(config))), &hs256(&claims))?;
        let rooms = identity.grants.rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
        Ok::<_, Refusal>(format!("{} {}", identity.user, rooms.join(",")))
    };
    let claims = json!({
        "exp": NOW + 60,
        "https://a.example/id": 7,
        "account": {"ids": ["x", "ann"], "none": null},
        "realm_access": {"roles": ["admin"]},
        "/odd": "odd",
    });
    let at = |user: &str, rooms: &str| identity(user, rooms, claims.clone());

    assert_eq!(at("https://a.example/id", "/realm_access/roles").unwrap(), "7 admin");
    assert_eq!(at("/https:~1~1a.example~1id", "rooms").unwrap(), "7 ");
    assert_eq!(at("/account/ids/1", "/account/none").unwrap(), "ann ");
    assert_eq!(at("/~1odd", "/nowhere/at/all").unwrap(), "odd ");
    for missing in
        ["/account/ids/2", "/account/ids/-1", "/account/none", "/exp/x", "realm_access/roles"]
    {
        assert_eq!(at(missing, "rooms").unwrap_err(), UserFlaw::Missing.into(), "{missing}");
    }
    assert_eq!(at("/account", "rooms").unwrap_err(), UserFlaw::Type.into());
    assert_eq!(at("/https:~1~1a.example~1id", "/account").unwrap_err(), RoomFlaw::Type.into());
}

#[test]
fn a_token_that_is_good_for_too_long_is_refused() {
    let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
    config.max_lifetime = Some(Duration::from_mins(10));
    let authenticator = with_mode(AuthMode::Jwt(Box::new(config)));
    let verdict = |iat: Value, exp: u64| {
        with_token(&authenticator, &hs256(&json!({"sub": "42", "exp": exp, "iat": iat}))).err()
    };
    let (leeway, max) = (10, 600);

    assert_eq!(verdict(json!(NOW - 300), NOW - 300 + max), None);
    assert_eq!(verdict(json!(null), NOW + max + leeway), None);
    let too_long = Some(TokenFlaw::Lifetime.into());
    assert_eq!(verdict(json!(NOW - 300), NOW - 300 + max + leeway + 1), too_long);
    assert_eq!(verdict(json!(null), NOW + max + leeway + 1), too_long);
    assert_eq!(
        verdict(json!(NOW + 86_400), NOW + 86_400 + 1),
        too_long,
        "nobody issues in the future"
    );
    assert_eq!(verdict(json!("now"), NOW + 60), Some(TokenFlaw::Time.into()));
}

fn of_known_age(max: u64, leeway: u64) -> JwtConfig {
    let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
    config.max_lifetime = Some(Duration::from_secs(max));
    config.leeway = Duration::from_secs(leeway);
    config.require_iat = true;
    config
}

#[test]
fn a_token_must_say_when_it_was_issued_if_that_is_required() {
    let config = of_known_age(600, 10);
    assert_eq!(config.longest_age(), Some(Duration::from_secs(620)));
    let authenticator = with_mode(AuthMode::Jwt(Box::new(config.clone())));
    let verdict = |claims: Value| with_token(&authenticator, &hs256(&claims)).err();

    assert_eq!(verdict(json!({"sub": "42", "exp": NOW + 60, "iat": NOW})), None);
    let missing = verdict(json!({"sub": "42", "exp": NOW + 60}));
    assert_eq!(missing, Some(TokenFlaw::NoIssue.into()));

    for config in [
        JwtConfig { max_lifetime: None, ..config.clone() },
        JwtConfig { require_iat: false, ..config },
    ] {
        assert_eq!(config.longest_age(), None);
    }
}

proptest! {
    #[test]
    fn no_token_counts_that_is_as_old_as_any_may_be(
        max in 1..300_u64,
        leeway in 0..40_u64,
        iat in NOW - 500..NOW + 100,
        exp in NOW - 100..NOW + 400,
    ) {
        let config = of_known_age(max, leeway);
        let age = config.longest_age().unwrap();
        let authenticator = with_mode(AuthMode::Jwt(Box::new(config)));
        let token = hs256(&json!({"sub": "42", "exp": exp, "iat": iat}));

        if with_token(&authenticator, &token).is_ok() {
            prop_assert!(NOW * 1000 < iat * 1000 + millis(age));
        }
    }
}
