//! What is asked about endpoints, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::ledger::{
    ChangeEnd, EndpointLook, HookNews, HooksToTell, LedgerAsk, LedgerQuestion, LedgerReply,
    Letters, OwnerToken, ReplayedChanges, SettledChange, ToldHook, WaitingChange, WaitingPage,
};
use crate::core::presence::session::UserSession;
use crate::types::{Change, ChangeKind, Portrait, Reason, Seq, UserId, WallMs};
use redis::Value;

impl ClusterPlace {
    pub(super) fn ledger(&self, question: &LedgerQuestion) -> RedisCall {
        let mut arguments = vec![text(&*question.endpoint)];
        let script = match &question.what {
            LedgerAsk::Take(incarnation) => {
                arguments.extend([text(incarnation.as_str()), text("take")]);
                Script::Own
            }
            LedgerAsk::TakeTurn { incarnation, note } => {
                arguments.extend([text(incarnation.as_str()), text("take")]);
                arguments.extend(note.map(|it| number(it.0)));
                Script::Own
            }
            LedgerAsk::Give(incarnation) => {
                arguments.extend([text(incarnation.as_str()), text("give")]);
                Script::Own
            }
            LedgerAsk::Waiting { token, after, changes_max } => {
                arguments.extend([number(token.0), number(*after), number(*changes_max)]);
                Script::Waiting
            }
            LedgerAsk::Settle { token, settled, kept_max } => {
                arguments.extend([number(token.0), number(*kept_max)]);
                arguments.extend(settled.iter().flat_map(settled_words));
                Script::Settle
            }
            LedgerAsk::Look => Script::Look,
            LedgerAsk::Letters { which, after, changes_max } => {
                let which = match which {
                    Letters::Waiting => "wait",
                    Letters::Dead => "failed",
                    Letters::Ended => "ended",
                };
                arguments.extend([text(which), number(*after), number(*changes_max)]);
                Script::Letters
            }
            LedgerAsk::Replay { first, last, changes_max } => {
                arguments.extend([number(*first), number(*last), number(*changes_max)]);
                Script::Replay
            }
        };
        self.script(script, arguments)
    }
}

/// Number, what became of it, attempts, and what else there is to say.
fn settled_words(it: &SettledChange) -> [Vec<u8>; 4] {
    let met = text(it.error.as_deref().unwrap_or_default());
    let (end, attempts, met) = match it.end {
        ChangeEnd::Delivered(attempts) => (text("delivered"), attempts, met),
        ChangeEnd::Left => (text("left"), 0, met),
        ChangeEnd::Dead(attempts) => (text("dead"), attempts, met),
        ChangeEnd::Replaced { by, attempts } => (text("replaced"), attempts, number(by)),
        ChangeEnd::Again { at, attempts } => (number(at.0), attempts, met),
    };
    [number(it.number), end, number(attempts), met]
}

pub(super) fn tell(tell: &HooksToTell) -> Vec<Vec<u8>> {
    let HooksToTell { name, endpoints, hooks } = tell;
    let mut arguments = vec![text(&**name), number(endpoints.len())];
    arguments.extend(endpoints.iter().map(|it| text(&**it)));
    for (user, hook_type, body) in hooks {
        arguments.extend([text(user.as_str()), text(*hook_type), text(body.as_str())]);
    }
    arguments
}

/// The answer to a question.
pub(super) fn reply(asked: &LedgerAsk, value: &Value) -> Result<LedgerReply, CodecError> {
    match asked {
        LedgerAsk::Look => return look(value).map(LedgerReply::Seen),
        LedgerAsk::Letters { .. } => {
            let changes = items(value)?.iter().map(waiting).collect::<Result<_, _>>()?;
            return Ok(LedgerReply::Letters(changes));
        }
        LedgerAsk::Replay { .. } => return replayed(value).map(LedgerReply::Replayed),
        LedgerAsk::Take(_)
        | LedgerAsk::TakeTurn { .. }
        | LedgerAsk::Give(_)
        | LedgerAsk::Waiting { .. }
        | LedgerAsk::Settle { .. } => {}
    }
    let [status, rest @ ..] = items(value)? else { return Err(CodecError) };
    let is_heard = match string(status)? {
        "OK" => true,
        "HELD" | "FENCED" | "STALE" => false,
        _ => return Err(CodecError),
    };
    Ok(match (asked, rest) {
        (LedgerAsk::TakeTurn { .. }, [token, note]) if is_heard => {
            let note = Some(string(note)?).filter(|it| !it.is_empty());
            let note = note.map(str::parse).transpose().map_err(|_| CodecError)?;
            LedgerReply::Turn(Some((OwnerToken(parsed(token)?), note.map(WallMs))))
        }
        (LedgerAsk::TakeTurn { .. }, _) => LedgerReply::Turn(None),
        (LedgerAsk::Take(_), [token, _]) if is_heard => {
            LedgerReply::Owned(Some(OwnerToken(parsed(token)?)))
        }
        (LedgerAsk::Take(_), _) => LedgerReply::Owned(None),
        (LedgerAsk::Give(_), _) => LedgerReply::Given,
        (LedgerAsk::Waiting { .. }, [count, replays, changes @ ..]) if is_heard => {
            let changes = changes.iter().map(waiting).collect::<Result<_, _>>()?;
            let (count, replays) = (parsed(count)?, parsed(replays)?);
            LedgerReply::Waiting(Some(WaitingPage { count, replays, changes }))
        }
        (LedgerAsk::Waiting { .. }, _) => LedgerReply::Waiting(None),
        (LedgerAsk::Settle { .. }, [left]) if is_heard => LedgerReply::Settled(Some(parsed(left)?)),
        (
            LedgerAsk::Settle { .. }
            | LedgerAsk::Look
            | LedgerAsk::Letters { .. }
            | LedgerAsk::Replay { .. },
            _,
        ) => LedgerReply::Settled(None),
    })
}

