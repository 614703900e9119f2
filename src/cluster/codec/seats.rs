//! What is asked of seats, and what is answered.

use super::{ClusterPlace, CodecError, RedisCall, items, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::seats::{
    SeatClaim, SeatMark, SeatName, SeatQuestion, SeatReply, SeatRoom, TakenSeat,
};
use crate::types::millis;
use redis::Value;
use std::sync::Arc;

impl ClusterPlace {
    pub(super) fn seats(&self, question: &SeatQuestion) -> RedisCall {
        let arguments = match question {
            SeatQuestion::Take(claim) => take(claim),
            SeatQuestion::Free(seats) => {
                let pairs =
                    seats.iter().flat_map(|(user, seat)| [text(user.as_str()), text(&**seat)]);
                [text("free")].into_iter().chain(pairs).collect()
            }
        };
        self.script(Script::Seats, arguments)
    }
}

fn take(claim: &SeatClaim) -> Vec<Vec<u8>> {
    let SeatClaim { user, seat, node, since, max, room, kept_for, replaces, free, marks } = claim;
    let room = match room {
        SeatRoom::ItsOwn => "own",
        SeatRoom::Oldest => "oldest",
        SeatRoom::None => "none",
    };
    let mut arguments = vec![
        text("take"),
        text(user.as_str()),
        text(&**seat),
        text(&**node),
        since.map(number).unwrap_or_default(),
        number(max),
        text(room),
        number(millis(*kept_for)),
        replaces.as_ref().map(mark).unwrap_or_default(),
        number(free.len()),
    ];
    arguments.extend(free.iter().map(|it| text(&**it)));
    arguments.extend(marks.iter().map(mark));
    arguments
}

fn mark(mark: &SeatMark) -> Vec<u8> {
    match mark {
        SeatMark::Device(device) => text(format!("d{device}")),
        SeatMark::Socket(id) => text(format!("s{id}")),
    }
}

/// The answer to a question.
pub(super) fn reply(value: &Value) -> Result<SeatReply, CodecError> {
    let name = |it: &Value| -> Result<SeatName, CodecError> { Ok(Arc::from(string(it)?)) };
    let names = |it: &Value| items(it)?.iter().map(name).collect::<Result<Vec<_>, _>>();
    let taken = |pair: &[Value]| match pair {
        [seat, node] => Ok(TakenSeat { seat: name(seat)?, node: name(node)? }),
        _ => Err(CodecError),
    };
    let [status, rest @ ..] = items(value)? else { return Err(CodecError) };
    match (string(status)?, rest) {
        ("OK", [since, replaced, evicted]) => Ok(SeatReply::Taken {
            since: parsed(since)?,
            replaced: names(replaced)?,
            evicted: names(evicted)?,
        }),
        ("FULL", seats) => {
            Ok(SeatReply::Full(seats.chunks(2).map(taken).collect::<Result<_, _>>()?))
        }
        ("FREE", []) => Ok(SeatReply::Freed),
        _ => Err(CodecError),
    }
}
