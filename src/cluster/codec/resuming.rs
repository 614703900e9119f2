//! What is asked of resume tokens, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::auth::resume_families::{LIFE_MAX, OVERLAP, ResumeFlaw, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims};
use crate::core::auth::token_lives::{LATE, TokenLives};
use crate::core::cluster::resuming::{ResumeAsk, ResumeQuestion, ResumeReply};
use crate::types::{UserId, WallMs, millis};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::Value;
use std::time::Duration;

impl ClusterPlace {
    pub(super) fn resuming(&self, question: &ResumeQuestion) -> RedisCall {
        let ResumeQuestion { holders, limits, now, what } = question;
        let kind = match holders {
            TokenHolders::Users => "u",
            TokenHolders::Guests => "g",
        };
        let mut arguments = vec![
            text(name(what)),
            number(now.0),
            text(kind),
            number(limits.of_user),
            number(limits.of_all),
            number(millis(LIFE_MAX)),
        ];
        match what {
            ResumeAsk::Begin(ttl) => {
                arguments.extend([number(millis(*ttl)), number(millis(LATE))]);
            }
            ResumeAsk::Exchange { claims, erased, ends_by } => {
                let ResumeClaims { user, family, generation, issued_at, .. } = &**claims;
                arguments.extend([of(user), text(family.to_string()), number(generation)]);
                arguments.extend([number(issued_at.0), number(ends_by.0), hash(*erased)]);
                arguments.push(number(millis(OVERLAP)));
            }
            ResumeAsk::Reissue { user, ticket, expires_at } => {
                arguments.extend([of(user), text(ticket.family.to_string())]);
                arguments.extend([number(ticket.generation), number(expires_at.0)]);
            }
            ResumeAsk::Revoke { user, family, expires_at } => {
                arguments.extend([of(user), text(family.to_string()), number(expires_at.0)]);
            }
            ResumeAsk::LogOut(user) => arguments.push(of(user)),
            ResumeAsk::Erase(user, erased) => arguments.extend([of(user), hash(*erased)]),
        }
        self.script(Script::Resume, arguments)
    }
}

fn name(what: &ResumeAsk) -> &'static str {
    match what {
        ResumeAsk::Begin(_) => "begin",
        ResumeAsk::Exchange { .. } => "exchange",
        ResumeAsk::Reissue { .. } => "reissue",
        ResumeAsk::Revoke { .. } => "revoke",
        ResumeAsk::LogOut(_) => "out",
        ResumeAsk::Erase(..) => "erase",
    }
}

fn of(user: &UserId) -> Vec<u8> {
    text(user.as_str())
}

fn hash(name: ErasedName) -> Vec<u8> {
    text(URL_SAFE_NO_PAD.encode(name.bytes()))
}

/// The answer.
pub(super) fn reply(value: &Value) -> Result<ResumeReply, CodecError> {
    let [status, rest @ ..] = items(value)? else { return Err(CodecError) };
    let refused = |flaw, is_crowded| ResumeReply::Refused { flaw, is_crowded };
    Ok(match (string(status)?, rest) {
        ("LIVES", [ttl, earlier]) => ResumeReply::Lives(TokenLives {
            ttl: Duration::from_millis(parsed(ttl)?),
            earlier_end: WallMs(parsed(earlier)?),
        }),
        ("OK", [next]) => ResumeReply::Next(u32::try_from(parsed(next)?).map_err(|_| CodecError)?),
        ("REVOKED", [is_crowded]) => refused(ResumeFlaw::Revoked, parsed(is_crowded)? == 1),
        ("REUSED", []) => refused(ResumeFlaw::Reused, false),
        ("DONE", []) => ResumeReply::Done,
        _ => return Err(CodecError),
    })
}