fn look(value: &Value) -> Result<EndpointLook, CodecError> {
    let [waiting, dead, oldest, owner] = items(value)? else { return Err(CodecError) };
    let is_there = |it: &&Value| string(it).is_ok_and(|it| !it.is_empty());
    let oldest = Some(oldest).filter(is_there).map(parsed).transpose()?;
    let owner = Some(owner).filter(is_there).map(string).transpose()?;
    let owner = owner.map(Incarnation::from_text);
    Ok(EndpointLook { waiting: parsed(waiting)?, dead: parsed(dead)?, oldest, owner })
}

fn replayed(value: &Value) -> Result<ReplayedChanges, CodecError> {
    let [count, more, waits, replaced] = items(value)? else { return Err(CodecError) };
    let count = usize::try_from(parsed(count)?).map_err(|_| CodecError)?;
    let (has_more, is_waiting) = (parsed(more)? == 1, parsed(waits)? == 1);
    Ok(ReplayedChanges { count, has_more, is_waiting, is_replaced: parsed(replaced)? == 1 })
}

fn waiting(value: &Value) -> Result<WaitingChange, CodecError> {
    let [seq, tries, fields, stands, how @ ..] = items(value)? else { return Err(CodecError) };
    let (number, coalesced) = (parsed(seq)?, parsed(stands)?);
    let is_replaced = matches!(how, [how] if string(how)? == "replaced");
    let mut words = string(tries)?.splitn(4, ' ');
    // Zero stands for none.
    let mut next = || match words.next() {
        None | Some("") => Ok(0),
        Some(word) => word.parse::<u64>().map_err(|_| CodecError),
    };
    let time = |ms: u64| (0 < ms).then_some(WallMs(ms));
    let attempts = u32::try_from(next()?).map_err(|_| CodecError)?;
    let (next_attempt, since) = (time(next()?), time(next()?));
    let error = words.next().filter(|it| !it.is_empty()).map(str::to_owned);
    let news = news(number, items(fields)?)?;
    Ok(WaitingChange { number, attempts, next_attempt, since, error, news, coalesced, is_replaced })
}

/// What an entry of the events says; `None` if it is gone, or is of a user whose id this version does not take.
pub(super) fn news(number: u64, fields: &[Value]) -> Result<Option<HookNews>, CodecError> {
    match fields {
        [] => Ok(None),
        [_, kind, _, user, _, hook_type, _, body, ..] if string(kind)? == "hook" => {
            told(number, user, (hook_type, body))
        }
        fields => Ok(change(number, fields)?.map(HookNews::Change)),
    }
}

/// What is told; `None` for a user whose id this version does not take.
fn told(
    number: u64,
    user: &Value,
    (hook_type, body): (&Value, &Value),
) -> Result<Option<HookNews>, CodecError> {
    let (hook_type, body) = (string(hook_type)?.to_owned(), string(body)?.to_owned());
    let user = UserId::parse(string(user)?).ok();
    Ok(user.map(|user| {
        let at = WallMs(number / 1000);
        HookNews::Told(ToldHook { user, seq: Seq(number), at, hook_type, body })
    }))
}

/// A change, of the fields that the scripts announce it with; `None` for a user whose id this version does not take.
fn change(number: u64, fields: &[Value]) -> Result<Option<Change>, CodecError> {
    let [_, kind, _, user, _, session, _, reason, _, closed, more @ ..] = fields else {
        return Err(CodecError);
    };
    let session = UserSession::numbered(parsed(session)?);
    let kind = match string(kind)? {
        "on" => ChangeKind::Online,
        "off" => ChangeKind::Offline {
            // A newer version may have reasons of which this one knows nothing.
            reason: Reason::parse(string(reason)?).unwrap_or(Reason::TransportClose),
            online_since: session.since,
            last_socket_closed_at: WallMs(parsed(closed)?),
        },
        _ => return Err(CodecError),
    };
    let (user, portrait) = (UserId::parse(string(user)?).ok(), portrait(more)?);
    Ok(user.map(|user| Change {
        user,
        seq: Seq(number),
        session: session.id,
        at: WallMs(number / 1000),
        kind,
        portrait,
    }))
}

/// What is said of the user in what follows of a change.
fn portrait(fields: &[Value]) -> Result<Portrait, CodecError> {
    let mut portrait = Portrait::default();
    for field in fields.chunks(2) {
        let [name, value] = field else { return Err(CodecError) };
        match string(name)? {
            "g" => portrait.granted = Some(string(value)?.into()),
            "a" => portrait.attached = Some(string(value)?.into()),
            // Of a newer version, or about its place among the others.
            _ => {}
        }
    }
    Ok(portrait)
}
