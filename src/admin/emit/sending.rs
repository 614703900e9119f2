//! One emit from the API under way: sent, perhaps stored, and what is left to wait for.

use super::reply::{self, EmitReply, MembersReply};
use crate::admin::context::AdminContext;
use crate::admin::error::ApiError;
use crate::admin::error_code::Code;
use crate::cluster::InboxesError;
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::message::Message;
use crate::realtime::emitter::{AckShare, Emitted, Emitting, OtherNodes};
use crate::realtime::messages::{AwaitedAcks, MemberCounts, PostError, SentMessage, StoredItem};
use crate::types::UserId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An emit that was sent, and the acks it waits for.
pub(super) struct SendingEmit {
    emitted: Emitted,
    others: Option<OtherNodes>,
    stored: BTreeMap<UserId, StoredItem>,
    members: Option<MemberCounts>,
    acks: Option<AwaitedAcks>,
}

impl SendingEmit {
    /// Sends it; with `store`, once it is on disk. What its acks say is kept within `share`, that of the request.
    pub(super) async fn begin(
        context: &AdminContext,
        message: Message,
        share: Arc<AckShare>,
    ) -> Result<Self, ApiError> {
        let posted = context.messages.post_within(message, share).await?;
        let SentMessage { emitted, others, stored, members, acks } = posted;
        Ok(Self { emitted, others, stored, members, acks })
    }

    /// Waits for the other nodes, and for the acks.
    pub(super) async fn end(self) -> Result<EmitReply, ApiError> {
        let Self { emitted, others, stored, members, acks } = self;
        let mut reply = EmitReply::from(Emitting { emitted, others }.end().await);
        reply.members = members.map(MembersReply::from);
        reply.add_stored(stored);
        let Some(acks) = acks else { return Ok(reply) };
        let outcome = acks.end().await?;
        let met = Some(outcome.is_met);
        let (acks, missing) = reply::acks(&outcome);
        let acked = Some(acks.len());
        Ok(EmitReply { acked, met, acks: Some(acks), missing: Some(missing), ..reply })
    }
}

impl From<PostError> for ApiError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::TooManyRecipients(why) => Self::field("ack", why),
            PostError::TooManyMembers { .. } => Self::field("to.rooms", error),
            PostError::Members(why) => why.into(),
            PostError::NoHook(why @ NoHook::Unwanted) => Self::field("undelivered", why),
            PostError::NoHook(why @ (NoHook::Full | NoHook::Away)) => {
                Self::new(Code::Unavailable, why)
            }
            PostError::Bus(why) => why.into(),
            PostError::Waiting => {
                let message = "the disk takes nothing for the moment; the event, or its hook, waits for it and may \
                               still go out: repeat it with the same `id` or Idempotency-Key";
                Self::new(Code::Unavailable, message)
            }
            PostError::Inboxes(InboxesError::Away) => {
                let message = "Redis could not be reached for a second: nobody was sent the event, but it may be stored; \
                               repeat it with the same `id` or Idempotency-Key";
                Self::new(Code::Unavailable, message)
            }
            PostError::NotTold(_) => {
                let message = "the event was sent, and Redis could not be reached, or did not confirm that it keeps what it \
                               was told: hooks of users whom the event did not reach may not be told";
                Self::new(Code::Unavailable, message)
            }
            PostError::Inboxes(why) => Self::new(Code::Unavailable, why),
            PostError::Closed(_) => Self::stopping(),
            PostError::Lost(lost) => Self::internal(lost),
        }
    }
}
