//! Algorithms and keys: what goes together, and what an attacker tries.

use super::*;

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../tests/it/keys/", $name))
    };
}

#[test]
fn a_token_of_every_algorithm_is_accepted() {
    let secret = || (EncodingKey::from_secret(SECRET), JwtKey::Secret(Secret::new(SECRET)));
    let rsa = || {
        let key = EncodingKey::from_rsa_pem(key!("rsa.pem").as_bytes()).unwrap();
        (key, JwtKey::PublicKey(key!("rsa.pub.pem").to_owned()))
    };
    let ec = |private: &str, public: &str| {
        let key = EncodingKey::from_ec_pem(private.as_bytes()).unwrap();
        (key, JwtKey::PublicKey(public.to_owned()))
    };
    let ed = EncodingKey::from_ed_pem(key!("ed25519.pem").as_bytes()).unwrap();
    let table = [
        (Algorithm::HS256, secret()),
        (Algorithm::HS384, secret()),
        (Algorithm::HS512, secret()),
        (Algorithm::RS256, rsa()),
        (Algorithm::RS384, rsa()),
        (Algorithm::RS512, rsa()),
        (Algorithm::PS256, rsa()),
        (Algorithm::PS384, rsa()),
        (Algorithm::PS512, rsa()),
        (Algorithm::ES256, ec(key!("es256.pem"), key!("es256.pub.pem"))),
        (Algorithm::ES384, ec(key!("es384.pem"), key!("es384.pub.pem"))),
        (Algorithm::EdDSA, (ed, JwtKey::PublicKey(key!("ed25519.pub.pem").to_owned()))),
    ];
    for (algorithm, (signing, verifying)) in table {
        let token = sign(algorithm, &signing, &claims());
        let authenticator = with_key(verifying, &[algorithm]);

        let identity = with_token(&authenticator, &token).expect("a good token");

        assert_eq!(identity.user.as_str(), "42", "{algorithm:?}");
        let other = with_token(&authenticator, &changed(&token)).unwrap_err();
        assert_eq!(other, TokenFlaw::Signature.into(), "{algorithm:?}");
    }
}

#[test]
fn an_older_form_of_rsa_pem_is_accepted() {
    let authenticator =
        with_key(JwtKey::PublicKey(key!("rsa-pkcs1.pub.pem").to_owned()), &[Algorithm::RS256]);
    let signing = EncodingKey::from_rsa_pem(key!("rsa.pem").as_bytes()).unwrap();

    assert!(with_token(&authenticator, &sign(Algorithm::RS256, &signing, &claims())).is_ok());
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let authenticator =
        with_key(JwtKey::PublicKey(key!("rsa.pub.pem").to_owned()), &[Algorithm::RS256]);
    let forged = EncodingKey::from_secret(key!("rsa.pub.pem").as_bytes());

    let refusal = with_token(&authenticator, &sign(Algorithm::HS256, &forged, &claims()));

    assert_eq!(refusal.unwrap_err(), TokenFlaw::Algorithm.into());
}

#[test]
fn an_algorithm_that_is_not_listed_is_refused() {
    let authenticator = standard();
    let none = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&claims()));
    let none_in_capitals = format!("{}.{}.", encode(&json!({"alg": "NONE"})), encode(&claims()));
    let without = format!("{}.{}.", encode(&json!({"typ": "JWT"})), encode(&claims()));
    let other = sign(Algorithm::HS512, &EncodingKey::from_secret(SECRET), &claims());

    for token in [none, none_in_capitals, without, other] {
        let refusal = with_token(&authenticator, &token).unwrap_err();
        assert_eq!(refusal, TokenFlaw::Algorithm.into());
        assert_eq!(refusal.code(), "token_invalid");
    }
}

#[test]
fn critical_extensions_are_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});

    let refusal = with_token(&standard(), &sign_raw(&header.to_string(), &claims().to_string()));

    assert_eq!(refusal.unwrap_err(), TokenFlaw::Critical.into());
}

