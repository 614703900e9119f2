//! Keys that an issuer publishes, and what happens while it is down, changes them, or is asked for nonsense.

use super::*;
use crate::config::{KeysLocation, PublishedKeys};
use crate::tasks::Tasks;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// An issuer: what it publishes, and how often it was asked.
struct TestIssuer {
    url: String,
    /// The key set, or nothing while it is down.
    keys: Arc<Mutex<Option<Value>>>,
    configuration: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

/// A key pair of the issuer.
struct Pair {
    kid: &'static str,
    signing: EncodingKey,
    x: String,
    y: String,
}

impl Pair {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let der = pair.to_pkcs8v1().unwrap();
        Self {
            kid,
            signing: EncodingKey::from_ec_der(der.as_ref()),
            x: URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: URL_SAFE_NO_PAD.encode(&point[33..]),
        }
    }

    fn jwk(&self) -> Value {
        let Self { kid, x, y, .. } = self;
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y})
    }

    fn token(&self) -> String {
        self.token_with(Some(self.kid))
    }

    fn token_with(&self, kid: Option<&str>) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(), &self.signing).unwrap()
    }
}

impl TestIssuer {
    async fn start(keys: Option<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(keys));
        let configuration = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let configuration = Arc::new(Mutex::new(configuration));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, counted, told) =
            (Arc::clone(&keys), Arc::clone(&asked), Arc::clone(&configuration));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || told.lock().to_string()))
            .route(
                "/keys",
                get(async move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let keys = served.lock().clone();
                    match keys {
                        Some(keys) => (StatusCode::OK, keys.to_string()),
                        None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
                    }
                }),
            );
        Tasks::new().spawn("issuer", async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, keys, configuration, asked }
    }

    fn publish(&self, pairs: &[&Pair]) {
        *self.keys.lock() = Some(key_set(pairs));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// A server that takes its keys from there, running.
    fn believing(location: KeysLocation) -> Arc<Authenticator> {
        let keys = PublishedKeys {
            location,
            algorithms: vec![Algorithm::ES256, Algorithm::RS256],
            refresh: Duration::from_mins(5),
            timeout: Duration::from_secs(5),
            allow_private: true,
            ca: Vec::new(),
        };
        let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
        config.keys = JwtKeys::Published(keys);
        let authenticator = Arc::new(with_mode(AuthMode::Jwt(Box::new(config))));
        Tasks::new().spawn("auth", Arc::clone(&authenticator).run());
        authenticator
    }

    fn by_url(&self) -> Arc<Authenticator> {
        Self::believing(KeysLocation::Url(format!("{}/keys", self.url)))
    }

    fn by_discovery(&self) -> Arc<Authenticator> {
        Self::believing(KeysLocation::Discovered { issuer: self.url.clone() })
    }
}

fn key_set(pairs: &[&Pair]) -> Value {
    json!({"keys": pairs.iter().map(|it| it.jwk()).collect::<Vec<_>>()})
}

async fn verdict(authenticator: &Authenticator, token: &str) -> Result<(), Refusal> {
    let auth: Box<RawValue> = serde_json::from_str(&json!({ "token": token }).to_string()).unwrap();
    let auth = AuthPayload::parse(Some(&auth))?;
    let credentials = credentials(&auth, None);
    authenticator.authenticate(credentials, WallMs(NOW * 1000)).await.map(drop)
}

#[tokio::test]
async fn tokens_of_the_issuer_are_accepted_as_soon_as_its_keys_are_there() {
    let pair = Pair::new("a");
    let issuer = TestIssuer::start(Some(key_set(&[&pair]))).await;

    for authenticator in [issuer.by_url(), issuer.by_discovery()] {
        assert_eq!(
            verdict(&authenticator, &pair.token()).await,
            Ok(()),
            "it waits for the first fetch"
        );
        assert!(authenticator.is_ready());
        let foreign = Pair { kid: "a", ..Pair::new("b") };
        assert_eq!(
            verdict(&authenticator, &foreign.token()).await,
            Err(TokenFlaw::Signature.into())
        );
    }
}

