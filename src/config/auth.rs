//! `[auth]`: how a socket's user is found out.

mod jwt;
mod keys;

pub use jwt::JwtConfig;
pub use keys::{JwtKey, JwtKeys, KeysLocation, PublishedKeys, StaticKey};

use super::reader::{Checked, SettingsReader};
use jwt::JwtFields;

/// How a socket's user is found out.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The way.
    pub mode: AuthMode,
}

/// The way of authentication.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// A signed token in `auth.token` (or `Authorization: Bearer`).
    Jwt(Box<JwtConfig>),
    /// `auth.user` is believed; only in `userline dev`, on loopback.
    Trust,
}

impl AuthConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let mode = reader.parsed("auth.mode", "must be jwt or trust", |text| match text {
            "jwt" => Some(WrittenMode::Jwt),
            "trust" => Some(WrittenMode::Trust),
            _ => None,
        });
        let mode = mode.and_then(|mode| check_mode(reader, mode));
        let jwt = JwtFields::read(reader);
        match mode {
            // The keys below `[auth.jwt]` may stand there for another day.
            Ok(WrittenMode::Trust) => Ok(Self { mode: AuthMode::Trust }),
            Ok(WrittenMode::Jwt) => {
                Ok(Self { mode: AuthMode::Jwt(Box::new(jwt.checked(reader)?)) })
            }
            Err(rejected) => {
                // What the mode was meant to be, and so whether it needs a key, nobody knows.
                if jwt.has_keys() {
                    drop(jwt.checked(reader));
                }
                Err(rejected)
            }
        }
    }
}

enum WrittenMode {
    Jwt,
    Trust,
}

/// Without proof of who somebody is, nobody at all may come in production: a proxy on the same machine makes everybody
/// seem to be from here.
fn check_mode(reader: &mut SettingsReader, mode: WrittenMode) -> Checked<WrittenMode> {
    match mode {
        WrittenMode::Trust if !reader.is_dev() => {
            let rule = "believes every client: only in `userline dev`; use \"jwt\" here";
            Err(reader.reject("auth.mode", rule))
        }
        mode @ (WrittenMode::Jwt | WrittenMode::Trust) => Ok(mode),
    }
}
