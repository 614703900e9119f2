//! What is asked about inboxes, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::inboxes::{InboxLimits, InboxesAsk, InboxesReply, KeptItem};
use crate::core::inbox::{
    Gone, InboxPage, InboxState, Item, PageQuery, Paging, Placed, PlacedState, Put, Putting,
    SeenItems, Which,
};
use crate::types::{ItemSeq, UserId, WallMs, millis};
use redis::Value;

/// Items that are let go at once, about: it takes some milliseconds.
const EXPIRED_MAX: usize = 500;
/// Items of one page.
const PAGE_MAX: u16 = 1000;

impl ClusterPlace {
    pub(super) fn inboxes(&self, ask: &InboxesAsk) -> RedisCall {
        match ask {
            InboxesAsk::Put { item, users, limits } => {
                self.script(Script::InboxPut, put(item, users, *limits))
            }
            InboxesAsk::Mark { user, seen, count_max } => {
                let op = if matches!(seen, SeenItems::Upto(_)) { "upto" } else { "ids" };
                let mut arguments = vec![text(op), number(*count_max), text(user.as_str())];
                match seen {
                    SeenItems::Upto(seq) => arguments.push(number(seq.0)),
                    SeenItems::Ids(ids) => arguments.extend(ids.iter().map(|it| text(it.as_str()))),
                }
                self.script(Script::InboxChange, arguments)
            }
            InboxesAsk::Delete { user, seq, name, count_max } => {
                let (user, seq) = (text(user.as_str()), number(seq.0));
                let arguments = vec![text("delete"), number(*count_max), user, seq, text(&**name)];
                self.script(Script::InboxChange, arguments)
            }
            InboxesAsk::Tend { count_max } => {
                let arguments = vec![text("tend"), number(*count_max), number(EXPIRED_MAX)];
                self.script(Script::InboxChange, arguments)
            }
            InboxesAsk::Page { user, query } => self.script(Script::InboxPage, page(user, *query)),
            InboxesAsk::Placed(name) => {
                self.script(Script::InboxPage, vec![text("placed"), text(&**name)])
            }
        }
    }
}

fn put(item: &KeptItem, users: &[(UserId, Putting)], limits: InboxLimits) -> Vec<Vec<u8>> {
    let KeptItem { id, message, namespace, event, args, collapse_key, ttl, remembered } = item;
    let texts = [id, message, namespace, event, args, collapse_key];
    let mut arguments: Vec<_> = texts.into_iter().map(|it| text(&**it)).collect();
    arguments.extend([number(millis(*ttl)), number(millis(*remembered))]);
    arguments.extend([number(limits.count_max), number(limits.bytes_max)]);
    for (user, putting) in users {
        let putting = match putting {
            Putting::Store => "store",
            Putting::Check => "check",
        };
        arguments.extend([text(user.as_str()), text(putting)]);
    }
    arguments
}

fn page(user: &UserId, query: PageQuery) -> Vec<Vec<u8>> {
    let PageQuery { paging, which, limit, bytes_max } = query;
    let (way, at) = match paging {
        Paging::Newest => ("newest", 0),
        Paging::Before(seq) => ("before", seq.0),
        Paging::After(seq) => ("after", seq.0),
    };
    let which = match which {
        Which::All => "all",
        Which::Unread => "unread",
    };
    let bounds = [number(limit.min(PAGE_MAX)), number(bytes_max)];
    let mut arguments = vec![text("page"), text(user.as_str()), text(way), number(at), text(which)];
    arguments.extend(bounds);
    arguments
}