#[test]
fn keys_that_do_not_go_with_their_algorithms_are_refused() {
    let public = |pem: &str| JwtKey::PublicKey(pem.to_owned());
    let error = |key: JwtKey, algorithms: &[Algorithm]| {
        let mode = AuthMode::Jwt(Box::new(config(key, algorithms)));
        let failed = Authenticator::new(
            AuthConfig { mode, rooms: GrantRules::default(), anonymous: false },
            Clock::start(Seq(0)),
        )
        .unwrap_err();
        let AuthError::Key(error) = failed else { panic!("{failed}") };
        error
    };

    let es384 = error(public(key!("es256.pub.pem")), &[Algorithm::ES256, Algorithm::ES384]);
    assert!(matches!(es384, KeyError::Mismatch { algorithm: Algorithm::ES384, .. }), "{es384}");
    let es256 = error(public(key!("es384.pub.pem")), &[Algorithm::ES256]);
    assert!(matches!(es256, KeyError::Mismatch { algorithm: Algorithm::ES256, .. }), "{es256}");
    let hmac = error(public(key!("rsa.pub.pem")), &[Algorithm::HS256]);
    assert!(matches!(hmac, KeyError::Mismatch { algorithm: Algorithm::HS256, .. }), "{hmac}");
    let mixed = error(public(key!("rsa.pub.pem")), &[Algorithm::RS256, Algorithm::HS256]);
    assert!(matches!(mixed, KeyError::Mismatch { algorithm: Algorithm::HS256, .. }), "{mixed}");
    let secret = error(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256, Algorithm::RS256]);
    assert!(matches!(secret, KeyError::Mismatch { algorithm: Algorithm::RS256, .. }), "{secret}");
    assert_eq!(error(public(key!("rsa1024.pub.pem")), &[Algorithm::RS256]), KeyError::WeakRsa);
    assert_eq!(error(public(key!("rsa.pub.pem")), &[]), KeyError::NoAlgorithm);
    for (pem, algorithm) in [
        (key!("es256.pub.pem"), Algorithm::RS256),
        (key!("rsa.pub.pem"), Algorithm::ES256),
        (key!("rsa.pub.pem"), Algorithm::EdDSA),
        ("no pem", Algorithm::RS256),
    ] {
        assert!(matches!(error(public(pem), &[algorithm]), KeyError::Pem { .. }), "{algorithm:?}");
    }
}

#[test]
fn of_several_keys_the_one_counts_that_the_token_names() {
    let secret = |name: &str| name.repeat(32).into_bytes();
    let key = |kid: Option<&str>, name: &str| StaticKey {
        kid: kid.map(str::to_owned),
        key: JwtKey::Secret(Secret::new(secret(name))),
        algorithms: vec![Algorithm::HS256],
    };
    let rsa = StaticKey {
        kid: Some("r".to_owned()),
        key: JwtKey::PublicKey(key!("rsa.pub.pem").to_owned()),
        algorithms: vec![Algorithm::RS256],
    };
    let authenticator = |keys: Vec<StaticKey>| {
        let mut config = config(JwtKey::Secret(Secret::new(SECRET)), &[Algorithm::HS256]);
        config.keys = JwtKeys::Static(keys);
        with_mode(AuthMode::Jwt(Box::new(config)))
    };
    let token = |kid: Option<&str>, algorithm: Algorithm, signing: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(), signing).unwrap()
    };
    let hs256 = |kid: Option<&str>, name: &str| {
        token(kid, Algorithm::HS256, &EncodingKey::from_secret(&secret(name)))
    };
    let named = authenticator(vec![key(Some("a"), "a"), key(Some("b"), "b"), rsa]);
    let nameless = authenticator(vec![key(None, "x"), key(Some("b"), "b")]);
    let verdict =
        |authenticator: &Authenticator, token: &str| with_token(authenticator, token).err();

    assert_eq!(verdict(&named, &hs256(Some("a"), "a")), None);
    assert_eq!(verdict(&named, &hs256(Some("b"), "b")), None);
    assert_eq!(verdict(&named, &hs256(None, "b")), None, "it names none, so all are tried");
    assert_eq!(verdict(&named, &hs256(Some("a"), "b")), Some(TokenFlaw::Signature.into()));
    assert_eq!(verdict(&named, &hs256(Some("c"), "a")), Some(TokenFlaw::UnknownKey.into()));
    assert_eq!(verdict(&named, &hs256(Some("r"), "a")), Some(TokenFlaw::UnknownKey.into()));
    assert_eq!(verdict(&named, &hs256(None, "z")), Some(TokenFlaw::Signature.into()));
    let signing = EncodingKey::from_rsa_pem(key!("rsa.pem").as_bytes()).unwrap();
    assert_eq!(verdict(&named, &token(Some("r"), Algorithm::RS256, &signing)), None);
    assert_eq!(
        verdict(&named, &token(Some("a"), Algorithm::RS256, &signing)),
        Some(TokenFlaw::UnknownKey.into())
    );
    assert_eq!(verdict(&nameless, &hs256(Some("whatever"), "x")), None);
    assert_eq!(verdict(&nameless, &hs256(Some("b"), "b")), None);
    let public = EncodingKey::from_secret(key!("rsa.pub.pem").as_bytes());
    let confused = token(Some("r"), Algorithm::HS256, &public);
    assert_eq!(verdict(&named, &confused), Some(TokenFlaw::UnknownKey.into()));
    let wrong = sign_raw(r#"{"alg":"HS256","kid":7}"#, &claims().to_string());
    assert_eq!(verdict(&standard(), &wrong), Some(TokenFlaw::Malformed.into()));
}
