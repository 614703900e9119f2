//! `userline:read`: items of the inbox were read; acked with the inbox afterwards.
//!
//! A client marks the inbox of its own user only: nothing it sends says whose.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::inbox::SeenItems;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::inboxes::state_view;
use crate::types::{ItemId, ItemSeq};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Ids in one request.
const IDS_MAX: usize = 1000;

/// What was read: one of both.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReadArgument {
    upto: Option<u64>,
    ids: Option<Vec<String>>,
}

/// Begins to mark the items in the store; the user's sockets are told.
pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let seen = parse(event.args())?;
    let (asked, ack) = (Arc::clone(requests), event.ack);
    requests.answer_later("socket.read", ack, async move { answer(&asked, ack, seen).await })
}

async fn answer(
    requests: &Requests,
    ack: Option<u64>,
    seen: SeenItems,
) -> Result<(), RequestError> {
    let socket = requests.socket();
    let state = requests.parts().inboxes.mark_read(socket.user(), seen).await?;
    socket.tell_newest_inbox(state, |newest| {
        let state = to_raw_value(&state_view(newest));
        requests.ack(ack, &[&state.map_err(|error| RequestError::damaged(&error))?]);
        Ok(())
    })
}

fn parse(args: &[&RawValue]) -> Result<SeenItems, RequestError> {
    let ReadArgument { upto, ids } = argument::read(args)?;
    match (upto, ids) {
        (Some(upto), None) => Ok(SeenItems::Upto(ItemSeq(upto))),
        (None, Some(ids)) if ids.len() <= IDS_MAX => {
            let ids = ids.iter().map(|id| ItemId::parse(id)).collect::<Result<BTreeSet<_>, _>>();
            ids.map(SeenItems::Ids).map_err(|why| RequestError::invalid(format_args!("ids: {why}")))
        }
        (None, Some(ids)) => {
            Err(RequestError::invalid(format_args!("ids: at most {IDS_MAX}, not {}", ids.len())))
        }
        (None, None) | (Some(_), Some(_)) => {
            Err(RequestError::invalid("give either `upto` or `ids`"))
        }
    }
}

#[cfg(test)]
mod tests;