#[tokio::test]
async fn a_key_that_is_published_is_good_at_once_and_one_that_is_withdrawn_is_not() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let issuer = TestIssuer::start(Some(key_set(&[&old]))).await;
    let authenticator = issuer.by_url();
    assert_eq!(verdict(&authenticator, &old.token()).await, Ok(()));

    issuer.publish(&[&old, &new]);
    let (first, second, known) = (new.token(), new.token(), old.token());
    let both = tokio::join!(
        verdict(&authenticator, &first),
        verdict(&authenticator, &second),
        verdict(&authenticator, &known),
    );
    assert_eq!(both, (Ok(()), Ok(()), Ok(())));
    assert_eq!(issuer.asked(), 2, "clients that wait share one fetch");

    issuer.publish(&[&new]);
    let third = Pair::new("third");
    assert_eq!(verdict(&authenticator, &third.token()).await, Err(TokenFlaw::UnknownKey.into()));
    assert_eq!(verdict(&authenticator, &old.token()).await, Err(TokenFlaw::UnknownKey.into()));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_rarely_and_refuses_no_good_token() {
    let (pair, foreign) = (Pair::new("a"), Pair::new("foreign"));
    let issuer = TestIssuer::start(Some(key_set(&[&pair]))).await;
    let authenticator = issuer.by_url();
    assert_eq!(verdict(&authenticator, &pair.token()).await, Ok(()));
    let before = issuer.asked();

    let flood = (0..500).map(|n| {
        let token = foreign.token_with(Some(&format!("k{n}")));
        let authenticator = Arc::clone(&authenticator);
        async move { verdict(&authenticator, &token).await }
    });
    let token = pair.token();
    let (all, good) =
        tokio::join!(futures_util::future::join_all(flood), verdict(&authenticator, &token));

    assert_eq!(good, Ok(()));
    assert!(all.iter().all(|it| *it == Err(TokenFlaw::UnknownKey.into())), "{all:?}");
    assert!(issuer.asked() - before <= 2, "{}", issuer.asked() - before);
}

#[tokio::test]
async fn while_the_issuer_is_down_the_last_good_keys_count() {
    let (pair, new) = (Pair::new("a"), Pair::new("new"));
    let issuer = TestIssuer::start(Some(key_set(&[&pair]))).await;
    let authenticator = issuer.by_url();
    assert_eq!(verdict(&authenticator, &pair.token()).await, Ok(()));

    for broken in [None, Some(json!({"keys": []})), Some(json!("no keys"))] {
        *issuer.keys.lock() = broken;
        assert_eq!(
            verdict(&authenticator, &new.token()).await,
            Err(Refusal::Unavailable),
            "who knows"
        );
        assert_eq!(verdict(&authenticator, &pair.token()).await, Ok(()));
        assert!(authenticator.is_ready());
    }

    issuer.publish(&[&pair, &new]);
    assert_eq!(verdict(&authenticator, &new.token()).await, Ok(()));
}

#[tokio::test]
async fn without_any_keys_nobody_is_refused_for_good() {
    let pair = Pair::new("a");
    let issuer = TestIssuer::start(None).await;
    let authenticator = issuer.by_url();

    assert_eq!(verdict(&authenticator, &pair.token()).await, Err(Refusal::Unavailable));
    assert!(!authenticator.is_ready());
    issuer.publish(&[&pair]);

    assert_eq!(verdict(&authenticator, &pair.token()).await, Ok(()));
    assert!(authenticator.is_ready());
}

#[tokio::test]
async fn a_published_secret_is_none_and_what_is_not_understood_is_left_out() {
    let pair = Pair::new("a");
    let secret =
        json!({"kty": "oct", "alg": "HS256", "kid": "s", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let mut encryption = Pair::new("enc").jwk();
    encryption["use"] = json!("enc");
    let strange = json!({"kty": "lattice", "alg": "ML-DSA-44", "kid": "q", "pub": "x"});
    let weak =
        json!({"kty": "RSA", "kid": "weak", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB"});
    let all = json!({"keys": [secret, encryption, strange, weak, 7, null, pair.jwk()]});
    let issuer = TestIssuer::start(Some(all)).await;
    let authenticator = issuer.by_url();

    assert_eq!(verdict(&authenticator, &pair.token()).await, Ok(()));
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("s".to_owned());
    let forged =
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
    assert_eq!(verdict(&authenticator, &forged).await, Err(TokenFlaw::Algorithm.into()));

    *issuer.keys.lock() =
        Some(json!({"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)}]}));
    let other = Pair::new("other");
    assert_eq!(
        verdict(&authenticator, &other.token()).await,
        Err(Refusal::Unavailable),
        "a set without keys is none"
    );
}

#[tokio::test]
async fn the_configuration_of_another_issuer_is_not_believed() {
    let pair = Pair::new("a");
    let issuer = TestIssuer::start(Some(key_set(&[&pair]))).await;
    issuer.configuration.lock()["issuer"] = json!("https://other.example");
    let authenticator = issuer.by_discovery();

    assert_eq!(verdict(&authenticator, &pair.token()).await, Err(Refusal::Unavailable));
    assert_eq!(issuer.asked(), 0);
}