/// The answer to a question.
pub(super) fn reply(ask: &InboxesAsk, value: &Value) -> Result<InboxesReply, CodecError> {
    match (ask, items(value)?) {
        (InboxesAsk::Put { .. }, [status, puts @ ..]) => match string(status)? {
            "OK" => {
                let puts = puts.iter().map(|it| stored(items(it)?));
                Ok(InboxesReply::Put(puts.collect::<Result<_, _>>()?))
            }
            "FULL" => Ok(InboxesReply::Full),
            _ => Err(CodecError),
        },
        (InboxesAsk::Delete { .. }, []) => Ok(InboxesReply::Changed(None)),
        (InboxesAsk::Mark { .. } | InboxesAsk::Delete { .. }, [after]) => {
            Ok(InboxesReply::Changed(Some(state(after)?)))
        }
        (InboxesAsk::Tend { .. }, [bytes, changed @ ..]) => {
            let changed = changed.chunks(2).map(|pair| match pair {
                [owner, after] => Ok((user(owner)?, state(after)?)),
                _ => Err(CodecError),
            });
            let changed = changed.collect::<Result<_, _>>()?;
            Ok(InboxesReply::Tended { bytes: parsed(bytes)?, changed })
        }
        (InboxesAsk::Page { .. }, [after, has_more, found @ ..]) => {
            let state = state(after)?;
            let found = found.iter().map(|it| item(items(it)?));
            let items: Vec<Item> = found.collect::<Result<_, _>>()?;
            let has_more = parsed(has_more)? == 1;
            let next = items.last().map(|it| it.seq).filter(|_| has_more);
            Ok(InboxesReply::Page(InboxPage { items, next, state }))
        }
        (InboxesAsk::Placed(_), found) => {
            let found = found.chunks(6).map(placed).collect::<Result<_, _>>()?;
            Ok(InboxesReply::Placed(found))
        }
        _ => Err(CodecError),
    }
}

fn stored(put: &[Value]) -> Result<Option<Put>, CodecError> {
    let [status, seq, after] = put else {
        return if put.is_empty() { Ok(None) } else { Err(CodecError) };
    };
    let is_duplicate = match string(status)? {
        "NEW" => false,
        "DUP" => true,
        _ => return Err(CodecError),
    };
    Ok(Some(Put { seq: item_seq(seq)?, is_duplicate, state: state(after)? }))
}

fn state(value: &Value) -> Result<InboxState, CodecError> {
    let [revision, head, unread, read_upto, min_seq] = items(value)? else {
        return Err(CodecError);
    };
    Ok(InboxState {
        revision: parsed(revision)?,
        head: item_seq(head)?,
        unread: parsed(unread)?,
        read_upto: item_seq(read_upto)?,
        min_seq: item_seq(min_seq)?,
    })
}

fn item(value: &[Value]) -> Result<Item, CodecError> {
    let [seq, id, namespace, event, args, created, expires, is_read, key] = value else {
        return Err(CodecError);
    };
    let owned = |it: &Value| string(it).map(str::to_owned);
    Ok(Item {
        seq: item_seq(seq)?,
        id: owned(id)?,
        namespace: owned(namespace)?,
        event: owned(event)?,
        args: owned(args)?,
        created: WallMs(parsed(created)?),
        expires: WallMs(parsed(expires)?),
        is_read: parsed(is_read)? == 1,
        collapse_key: Some(owned(key)?).filter(|it| !it.is_empty()),
    })
}

fn placed(found: &[Value]) -> Result<Placed, CodecError> {
    let [owner, message, seq, id, gone, is_read] = found else { return Err(CodecError) };
    let state = match string(gone)? {
        "" => PlacedState::There,
        why => PlacedState::Gone(Gone::parse(why)),
    };
    Ok(Placed {
        user: user(owner)?,
        message: string(message)?.to_owned(),
        seq: item_seq(seq)?,
        id: string(id)?.to_owned(),
        state,
        is_read: parsed(is_read)? == 1,
    })
}

fn user(value: &Value) -> Result<UserId, CodecError> {
    UserId::parse(string(value)?).map_err(|_| CodecError)
}

fn item_seq(value: &Value) -> Result<ItemSeq, CodecError> {
    parsed(value).map(ItemSeq)
}
