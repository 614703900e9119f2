//! Tokens of others, of yesterday, and of nobody.

use super::client::{Packet, connect};
use super::gets::Gets;
use super::{Case, Group, Row};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use std::fs;
use userline::clock::Clock;
use userline::types::Seq;

/// The header of a good token.
const HEADER: &str = r#"{"alg":"RS256"}"#;

/// A token that makes its bearer `user`.
pub(super) fn good(user: &str) -> String {
    signed(HEADER, &claims(user))
}

pub(super) fn group() -> Group {
    let mut rows = signatures();
    rows.extend(times());
    rows.extend(users_and_rooms());
    Group { title: "Tokens", rows }
}

fn row(input: &'static str, code: &str, token: &str) -> Row {
    let packet = Packet::Text(connect(token));
    Row { input, gets: Gets::refused(code), case: Case::Early(vec![packet]) }
}

/// Unix time in seconds.
fn now() -> u64 {
    Clock::start(Seq(0)).wall().0 / 1000
}

fn claims(user: &str) -> String {
    format!(r#"{{"sub":"{user}","exp":{}}}"#, now() + 3600)
}

fn signed(header: &str, claims: &str) -> String {
    let key = fs::read("tests/it/keys/rsa.pem").unwrap();
    signed_with(header, claims, &EncodingKey::from_rsa_pem(&key).unwrap(), Algorithm::RS256)
}

fn signed_with(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let [header, claims] = [header, claims].map(|it| URL_SAFE_NO_PAD.encode(it));
    let message = format!("{header}.{claims}");
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A key that this server has never heard of.
fn foreign_key() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let base64 = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn signatures() -> Vec<Row> {
    let claims = claims("eve");
    let good = signed(HEADER, &claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, body) = message.split_once('.').unwrap();
    let unsigned = |alg: &str| {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
        format!("{header}.{body}.")
    };
    let own = EncodingKey::from_rsa_pem(&fs::read("tests/it/keys/rsa.pem").unwrap()).unwrap();
    let public = EncodingKey::from_secret(&fs::read("tests/it/keys/rsa.pub.pem").unwrap());
    let rs512 = signed_with(r#"{"alg":"RS512"}"#, &claims, &own, Algorithm::RS512);
    let confused = signed_with(r#"{"alg":"HS256"}"#, &claims, &public, Algorithm::HS256);
    let foreign = signed_with(HEADER, &claims, &foreign_key(), Algorithm::RS256);
    let other = URL_SAFE_NO_PAD.encode(claims.replace("eve", "bob"));
    let invalid = |input, token: &str| row(input, "token_invalid", token);
    vec![
        invalid("`alg: none`, without a signature", &unsigned("none")),
        invalid("`alg: NONE`", &unsigned("NONE")),
        invalid("`alg` is empty", &unsigned("")),
        invalid("no `alg`", &signed("{}", &claims)),
        invalid("`alg` twice", &signed(r#"{"alg":"none","alg":"RS256"}"#, &claims)),
        invalid("an algorithm that is not listed, with the right key", &rs512),
        invalid("HS256 with the public key for a secret", &confused),
        invalid("a signature of another key", &foreign),
        invalid("the good signature of other claims", &format!("{header}.{other}.{signature}")),
        invalid("no signature", message),
        invalid("an empty signature", &format!("{message}.")),
        invalid("a header with `crit`", &signed(r#"{"alg":"RS256","crit":["exp"]}"#, &claims)),
        invalid("a `kid` that is no text", &signed(r#"{"alg":"RS256","kid":7}"#, &claims)),
        invalid("a fourth part", &format!("{good}.x")),
        invalid("a space before it", &format!(" {good}")),
        invalid("base64 with padding", &format!("{good}=")),
        invalid("`Bearer` before it", &format!("Bearer {good}")),
        invalid("three dots", "..."),
    ]
}

fn times() -> Vec<Row> {
    let (past, future) = (now() - 60, now() + 3600);
    let token = |times: String| signed(HEADER, &format!(r#"{{"sub":"eve"{times}}}"#));
    vec![
        row("an `exp` of a minute ago", "token_expired", &token(format!(r#","exp":{past}"#))),
        row("`exp: 0`", "token_expired", &token(r#","exp":0"#.to_owned())),
        row("no `exp`", "token_invalid", &token(String::new())),
        row("`exp: null`", "token_invalid", &token(r#","exp":null"#.to_owned())),
        row("`exp` is a text", "token_invalid", &token(format!(r#","exp":"{future}""#))),
        row("`exp` is negative", "token_invalid", &token(r#","exp":-1"#.to_owned())),
        row("`exp` in milliseconds", "token_invalid", &token(format!(r#","exp":{future}000"#))),
        row("`exp: 1e400`", "token_invalid", &token(r#","exp":1e400"#.to_owned())),
        row(
            "an `nbf` in an hour",
            "token_not_yet_valid",
            &token(format!(r#","exp":{future},"nbf":{future}"#)),
        ),
        row("`nbf` is a text", "token_invalid", &token(format!(r#","exp":{future},"nbf":"now""#))),
    ]
}

fn users_and_rooms() -> Vec<Row> {
    let future = now() + 3600;
    let many: Vec<String> = (0..65).map(|n| format!("\"r{n}\"")).collect();
    let many = format!(r#""sub":"eve","rooms":[{}]"#, many.join(","));
    let long = format!(r#""sub":"{}""#, "x".repeat(257));
    let table: Vec<(&'static str, &str, &str)> = vec![
        ("no `sub`", "user_invalid", r#""iss":"x""#),
        ("`sub` twice", "token_invalid", r#""sub":"eve","sub":"bob""#),
        ("`sub` is empty", "user_invalid", r#""sub":"""#),
        ("`sub` is `true`", "user_invalid", r#""sub":true"#),
        ("`sub` is an object", "user_invalid", r#""sub":{"id":1}"#),
        ("`sub` is 1.5", "user_invalid", r#""sub":1.5"#),
        ("`sub` is 10^30", "user_invalid", r#""sub":1000000000000000000000000000000"#),
        ("`sub` has a NUL", "user_invalid", r#""sub":"a\u0000""#),
        ("`sub` has a line end", "user_invalid", r#""sub":"a\r\nb""#),
        ("`sub` of 257 bytes", "user_invalid", &long),
        ("`sub` of a guest", "user_invalid", r#""sub":"guest:1""#),
        ("`sub` inside `__proto__`", "user_invalid", r#""__proto__":{"sub":"bob"}"#),
        ("`rooms` is a text", "room_invalid", r#""sub":"eve","rooms":"a""#),
        ("a room is a number", "room_invalid", r#""sub":"eve","rooms":[1]"#),
        ("a room of another user", "room_invalid", r#""sub":"eve","rooms":["user:bob"]"#),
        (
            "a room of a socket",
            "room_invalid",
            r#""sub":"eve","rooms":["sock_AAAAAAAAAAAAAAAAAAAA"]"#,
        ),
        ("a claim that names a room has a `:`", "room_invalid", r#""sub":"eve","org":"7:admin""#),
        ("a claim that names a room is a list", "room_invalid", r#""sub":"eve","org":["7"]"#),
        ("65 rooms", "too_many_rooms", &many),
    ];
    let token = |claims: &str| signed(HEADER, &format!(r#"{{{claims},"exp":{future}}}"#));
    let mut rows: Vec<Row> =
        table.into_iter().map(|(input, code, claims)| row(input, code, &token(claims))).collect();
    rows.push(row("claims that are not JSON", "token_invalid", &signed(HEADER, "{")));
    rows.push(row("claims that are a list", "token_invalid", &signed(HEADER, "[]")));
    let deep = format!(r#"{{"data":{}"#, "[".repeat(5_000));
    rows.push(row("claims nested 5,000 deep", "token_invalid", &signed(HEADER, &deep)));
    rows
}
