//! Telling the backend of users that a message did not reach, so that it can try another way.

use crate::core::emit::acks::{Outcome, Why};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::realtime::Realtime;
use crate::realtime::emit::Emitted;
use crate::realtime::inbox::Stored;
use crate::store::Closed;
use crate::types::{
    EventName, ItemId, ItemSeq, Namespace, Payload, Undelivered, UserId, WhyUndelivered,
    saturating_u64,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of arguments that a hook may have.
const ARGS_BYTES_MAX: usize = 4096;

/// A message, and the users of whom it must be told if it does not reach them.
pub(super) struct Report {
    realtime: Realtime,
    message: Arc<str>,
    namespace: Namespace,
    event: EventName,
    args: Option<Arc<str>>,
    users: Vec<Addressed>,
}

/// A user whom the message was for.
struct Addressed {
    user: UserId,
    matched: usize,
    sent: usize,
    inbox: Option<(ItemSeq, ItemId)>,
}

impl Report {
    /// A user of whom every socket is left out by `except`, or who has it already, is not told of.
    pub(super) fn new(
        realtime: &Realtime,
        emit: &Emit,
        emitted: &Emitted,
        stored: &BTreeMap<UserId, Stored>,
    ) -> Self {
        let Audience { namespace, except, .. } = &*emit.audience;
        let left_out = emit.audience.left_out();
        let has_left_out_socket = |user: &UserId| {
            let sockets = realtime.reachable(user, namespace);
            sockets.iter().any(|it| left_out.includes(&**it))
        };
        let is_left_out = |user: &UserId, matched: usize| {
            left_out.includes(user)
                || stored.get(user).is_some_and(|it| it.is_duplicate)
                || (matched == 0 && !except.is_empty() && has_left_out_socket(user))
        };
        let users = emitted.users.iter().filter(|(user, it)| !is_left_out(user, it.matched));
        let users = users.map(|(user, it)| Addressed {
            user: user.clone(),
            matched: it.matched,
            sent: it.sent,
            inbox: stored.get(user).and_then(|it| Some((it.seq, ItemId::parse(&it.id).ok()?))),
        });
        Self {
            realtime: realtime.clone(),
            message: emitted.id.as_str().into(),
            namespace: namespace.clone(),
            event: emit.event.clone(),
            args: small(&emit.payload),
            users: users.collect(),
        }
    }

    /// Tells of those of whom nobody was there.
    pub(super) async fn offline(&self) -> Result<(), Closed> {
        let is_offline = |it: &Addressed| (it.matched == 0).then_some(WhyUndelivered::Offline);
        self.tell(is_offline).await
    }

    /// Tells of those who were there, and none of whose connections took it.
    pub(super) async fn not_sent(&self) -> Result<(), Closed> {
        let is_refused = |it: &Addressed| 0 < it.matched && it.sent == 0;
        self.tell(|it| is_refused(it).then_some(WhyUndelivered::NotSent)).await
    }

    /// Tells of those who were there, and whose acks were waited for to the end and did not come.
    pub(super) async fn no_ack<A>(&self, outcome: &Outcome<A>) -> Result<(), Closed> {
        let acked = outcome.acks.iter().map(|it| &it.user);
        let cancelled = outcome.missing.iter().filter(|it| it.why == Why::Cancelled);
        let well: BTreeSet<&UserId> = acked.chain(cancelled.map(|it| &it.user)).collect();
        let is_silent = |it: &Addressed| 0 < it.matched && !well.contains(&it.user);
        self.tell(|it| is_silent(it).then_some(WhyUndelivered::NoAck)).await
    }

    async fn tell(&self, why: impl Fn(&Addressed) -> Option<WhyUndelivered>) -> Result<(), Closed> {
        let told = self.users.iter().filter_map(|it| {
            let why = why(it)?;
            let moment = self.realtime.clock.moment();
            Some(Undelivered {
                user: it.user.clone(),
                seq: moment.seq,
                at: moment.wall,
                message: Arc::clone(&self.message),
                namespace: self.namespace.clone(),
                event: self.event.clone(),
                args: self.args.clone(),
                why,
                matched: it.matched,
                inbox: it.inbox.clone(),
            })
        });
        let told: Vec<_> = told.collect();
        let count = saturating_u64(told.len());
        self.realtime.messages.outbox.undelivered(told).await?;
        metrics::counter!("userline_messages_undelivered_total").increment(count);
        Ok(())
    }
}

/// The arguments, if they are small and have no buffers.
fn small(payload: &Payload) -> Option<Arc<str>> {
    let bytes: usize = payload.args().iter().map(|arg| arg.get().len()).sum();
    if ARGS_BYTES_MAX < bytes || !payload.buffers().is_empty() {
        return None;
    }
    let args: Vec<&str> = payload.args().iter().map(|arg| arg.get()).collect();
    Some(format!("[{}]", args.join(",")).into())
}
