//! What is asked to erase a user, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::erasing::{EraseAsk, ErasePage};
use redis::Value;

impl ClusterPlace {
    pub(super) fn erase(&self, ask: &EraseAsk) -> RedisCall {
        let arguments = match ask {
            EraseAsk::Events { user, after } => {
                vec![text("events"), text(user.as_str()), number(after)]
            }
            EraseAsk::Waiting(events) => {
                [text("waiting")].into_iter().chain(events.iter().map(number)).collect()
            }
            EraseAsk::Forget { events, with_waiting } => {
                let first = [text("forget"), number(u8::from(*with_waiting))];
                first.into_iter().chain(events.iter().map(number)).collect()
            }
            EraseAsk::Traces { user, namespaces } => {
                let first = [text("traces"), text(user.as_str())];
                let namespaces = namespaces.iter().map(|it| text(it.as_str()));
                first.into_iter().chain(namespaces).collect()
            }
            EraseAsk::Inbox(user) => vec![text("inbox"), text(user.as_str())],
            EraseAsk::Answers { user, passed } => {
                let user = serde_json::Value::from(user.as_str()).to_string();
                vec![text("answers"), text(user), number(passed)]
            }
            EraseAsk::Calm(book, user) => {
                vec![text("calm"), text(book.as_str()), text(user.as_str())]
            }
            EraseAsk::Changes { book, user, after } => {
                vec![text("changes"), text(book.as_str()), text(user.as_str()), number(after)]
            }
        };
        self.script(Script::Erase, arguments)
    }
}

/// The answer.
pub(super) fn reply(value: &Value) -> Result<ErasePage, CodecError> {
    let [next, numbers @ ..] = items(value)? else { return Err(CodecError) };
    let is_last = string(next).is_ok_and(str::is_empty);
    Ok(ErasePage {
        next: if is_last { None } else { Some(parsed(next)?) },
        numbers: numbers.iter().map(parsed).collect::<Result<_, _>>()?,
    })
}
