//! One emit from the API under way: sent, perhaps stored, and what is left to wait for.

use super::reply::{self, EmitReply};
use crate::admin::context::AdminContext;
use crate::admin::error::{ApiError, Code};
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::message::Message;
use crate::realtime::inbox::STORE_WAIT;
use crate::realtime::post::{AwaitedAcks, PostError, Posted};
use tokio::sync::oneshot;

/// An emit that was sent, and the acks it waits for.
pub(super) struct SendingEmit {
    reply: EmitReply,
    acks: Option<AwaitedAcks>,
}

impl SendingEmit {
    /// Sends it; with `store`, once it is on disk.
    pub(super) async fn begin(context: &AdminContext, message: Message) -> Result<Self, ApiError> {
        let posted = if message.waits_for_disk() {
            post_in_time(context, message).await?
        } else {
            context.realtime.post(message).await?
        };
        let Posted { emitted, stored, acks } = posted;
        let mut reply = EmitReply::from(emitted);
        reply.add_stored(stored);
        Ok(Self { reply, acks })
    }

    /// Waits for the acks.
    pub(super) async fn end(self) -> Result<EmitReply, ApiError> {
        let Self { reply, acks } = self;
        let Some(acks) = acks else { return Ok(reply) };
        let outcome = acks.end().await?;
        let met = Some(outcome.is_met);
        let (acks, missing) = reply::acks(&outcome);
        let acked = Some(acks.len());
        Ok(EmitReply { acked, met, acks: Some(acks), missing: Some(missing), ..reply })
    }
}

/// Sends it, to the end even if the disk does not take it in time, or the caller hangs up.
async fn post_in_time(context: &AdminContext, message: Message) -> Result<Posted, ApiError> {
    let (done, posted) = oneshot::channel();
    let realtime = context.realtime.clone();
    context.tasks.spawn_to_end("admin.emit", async move {
        // Nobody waits for the numbers any more: that is fine.
        drop(done.send(realtime.post(message).await));
    });
    match tokio::time::timeout(STORE_WAIT, posted).await {
        Ok(Ok(posted)) => Ok(posted?),
        Ok(Err(_)) => Err(ApiError::internal("an emit ended before its end")),
        Err(_) => {
            let message = "the disk takes nothing for the moment; the event, or its hook, waits for it \
                           and may still go out: repeat it with the same `id` or Idempotency-Key";
            Err(ApiError::new(Code::Unavailable, message))
        }
    }
}

impl From<PostError> for ApiError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Ask(why) => Self::field("ack", why),
            PostError::NoHook(why @ NoHook::Unwanted) => Self::field("undelivered", why),
            PostError::NoHook(why @ NoHook::Full) => Self::new(Code::Unavailable, why),
            PostError::Closed(_) => Self::stopping(),
        }
    }
}
