//! Why credentials were refused: stable codes for programs, messages for people.

use super::object::JsonFields;
use crate::core::auth::resume_families::ResumeFlaw;
use crate::core::rooms::granting::GrantFlaw;
use crate::types::{ClaimFlaw, UserIdError};
use serde_json::value::RawValue;
use thiserror::Error;

/// Bytes of the longest token: beyond this no proxy lets a header pass.
pub(super) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Why credentials were refused. No message repeats what the client sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// `auth_invalid`
    #[error("`auth` must be an object with distinct keys, and `auth.token` a text")]
    AuthInvalid,
    /// `token_missing`
    #[error("a token is needed, in `auth.token` or as `Authorization: Bearer`")]
    TokenMissing,
    /// `token_invalid`
    #[error("the token {0}")]
    TokenInvalid(#[from] TokenFlaw),
    /// `token_expired`: a fresh token would be accepted.
    #[error("the token has expired")]
    TokenExpired,
    /// `token_not_yet_valid`
    #[error("the token is not valid yet: its `nbf` is in the future")]
    TokenNotYetValid,
    /// `user_invalid`
    #[error("{0}")]
    UserInvalid(#[from] UserFlaw),
    /// `resume_invalid`
    #[error("the resume token is none of this server's")]
    ResumeInvalid,
    /// `resume_expired`, `resume_revoked`, `resume_reused`: credentials are needed.
    #[error("the resume token {0}")]
    ResumeRefused(ResumeFlaw),
    /// `room_invalid`, or `too_many_rooms` if claims name very many.
    #[error("{0}")]
    RoomInvalid(#[from] RoomFlaw),
    /// `unauthorized`: the backend does not know who the client is, and says that it may be a guest.
    #[error("nobody is named")]
    Anonymous,
    /// `guest_limit`
    #[error("there are as many guests as there may be, in all or of this address")]
    GuestLimit,
    /// `unauthorized`, or whatever code the backend gave.
    #[error("{}", .0.message)]
    Backend(Box<BackendRefusal>),
    /// `auth_unavailable`: who the client is cannot be found out now. No client is told so: a stock client would not come
    /// back. Its connection is closed instead.
    #[error("who the client is cannot be found out now")]
    Unavailable,
}

impl Refusal {
    /// The stable code for metrics, and for `err.data.code` unless the backend gave one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AuthInvalid => "auth_invalid",
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid(_) => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::UserInvalid(_) => "user_invalid",
            Self::RoomInvalid(RoomFlaw::Grant(GrantFlaw::Claim(ClaimFlaw::TooMany))) => {
                "too_many_rooms"
            }
            Self::RoomInvalid(_) => "room_invalid",
            Self::ResumeInvalid => "resume_invalid",
            Self::ResumeRefused(ResumeFlaw::Expired) => "resume_expired",
            Self::ResumeRefused(ResumeFlaw::Revoked) => "resume_revoked",
            Self::ResumeRefused(ResumeFlaw::Reused) => "resume_reused",
            Self::Backend(_) | Self::Anonymous => "unauthorized",
            Self::GuestLimit => "guest_limit",
            Self::Unavailable => "auth_unavailable",
        }
    }

    /// The sentence for people.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// What the backend says to a client that may not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendRefusal {
    /// `err.data.code`: `unauthorized` unless the backend gave one.
    pub code: String,
    /// `err.message`.
    pub message: String,
    /// `err.data.data`, a JSON value as it was written, if the backend gave one.
    pub data: Option<String>,
}

impl BackendRefusal {
    /// Characters of a code, and of a message; bytes of data. The rest is left out.
    const CODE_CHARS_MAX: usize = 64;
    const MESSAGE_CHARS_MAX: usize = 500;
    const DATA_BYTES_MAX: usize = 4096;

    /// Reads `{"code", "message", "data"}`; what is not there, or not fit, is as if it was left out.
    pub(super) fn read(body: &[u8]) -> Self {
        let fields = str::from_utf8(body).ok().and_then(JsonFields::parse).unwrap_or_default();
        let text = |key: &str, max: usize| {
            let text: Option<String> = serde_json::from_str(fields.get(key)?.get()).ok();
            text.filter(|it| !it.is_empty()).map(|it| it.chars().take(max).collect::<String>())
        };
        let data = fields.get("data").map(RawValue::get);
        Self {
            code: text("code", Self::CODE_CHARS_MAX).unwrap_or_else(|| "unauthorized".to_owned()),
            message: text("message", Self::MESSAGE_CHARS_MAX)
                .unwrap_or_else(|| "the backend refused the client".to_owned()),
            data: data.filter(|it| it.len() <= Self::DATA_BYTES_MAX).map(str::to_owned),
        }
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenFlaw {
    /// Longer than any sensible token.
    #[error("is longer than {} bytes", TOKEN_BYTES_MAX)]
    TooLong,
    /// Not `header.claims.signature`, or not JSON inside.
    #[error("is not a JSON Web Token: three parts of base64 with dots between, without `Bearer`")]
    Malformed,
    /// Its `alg` is not one of the configured ones.
    #[error("is signed with an algorithm that is not accepted here")]
    Algorithm,
    /// It says that extensions must be understood; none are.
    #[error("has critical extensions (`crit`), which are not understood here")]
    Critical,
    /// Its `kid` names a key that is not, or not any more, among those accepted.
    #[error("is signed with a key (`kid`) that is not known here")]
    UnknownKey,
    /// Signed with another key, or changed on its way.
    #[error("has a signature of another key")]
    Signature,
    /// Tokens without an end are not accepted.
    #[error("has no `exp`: it must say when it ends")]
    NoExpiry,
    /// It does not say when it was issued, and `auth.jwt.require_iat` is on.
    #[error("has no `iat`: it must say when it was issued")]
    NoIssue,
    /// It is good for longer than `auth.jwt.max_lifetime`.
    #[error("is good for longer than is accepted here (from `iat` to `exp`)")]
    Lifetime,
    /// `exp`, `nbf` or `iat` is not a time.
    #[error("has a time (`exp`, `nbf`, `iat`) that is not in seconds since 1970")]
    Time,
    /// `iss` is missing or another one.
    #[error("is of another issuer (`iss`)")]
    Issuer,
    /// `aud` is missing or does not name this audience.
    #[error("is for another audience (`aud`)")]
    Audience,
}

/// What is wrong with the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UserFlaw {
    /// No user is named.
    #[error("no user is named: the claim (`sub`), or in development `auth.user`, is missing")]
    Missing,
    /// Neither a text nor an integer of at most 64 bits.
    #[error("a user id must be a text or an integer of at most 64 bits")]
    Type,
    /// Not a user id: empty, too long, or with characters that are not allowed.
    #[error("{0}")]
    Text(#[from] UserIdError),
    /// It begins with `guest:`, as the names do that the server gives to clients without credentials.
    #[error("users whose names begin with `guest:` are guests, and no credentials name one")]
    Guest,
}

/// What is wrong with the rooms listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoomFlaw {
    /// Not an array of texts.
    #[error("rooms must be an array of texts")]
    Type,
    /// What they are named after has a key twice.
    #[error("`data` must be an object with distinct keys, because rooms are named after it")]
    Data,
    /// They cannot be granted.
    #[error("{0}")]
    Grant(#[from] GrantFlaw),
}
