//! Who is let in, and with which words the others are not.

mod any;
mod claims;
mod keys;
mod published;

use super::*;
use crate::config::{JwtConfig, JwtKey, JwtKeys, StaticKey};
use crate::types::{ClaimPath, Room, RoomTemplate, Secret, Seq, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// 2026-01-01T00:00:00Z, in seconds.
const NOW: u64 = 1_767_225_600;

#[test]
fn what_is_no_token_is_refused() {
    let (long, good) = ("a".repeat(20_000), hs256(&claims()));
    let with_bearer = format!("Bearer {good}");
    let with_padding = format!("{good}=");
    let table = [
        ("abc", TokenFlaw::Malformed),
        ("a.b", TokenFlaw::Malformed),
        ("..", TokenFlaw::Malformed),
        ("a.b.c.d", TokenFlaw::Malformed),
        (with_bearer.as_str(), TokenFlaw::Malformed),
        (with_padding.as_str(), TokenFlaw::Signature),
        (long.as_str(), TokenFlaw::TooLong),
    ];
    for (token, flaw) in table {
        assert_eq!(with_token(&standard(), token).unwrap_err(), flaw.into(), "{token}");
    }
}

#[test]
fn a_token_comes_in_auth_or_in_the_header() {
    let good = hs256(&claims());
    let header = format!("bearer  {good}");
    let verdict = |auth: Option<&str>, authorization: Option<&str>| {
        let auth = auth.map(|text| serde_json::from_str::<Box<RawValue>>(text).unwrap());
        let identity = AuthPayload::parse(auth.as_deref()).and_then(|auth| {
            let credentials = credentials(&auth, authorization);
            now_or_never(standard().authenticate(credentials, WallMs(NOW * 1000)))
        });
        identity.map_or_else(|refusal| refusal.code(), |_| "ok")
    };
    let in_auth = json!({"token": good, "device": 1}).to_string();

    assert_eq!(verdict(Some(&in_auth), None), "ok");
    assert_eq!(verdict(Some(&in_auth), Some("Bearer x.y.z")), "ok");
    assert_eq!(verdict(None, Some(&header)), "ok");
    assert_eq!(verdict(Some("null"), Some(&header)), "ok");
    assert_eq!(verdict(Some(r#"{"token":null}"#), Some(&header)), "ok");
    assert_eq!(verdict(Some("{}"), None), "token_missing");
    assert_eq!(verdict(Some(r#"{"token":""}"#), Some(&header)), "token_missing");
    assert_eq!(verdict(None, Some("Basic YTpi")), "token_missing");
    assert_eq!(verdict(None, Some("Bearer")), "token_missing");
    assert_eq!(verdict(None, None), "token_missing");
    for wrong in ["[]", "\"token\"", "7", r#"{"token":7}"#, r#"{"token":"a","token":"b"}"#] {
        assert_eq!(verdict(Some(wrong), Some(&header)), "auth_invalid", "{wrong}");
    }
}

#[test]
fn in_trust_mode_the_client_is_believed() {
    let authenticator = with_mode(AuthMode::Trust);
    let identity = |auth: &str| with_auth(&authenticator, auth);

    let ann = identity(r#"{"user":"ann","rooms":["org:7"],"data":{"x":1.50}}"#).unwrap();

    assert_eq!((ann.user.as_str(), ann.grants.rooms.len()), ("ann", 1));
    assert_eq!(ann.grants.data.unwrap().get(), r#"{"x":1.50}"#);
    assert_eq!(ann.grants.expires_at, None);
    assert_eq!(identity(r#"{"user":7}"#).unwrap().user.as_str(), "7");
    assert_eq!(identity("{}").unwrap_err().code(), "user_invalid");
    assert_eq!(identity("null").unwrap_err().code(), "user_invalid");
    assert_eq!(identity("[]").unwrap_err().code(), "auth_invalid");
    assert_eq!(identity(r#"{"user":"a","rooms":["user:b"]}"#).unwrap_err().code(), "room_invalid");
}

#[test]
fn a_minted_token_is_accepted_as_what_it_says() {
    let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS384]);
    config.issuers = vec!["me".to_owned()];
    config.audiences = vec!["here".to_owned()];
    config.user_claim = ClaimPath::parse("/account/id").unwrap();
    config.rooms_claim = ClaimPath::parse("groups").unwrap();
    let grant = TokenClaims {
        user: UserId::parse("42").unwrap(),
        rooms: vec![Room::parse("org:7").unwrap()],
        ttl: Duration::from_mins(1),
        data: Some(json!({"a": 1})),
    };
    let token = mint(&config, grant, WallMs(NOW * 1000)).unwrap();
    let authenticator = with_mode(AuthMode::Jwt(Box::new(config)));

    let identity = with_token(&authenticator, &token).unwrap();

    assert_eq!((identity.user.as_str(), identity.grants.rooms.len()), ("42", 1));
    assert_eq!(identity.grants.expires_at, Some(WallMs((NOW + 60) * 1000)));
    assert_eq!(identity.grants.data.unwrap().get(), r#"{"a":1}"#);
}

#[test]
fn no_refusal_repeats_the_token() {
    let token = changed(&hs256(&claims()));

    let refusal = with_token(&standard(), &token).unwrap_err();

    let signature = token.rsplit('.').next().unwrap();
    assert!(!refusal.message().contains(signature) && !format!("{refusal:?}").contains(signature));
    assert!(!format!("{:?}", standard()).contains("0123456789abcdef"));
}

fn claims() -> Value {
    json!({"sub": "42", "exp": NOW + 60})
}

fn config(key: JwtKey, algorithms: &[Algorithm]) -> JwtConfig {
    let key = StaticKey { kid: None, key, algorithms: algorithms.to_vec() };
    let (keys, leeway) = (JwtKeys::Static(vec![key]), Duration::from_secs(10));
    JwtConfig { keys, leeway, ..JwtConfig::with_secret(Secret::new(SECRET), &[]) }
}

fn with_mode(mode: AuthMode) -> Authenticator {
    with_rooms(mode, &[])
}

fn with_rooms(mode: AuthMode, auto: &[&str]) -> Authenticator {
    let auto = auto.iter().map(|it| RoomTemplate::parse(it).unwrap()).collect();
    Authenticator::new(
        AuthConfig { mode, rooms: GrantRules::new(auto, Vec::new()), anonymous: false },
        Clock::start(Seq(0)),
    )
    .unwrap()
}

fn with_key(key: JwtKey, algorithms: &[Algorithm]) -> Authenticator {
    with_mode(AuthMode::Jwt(Box::new(config(key, algorithms))))
}

fn standard() -> Authenticator {
    with_key(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256])
}

fn credentials<'a>(auth: &'a AuthPayload<'a>, authorization: Option<&'a str>) -> Credentials<'a> {
    static ROOT: LazyLock<Namespace> = LazyLock::new(Namespace::root);
    let address = IpAddr::from([203, 0, 113, 7]);
    Credentials { auth, authorization, headers: &[], query: "", address, namespace: &ROOT }
}

fn with_token(authenticator: &Authenticator, token: &str) -> Result<Identity, Refusal> {
    with_auth(authenticator, &json!({ "token": token }).to_string())
}

fn with_auth(authenticator: &Authenticator, auth: &str) -> Result<Identity, Refusal> {
    let auth: Box<RawValue> = serde_json::from_str(auth).unwrap();
    let auth = AuthPayload::parse(Some(&auth))?;
    let credentials = credentials(&auth, None);
    now_or_never(authenticator.authenticate(credentials, WallMs(NOW * 1000)))
}

fn verdict(claims: &Value) -> &'static str {
    with_token(&standard(), &hs256(claims)).map_or_else(|refusal| refusal.code(), |_| "ok")
}

fn sign(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, &EncodingKey::from_secret(SECRET), claims)
}

/// A token of these texts with a good HS256 signature, whatever they are.
fn sign_raw(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The same token with another signature of the same length.
fn changed(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[10] ^= 1;
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("tokens are verified without waiting"),
    }
}

#[test]
fn no_debug_form_shows_credentials() {
    let auth = RawValue::from_string(r#"{"token":"hush"}"#.to_owned()).unwrap();
    let auth = AuthPayload::parse(Some(&auth)).unwrap();
    let both = credentials(&auth, Some("Bearer hush"));

    let shown = format!("{both:?}");

    assert!(shown.contains("[hidden]") && !shown.contains("hush"), "{shown}");
}
