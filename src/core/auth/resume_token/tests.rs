//! What was signed is read, and nothing else is.

use super::{ResumeClaims, ResumeKey};
use crate::types::{FamilyId, Secret, UserId, WallMs};

fn key(id: &str, byte: u8) -> ResumeKey {
    ResumeKey { id: id.to_owned(), secret: Secret::new([byte; 32]) }
}

fn claims(user: &str) -> ResumeClaims {
    ResumeClaims {
        user: UserId::parse(user).unwrap(),
        family: FamilyId::from_bytes([9; 16]),
        generation: 7,
        issued_at: WallMs(1_700_000_000_000),
        expires_at: WallMs(1_700_000_600_000),
        credentials_end: Some(WallMs(1_700_000_900_000)),
        credentials_issued: None,
    }
}

#[test]
fn any_of_the_keys_may_have_signed_it() {
    let (old, new) = (key("a", 1), key("b", 2));
    for user in ["ann", "a\"\\ü. b", &"\u{1f600}".repeat(64)] {
        let ann = claims(user);
        for signer in [&old, &new] {
            let keys = [old.clone(), new.clone()];
            assert_eq!(ResumeClaims::verify(&ann.sign(signer), &keys), Some(ann.clone()));
        }
        assert_eq!(ResumeClaims::verify(&ann.sign(&old), std::slice::from_ref(&new)), None);
    }
}

#[test]
fn a_token_with_any_other_character_is_none() {
    let keys = [key("a", 1)];
    let good = claims("ann").sign(&keys[0]);
    for place in 0..good.len() {
        for other in ["", ".", "A", "b", "=", " "] {
            let changed = format!("{}{other}{}", &good[..place], &good[place + 1..]);
            // The last character of base64 has bits that mean nothing; those must be zero.
            if changed != good {
                assert_eq!(ResumeClaims::verify(&changed, &keys), None, "{changed}");
            }
        }
    }
    let by_another = claims("ann").sign(&key("a", 2));
    for wrong in ["", "v1", "v1.a", "v1.a.b", "...", &by_another, &"v1.a.".repeat(2000)] {
        assert_eq!(ResumeClaims::verify(wrong, &keys), None, "{wrong}");
    }
}

#[test]
fn nodes_with_the_same_secret_and_name_sign_alike_and_others_do_not() {
    let of = |secret: &str, name| {
        ResumeKey::of_cluster(&Secret::new(secret.as_bytes().to_vec()), name).unwrap()
    };
    let key = of("hush-hush-hush-hush", "shop");
    // Other versions make the same of it: HKDF-SHA256, the name of the cluster as salt.
    assert_eq!(key.id, "9446b2c4cab826ac");
    assert!(key.secret.expose().starts_with(&[19, 87, 126, 200]));
    assert_eq!(key, of("hush-hush-hush-hush", "shop"));
    let token = claims("ann").sign(&key);
    for other in [of("hush-hush-hush-hush", "shop2"), of("hush-hush-hush-hush2", "shop")] {
        assert!(ResumeClaims::verify(&token, &[other]).is_none());
    }
    assert_eq!(ResumeClaims::verify(&token, &[key]), Some(claims("ann")));
}
