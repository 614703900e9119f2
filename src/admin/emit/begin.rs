//! One emit from the API under way: sent, stored or asking, and what is left to wait for.

use super::{EmitReply, ack, storing};
use crate::admin::Api;
use crate::admin::error::ApiError;
use crate::realtime::emit::{Ask, AskError, Asking, Emit};
use crate::realtime::inbox::StoreOptions;

/// An emit, and what is asked for besides.
pub(super) struct Parsed {
    pub(super) emit: Emit,
    pub(super) extra: Extra,
}

/// What an emit is asked to do besides reaching who is here.
pub(super) enum Extra {
    /// Nothing.
    None,
    /// Wait for acks.
    Ask(Ask),
    /// Be kept in inboxes.
    Store(StoreOptions),
}

/// An emit that was sent, and the acks it waits for.
pub(super) struct Begun {
    reply: EmitReply,
    asking: Option<Asking>,
}

impl Begun {
    /// Sends it; with `store`, once it is on disk.
    pub(super) async fn begin(api: &Api, Parsed { emit, extra }: Parsed) -> Result<Self, ApiError> {
        let reply = match extra {
            Extra::None => api.realtime.emit(&emit).await.into(),
            Extra::Store(options) => storing::emit(api, emit, options).await?,
            Extra::Ask(ask) => {
                let too_many = |error: AskError| ApiError::field("ack", error);
                let (emitted, asking) = api.realtime.ask(&emit, ask).await.map_err(too_many)?;
                return Ok(Self { reply: emitted.into(), asking: Some(asking) });
            }
        };
        Ok(Self { reply, asking: None })
    }

    /// Waits for the acks.
    pub(super) async fn end(self) -> EmitReply {
        let Self { reply, asking } = self;
        let Some(asking) = asking else { return reply };
        let outcome = asking.end().await;
        let met = Some(outcome.is_met);
        let (acks, missing) = ack::write(outcome);
        let acked = Some(acks.len());
        EmitReply { acked, met, acks: Some(acks), missing: Some(missing), ..reply }
    }
}
