//! What is asked of what is attached to sessions, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::attached::{
    AttachedQuestion, AttachedReply, NewlyAttached, SessionAttached,
};
use crate::types::Seq;
use redis::Value;

impl ClusterPlace {
    pub(super) fn attached(&self, question: &AttachedQuestion) -> RedisCall {
        let arguments = match question {
            AttachedQuestion::Of(users) => {
                let users = users.iter().map(|it| text(it.as_str()));
                [text("of")].into_iter().chain(users).collect()
            }
            AttachedQuestion::Put(NewlyAttached { user, session, made_of, attached }) => vec![
                text("put"),
                text(user.as_str()),
                number(session.0),
                number(*made_of),
                text(&**attached),
            ],
        };
        self.script(Script::Attached, arguments)
    }
}

/// The answer to a question.
pub(super) fn reply(
    question: &AttachedQuestion,
    value: &Value,
) -> Result<AttachedReply, CodecError> {
    match question {
        AttachedQuestion::Of(_) => {
            let known = items(value)?.chunks(3).map(known).collect::<Result<_, _>>()?;
            Ok(AttachedReply::Of(known))
        }
        AttachedQuestion::Put(_) => match items(value)? {
            [status] => match string(status)? {
                "OK" => Ok(AttachedReply::Put(true)),
                "CHANGED" => Ok(AttachedReply::Put(false)),
                _ => Err(CodecError),
            },
            _ => Err(CodecError),
        },
    }
}

fn known(fields: &[Value]) -> Result<Option<SessionAttached>, CodecError> {
    let [session, number, attached] = fields else { return Err(CodecError) };
    if string(session)?.is_empty() {
        return Ok(None);
    }
    let attached = Some(string(attached)?).filter(|it| !it.is_empty()).map(Into::into);
    let session = Seq(parsed(session)?);
    Ok(Some(SessionAttached { session, number: parsed(number)?, attached }))
}
