//! `userline:inbox`: acked with a page of the user's inbox.
//!
//! A client reads the inbox of its own user only: nothing it sends says whose.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::inbox::{PageQuery, Paging, Which};
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::inboxes::page_view;
use crate::types::ItemSeq;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// Items of a page if the client does not say, and at most.
const LIMIT_DEFAULT: u16 = 100;
const LIMIT_MAX: u16 = 1000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PageArgument {
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u16>,
    unread: bool,
}

/// Begins to answer: the page comes from the store.
pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let query = parse(event.args(), requests.parts().inboxes.page_bytes_max())?;
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_later("socket.inbox", ack, async move { answer(&asked, ack, query).await })
}

async fn answer(
    requests: &Requests,
    ack: Option<u64>,
    query: PageQuery,
) -> Result<(), RequestError> {
    let socket = requests.socket();
    let page = requests.parts().inboxes.page(socket.user(), query).await?;
    socket.tell_newest_inbox(page.state, |newest| {
        let view = page_view(&page, newest).and_then(|it| to_raw_value(&it));
        requests.ack(ack, &[&view.map_err(|error| RequestError::damaged(&error))?]);
        Ok(())
    })
}

fn parse(args: &[&RawValue], bytes_max: usize) -> Result<PageQuery, RequestError> {
    let PageArgument { after, before, limit, unread } = argument::read(args)?;
    let paging = match (after, before) {
        (None, None) => Paging::Newest,
        (Some(after), None) => Paging::After(ItemSeq(after)),
        (None, Some(before)) => Paging::Before(ItemSeq(before)),
        (Some(_), Some(_)) => {
            return Err(RequestError::invalid("give `after` or `before`, not both"));
        }
    };
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(RequestError::invalid(format_args!(
            "limit: must be a number from 1 to {LIMIT_MAX}"
        )));
    }
    let which = if unread { Which::Unread } else { Which::All };
    Ok(PageQuery { paging, which, limit, bytes_max })
}

#[cfg(test)]
mod tests;
