//! What was told of users, asked and read.

use super::{ClusterPlace, CodecError, RedisCall, items, ledger, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::feed::{FeedQuestion, FeedReply, ToldPage};
use crate::types::WallMs;
use redis::Value;

impl ClusterPlace {
    pub(super) fn feed(&self, question: &FeedQuestion) -> RedisCall {
        let arguments = match question {
            FeedQuestion::Page { after, events_max } => {
                vec![text("page"), number(*after), number(*events_max)]
            }
            FeedQuestion::Seen(user) => vec![text("seen"), text(user.as_str())],
        };
        self.script(Script::Feed, arguments)
    }
}

pub(super) fn reply(question: &FeedQuestion, value: &Value) -> Result<FeedReply, CodecError> {
    match (question, items(value)?) {
        (FeedQuestion::Seen(_), [at]) if string(at)?.is_empty() => Ok(FeedReply::Seen(None)),
        (FeedQuestion::Seen(_), [at]) => Ok(FeedReply::Seen(Some(WallMs(parsed(at)?)))),
        (FeedQuestion::Page { .. }, [newest, is_gap, events @ ..]) => {
            let mut page = ToldPage {
                newest: parsed(newest)?,
                is_gap: parsed(is_gap)? == 1,
                last: None,
                news: Vec::new(),
            };
            for event in events {
                let [at, fields] = items(event)? else { return Err(CodecError) };
                let at = parsed(at)?;
                page.last = Some(at);
                // Another version may tell of more.
                page.news.extend(ledger::news(at, items(fields)?).ok().flatten());
            }
            Ok(FeedReply::Page(page))
        }
        _ => Err(CodecError),
    }
}
