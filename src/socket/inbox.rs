//! The inbox over the socket: `userline:inbox` reads a page, `userline:read` marks items; both are acked.
//!
//! A client reads and marks the inbox of its own user only: nothing it sends says whose.

use super::events::{Answers, Refused};
use crate::core::inbox::{PageQuery, Paging, SeenItems, Which};
use crate::realtime::inboxes::{InboxError, page_view, state_view};
use crate::types::{ItemId, ItemSeq};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::fmt::Display;

/// Items of a page if the client does not say, and at most.
const LIMIT_DEFAULT: u16 = 100;
const LIMIT_MAX: u16 = 1000;
/// Ids in one `userline:read`.
const IDS_MAX: usize = 1000;

/// What `userline:inbox` is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PageArgument {
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u16>,
    unread: bool,
}

/// What `userline:read` is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReadArgument {
    upto: Option<u64>,
    ids: Option<Vec<String>>,
}

/// Acks with a page of the inbox.
pub(super) async fn page(
    answers: &Answers,
    args: &[&RawValue],
    ack: Option<i64>,
) -> Result<(), Refused> {
    let inboxes = &answers.parts().inboxes;
    let query = parse_page(args, inboxes.page_bytes_max())?;
    let _turn = answers.question()?;
    let socket = answers.socket();
    let page = inboxes.page(&socket.user, query).await.map_err(refuse)?;
    socket.tell_newest_inbox(page.state, |newest| {
        let page = page_view(&page, newest)
            .and_then(|it| to_raw_value(&it))
            .map_err(|error| damaged(&error))?;
        answers.ack(ack, &[&page]);
        Ok(())
    })
}

/// Marks items as read and acks with the inbox afterwards; the user's sockets are told.
pub(super) async fn read(
    answers: &Answers,
    args: &[&RawValue],
    ack: Option<i64>,
) -> Result<(), Refused> {
    let seen = parse_read(args)?;
    let _turn = answers.question()?;
    let socket = answers.socket();
    let state = answers.parts().inboxes.mark_read(&socket.user, seen).await.map_err(refuse)?;
    socket.tell_newest_inbox(state, |newest| {
        let state = to_raw_value(&state_view(newest)).map_err(|error| damaged(&error))?;
        answers.ack(ack, &[&state]);
        Ok(())
    })
}

fn parse_page(args: &[&RawValue], bytes_max: usize) -> Result<PageQuery, Refused> {
    let PageArgument { after, before, limit, unread } = argument(args)?;
    let paging = match (after, before) {
        (None, None) => Paging::Newest,
        (Some(after), None) => Paging::After(ItemSeq(after)),
        (None, Some(before)) => Paging::Before(ItemSeq(before)),
        (Some(_), Some(_)) => return Err(invalid("give `after` or `before`, not both")),
    };
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(invalid(format_args!("limit: must be a number from 1 to {LIMIT_MAX}")));
    }
    let which = if unread { Which::Unread } else { Which::All };
    Ok(PageQuery { paging, which, limit, bytes_max })
}

fn parse_read(args: &[&RawValue]) -> Result<SeenItems, Refused> {
    let ReadArgument { upto, ids } = argument(args)?;
    match (upto, ids) {
        (Some(upto), None) => Ok(SeenItems::Upto(ItemSeq(upto))),
        (None, Some(ids)) if ids.len() <= IDS_MAX => {
            let ids = ids.iter().map(|id| ItemId::parse(id)).collect::<Result<BTreeSet<_>, _>>();
            ids.map(SeenItems::Ids).map_err(|why| invalid(format_args!("ids: {why}")))
        }
        (None, Some(ids)) => {
            Err(invalid(format_args!("ids: at most {IDS_MAX}, not {}", ids.len())))
        }
        (None, None) | (Some(_), Some(_)) => Err(invalid("give either `upto` or `ids`")),
    }
}

/// The one argument, an object; none, or `null`, means `{}`.
fn argument<T: DeserializeOwned + Default>(args: &[&RawValue]) -> Result<T, Refused> {
    let argument = match args {
        [] => return Ok(T::default()),
        [argument] => argument.get(),
        _ => return Err(invalid("one argument is expected, an object")),
    };
    if argument == "null" {
        return Ok(T::default());
    }
    // For serde alone, an array of the fields would do as well.
    if !argument.starts_with('{') {
        return Err(invalid("the argument must be an object"));
    }
    serde_json::from_str(argument).map_err(invalid)
}

fn invalid(why: impl Display) -> Refused {
    Refused::new("invalid_argument", why)
}

fn refuse(error: InboxError) -> Refused {
    if let InboxError::Database(source) = &error {
        tracing::error!(error = %source, "cannot read an inbox");
    }
    Refused::new(error.code(), error)
}

fn damaged(error: &serde_json::Error) -> Refused {
    tracing::error!(%error, "an inbox is damaged");
    Refused::new("internal", "the server failed; its log says more")
}

#[cfg(test)]
mod tests;
