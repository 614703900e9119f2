//! `[auth]`: how a socket's user is found out.

mod hook;
mod jwt;
mod keys;

pub use hook::AuthHookConfig;
pub use jwt::JwtConfig;
pub use keys::{JwtKey, JwtKeys, KeysLocation, PublishedKeys, StaticKey};

use super::listen::Origins;
use super::reader::{Checked, SettingsReader};
use super::rooms;
use crate::core::rooms::granting::GrantRules;
use hook::HookFields;
use jwt::JwtFields;
use std::time::Duration;

/// How long after an answer of the backend its client is let in, at most.
const ANSWER_AGE_MAX: Duration = Duration::from_mins(5);

/// How a socket's user is found out.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The way.
    pub mode: AuthMode,
    /// `[rooms]`: which rooms follow from what credentials claim.
    pub rooms: GrantRules,
    /// Whether clients may come without credentials, as guests.
    pub anonymous: bool,
}

/// The way of authentication.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// A signed token in `auth.token` (or `Authorization: Bearer`).
    Jwt(Box<JwtConfig>),
    /// The backend is asked.
    Hook(Box<AuthHookConfig>),
    /// A client that brings a token is what it says; about others the backend is asked.
    JwtOrHook(Box<JwtConfig>, Box<AuthHookConfig>),
    /// `auth.user` is believed; only in `userline dev`, on loopback.
    Trust,
}

impl AuthConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let rule = "must be jwt, hook, jwt_or_hook or trust";
        let mode = reader.parsed("auth.mode", rule, |text| match text {
            "jwt" => Some(WrittenMode::Jwt),
            "hook" => Some(WrittenMode::Hook),
            "jwt_or_hook" => Some(WrittenMode::JwtOrHook),
            "trust" => Some(WrittenMode::Trust),
            _ => None,
        });
        let mode = mode.and_then(|mode| check_mode(reader, mode));
        let anonymous = reader.switch("auth.anonymous");
        let (jwt, hook) = (JwtFields::read(reader), HookFields::read(reader));
        let rooms = rooms::read(reader);
        // What a mode does not need may stand there for another day.
        let mode = match mode {
            Ok(WrittenMode::Trust) => AuthMode::Trust,
            Ok(WrittenMode::Jwt) => AuthMode::Jwt(Box::new(jwt.checked(reader)?)),
            Ok(WrittenMode::Hook) => AuthMode::Hook(Box::new(hook.checked(reader)?)),
            Ok(WrittenMode::JwtOrHook) => {
                let (jwt, hook) = (jwt.checked(reader), hook.checked(reader));
                AuthMode::JwtOrHook(Box::new(jwt?), Box::new(hook?))
            }
            Err(rejected) => {
                // What the mode was meant to be, and so whether it needs a key, nobody knows.
                if jwt.has_keys() {
                    drop(jwt.checked(reader));
                }
                return Err(rejected);
            }
        };
        Ok(Self { mode, rooms: rooms?, anonymous: anonymous? })
    }

    /// How long after it was issued something may let a client in, where that is bounded. Answers of the backend count at once, or
    /// never. Of tokens that need not say when they were issued the age is not known.
    pub fn longest_age(&self) -> Option<Duration> {
        match &self.mode {
            AuthMode::Hook(_) => Some(ANSWER_AGE_MAX),
            AuthMode::Jwt(jwt) => jwt.longest_age(),
            AuthMode::JwtOrHook(jwt, _) => Some(jwt.longest_age()?.max(ANSWER_AGE_MAX)),
            AuthMode::Trust => None,
        }
    }

    /// The hook, if the backend is asked.
    pub fn hook(&self) -> Option<&AuthHookConfig> {
        match &self.mode {
            AuthMode::Hook(hook) | AuthMode::JwtOrHook(_, hook) => Some(hook),
            AuthMode::Jwt(_) | AuthMode::Trust => None,
        }
    }
}

enum WrittenMode {
    Jwt,
    Hook,
    JwtOrHook,
    Trust,
}

/// Without proof of who somebody is, nobody at all may come in production: a proxy on the same machine makes everybody
/// seem to be from here.
fn check_mode(reader: &mut SettingsReader, mode: WrittenMode) -> Checked<WrittenMode> {
    if matches!(mode, WrittenMode::Trust) && !reader.is_dev() {
        let rule = "believes every client: only in `userline dev`; use \"jwt\" here";
        return Err(reader.reject("auth.mode", rule));
    }
    Ok(mode)
}

/// A browser sends the cookies of its user along with whatever page connects: where every page may, each could speak for
/// the user.
pub(super) fn check_cookies(reader: &mut SettingsReader, auth: &AuthConfig, origins: &Origins) {
    if *origins == Origins::Any && auth.hook().is_some_and(AuthHookConfig::forwards_cookies) {
        let rule = "must name the pages that may connect while auth.hook.forward_headers has \
                    \"cookie\": any page could else connect with the cookies of who looks at it";
        reader.reject("listen.origins", rule);
    }
}
