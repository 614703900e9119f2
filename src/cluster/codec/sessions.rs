//! What is kept of sessions, and who comes back to one.

use super::{CodecError, items, number, parsed, string, text};
use crate::core::cluster::sessions::{
    AwayBounds, Claimed, ClaimedSession, KeptClaim, KeptSession, SessionName, SessionOp,
};
use crate::types::millis;
use bytes::Bytes;
use redis::Value;
use std::sync::Arc;

/// An operation of a batch.
pub(super) fn operation(name: &SessionName, op: &SessionOp) -> Vec<Vec<u8>> {
    let (op, kept) = match op {
        SessionOp::End { owner } => return vec![text("Z"), text(&**name), text(&**owner)],
        SessionOp::Keep(kept) if kept.away.is_some() => ("W", kept),
        SessionOp::Keep(kept) => ("S", kept),
    };
    let KeptSession { user, owner, kept_for, record, is_new, away } = kept;
    let mut arguments = vec![
        text(op),
        text(&**name),
        text(user.as_str()),
        text(&**owner),
        number(millis(*kept_for)),
        record.to_vec(),
        number(u8::from(*is_new)),
    ];
    if let Some(AwayBounds { namespace, of_namespace, of_user }) = away {
        arguments.extend([text(&**namespace), number(of_namespace), number(of_user)]);
    }
    arguments
}

pub(super) fn claim(claim: &KeptClaim) -> Vec<Vec<u8>> {
    let KeptClaim { name, user, owner, kept_for } = claim;
    vec![text(&**name), text(user.as_str()), text(&**owner), number(millis(*kept_for))]
}

pub(super) fn claimed(value: &Value) -> Result<Claimed, CodecError> {
    let [epoch, hole, suspects, head, owner, Value::BulkString(record)] = items(value)? else {
        return Err(CodecError);
    };
    let owner: Arc<str> = Arc::from(string(owner)?);
    let session = || ClaimedSession { owner, record: Bytes::copy_from_slice(record) };
    Ok(Claimed {
        epoch: Arc::from(string(epoch)?),
        hole: parsed(hole)?,
        is_unsure: 0 < parsed(suspects)?,
        head: parsed(head)?,
        session: (!record.is_empty()).then(session),
    })
}
