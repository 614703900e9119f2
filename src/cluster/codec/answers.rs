//! What is asked about requests that have a name, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::answers::{AnswerAsk, AnswerQuestion, AnswerReply};
use crate::types::millis;
use bytes::Bytes;
use redis::Value;

impl ClusterPlace {
    pub(super) fn answers(&self, question: &AnswerQuestion) -> RedisCall {
        let AnswerQuestion { request, token, what } = question;
        let (op, rest) = match what {
            AnswerAsk::Begin { fingerprint, node, requests_max } => {
                ("begin", vec![text(&**fingerprint), text(&**node), number(*requests_max)])
            }
            AnswerAsk::Finish { answer, keep, bytes_max } => {
                ("finish", vec![answer.to_vec(), number(millis(*keep)), number(*bytes_max)])
            }
            AnswerAsk::Drop => ("drop", Vec::new()),
        };
        let mut arguments = vec![text(op), text(&**request), text(&**token)];
        arguments.extend(rest);
        self.script(Script::Answers, arguments)
    }
}

/// The answer to a question.
pub(super) fn reply(value: &Value) -> Result<AnswerReply, CodecError> {
    let [status, rest @ ..] = items(value)? else { return Err(CodecError) };
    match (string(status)?, rest) {
        ("FIRST", []) => Ok(AnswerReply::First),
        ("UNDERWAY", []) => Ok(AnswerReply::UnderWay),
        ("ANSWERED", [Value::BulkString(answer)]) => {
            Ok(AnswerReply::Answered(Bytes::copy_from_slice(answer)))
        }
        ("MISMATCH", []) => Ok(AnswerReply::Mismatch),
        ("FULL", []) => Ok(AnswerReply::Full),
        ("OK" | "LATE", []) => Ok(AnswerReply::Heard),
        _ => Err(CodecError),
    }
}
