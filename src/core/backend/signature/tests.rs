//! Signatures against the specification's own example, and everything that must not verify.

use super::{SecretError, SignedHeaders, VerifyError, format_secret, parse_secret, sign, verify};
use crate::types::{Secret, WallMs};
use proptest::prelude::*;
use std::time::Duration;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT_S: u64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const TOLERANCE: Duration = Duration::from_mins(5);

#[test]
fn the_example_of_the_reference_libraries_is_signed_alike() {
    let signature = sign(&[secret(SECRET)], ID, AT_S, BODY);

    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn during_a_rotation_either_secret_verifies() {
    let (new, old) = (secret(SECRET), Secret::new(vec![7; 32]));
    let signature = sign(&[new.clone(), old.clone()], ID, AT_S, BODY);

    assert_eq!(signature.split(' ').count(), 2);
    for one in [new, old] {
        assert_eq!(check(&one, &signature, BODY, AT_S * 1000), Ok(()));
    }
}

#[test]
fn a_changed_body_or_another_secret_does_not_verify() {
    let signature = sign(&[secret(SECRET)], ID, AT_S, BODY);

    let changed = check(&secret(SECRET), &signature, b"{}", AT_S * 1000);
    assert_eq!(changed, Err(VerifyError::NoMatch));
    let other = check(&Secret::new(vec![7; 32]), &signature, BODY, AT_S * 1000);
    assert_eq!(other, Err(VerifyError::NoMatch));
    let none = check(&secret(SECRET), "v1a,AAAA v1,!!! v1,", BODY, AT_S * 1000);
    assert_eq!(none, Err(VerifyError::NoMatch));
}

#[test]
fn a_request_far_from_now_does_not_verify() {
    let signature = sign(&[secret(SECRET)], ID, AT_S, BODY);
    let at = |now_s: u64| check(&secret(SECRET), &signature, BODY, now_s * 1000);

    assert_eq!(at(AT_S + 300), Ok(()));
    assert_eq!(at(AT_S + 301), Err(VerifyError::TooOld(Duration::from_secs(301))));
    assert_eq!(at(AT_S - 300), Ok(()));
    assert_eq!(at(AT_S - 301), Err(VerifyError::TooNew(Duration::from_secs(301))));
    let headers = SignedHeaders { id: ID, timestamp: "soon", signature: &signature };
    let odd = verify(&secret(SECRET), headers, BODY, WallMs(AT_S * 1000), TOLERANCE);
    assert_eq!(odd, Err(VerifyError::Timestamp));
}

#[test]
fn secrets_of_the_wrong_shape_are_refused() {
    assert_eq!(parse_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(SecretError::Prefix));
    assert_eq!(parse_secret("whsec_%%%"), Err(SecretError::Base64));
    assert_eq!(parse_secret("whsec_AAAA"), Err(SecretError::Length(3)));
    assert_eq!(
        parse_secret(&format_secret(&Secret::new(vec![1; 65]))),
        Err(SecretError::Length(65))
    );
}

proptest! {
    #[test]
    fn a_written_secret_reads_back(bytes in prop::collection::vec(any::<u8>(), 24..=64)) {
        let secret = Secret::new(bytes);

        prop_assert_eq!(parse_secret(&format_secret(&secret)), Ok(secret));
    }

    #[test]
    fn no_header_makes_verification_panic(id: String, timestamp: String, signature: String) {
        let headers = SignedHeaders { id: &id, timestamp: &timestamp, signature: &signature };

        prop_assert!(verify(&secret(SECRET), headers, BODY, WallMs(0), TOLERANCE).is_err());
    }
}

fn check(secret: &Secret, signature: &str, body: &[u8], now_ms: u64) -> Result<(), VerifyError> {
    let timestamp = AT_S.to_string();
    let headers = SignedHeaders { id: ID, timestamp: &timestamp, signature };
    verify(secret, headers, body, WallMs(now_ms), TOLERANCE)
}

fn secret(text: &str) -> Secret {
    parse_secret(text).unwrap()
}
