//! Telling the backend of users that a message did not reach, so that it can try another way.

use super::StoredItem;
use crate::clock::Clock;
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::acks::{AckSummary, WhyNoAck};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::hooks::{HookLedger, NotTold};
use crate::realtime::emitter::Emitted;
use crate::realtime::sockets::Sockets;
use crate::types::{
    EventName, ItemId, ItemSeq, Namespace, Payload, Undelivered, UserId, WhyUndelivered,
    saturating_u64,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of arguments that a hook may have.
const ARGS_BYTES_MAX: usize = 4096;

/// Tells the backend of users that messages did not reach, by hooks.
#[derive(Debug)]
pub struct UndeliveredHooks {
    sockets: Sockets,
    ledger: HookLedger,
    clock: Clock,
}

/// A message, and the users of whom the backend is told if it does not reach them.
#[derive(Debug)]
pub(super) struct UndeliveredReport {
    message: Arc<str>,
    namespace: Namespace,
    event: EventName,
    args: Option<Arc<str>>,
    users: Vec<NamedUser>,
}

/// A user whom the message was for.
#[derive(Debug)]
struct NamedUser {
    user: UserId,
    /// Sockets of the user it was for.
    matched: usize,
    /// Sockets of the user whose connection took it.
    sent: usize,
    /// Where it is in the user's inbox, if it is there.
    inbox: Option<(ItemSeq, ItemId)>,
}

/// The users of a report of whom the backend is told now.
pub(super) struct UndeliveredUsers<'a> {
    report: &'a UndeliveredReport,
    users: Vec<&'a NamedUser>,
    why: WhyUndelivered,
}

impl UndeliveredHooks {
    /// Hooks go out through `ledger`.
    pub fn new(sockets: Sockets, ledger: impl Into<HookLedger>, clock: Clock) -> Self {
        Self { sockets, ledger: ledger.into(), clock }
    }

    /// Whether an endpoint wants to be told, and can be.
    pub(super) async fn check(&self) -> Result<(), NoHook> {
        self.ledger.check().await
    }

    /// What may have to be told of a message. A user of whom every socket is left out by `except`, or who has it
    /// already, is not told of.
    pub(super) fn report(
        &self,
        emit: &Emit,
        emitted: &Emitted,
        stored: &BTreeMap<UserId, StoredItem>,
    ) -> UndeliveredReport {
        let Audience { namespace, except, .. } = &*emit.audience;
        let left_out = emit.audience.left_out();
        let has_left_out_socket = |user: &UserId| {
            let sockets = self.sockets.reachable(user, namespace);
            sockets.iter().any(|it| left_out.includes(&**it))
        };
        let is_left_out = |user: &UserId, matched: usize| {
            left_out.includes(user)
                || stored.get(user).is_some_and(|it| it.is_duplicate)
                || (matched == 0 && !except.is_empty() && has_left_out_socket(user))
        };
        let users = emitted.users.iter().filter(|(user, it)| !is_left_out(user, it.matched));
        let users = users.map(|(user, it)| NamedUser {
            user: user.clone(),
            matched: it.matched,
            sent: it.sent,
            inbox: stored.get(user).and_then(|it| Some((it.seq, ItemId::parse(&it.id).ok()?))),
        });
        UndeliveredReport {
            message: emitted.id.as_str().into(),
            namespace: namespace.clone(),
            event: emit.event.clone(),
            args: small(&emit.payload),
            users: users.collect(),
        }
    }

    /// Tells the backend. Answers when the hooks are on disk, or where all nodes keep them.
    pub(super) async fn tell(&self, undelivered: UndeliveredUsers<'_>) -> Result<(), NotTold> {
        let UndeliveredUsers { report, users, why } = undelivered;
        let news = users.iter().map(|it| {
            let moment = self.clock.moment();
            Undelivered {
                user: it.user.clone(),
                seq: moment.seq,
                at: moment.wall,
                message: Arc::clone(&report.message),
                namespace: report.namespace.clone(),
                event: report.event.clone(),
                args: report.args.clone(),
                why,
                matched: it.matched,
                inbox: it.inbox.clone(),
            }
        });
        let news: Vec<_> = news.collect();
        let count = saturating_u64(news.len());
        if count == 0 {
            return Ok(());
        }
        self.ledger.undelivered(news).await?;
        metrics::counter!("userline_messages_undelivered_total").increment(count);
        Ok(())
    }
}

impl UndeliveredReport {
    /// Those of whom nobody was there.
    pub(super) fn offline(&self) -> UndeliveredUsers<'_> {
        self.those(WhyUndelivered::Offline, |it| it.matched == 0)
    }

    /// Those who were there, and none of whose connections took it.
    pub(super) fn not_sent(&self) -> UndeliveredUsers<'_> {
        self.those(WhyUndelivered::NotSent, |it| 0 < it.matched && it.sent == 0)
    }

    /// Those who were there, and whose acks were waited for to the end and did not come.
    pub(super) fn no_ack<A>(&self, outcome: &AckSummary<A>) -> UndeliveredUsers<'_> {
        let acked = outcome.acks.iter().map(|it| &it.user);
        let cancelled = outcome.missing.iter().filter(|it| it.why == WhyNoAck::Cancelled);
        let well: BTreeSet<&UserId> = acked.chain(cancelled.map(|it| &it.user)).collect();
        self.those(WhyUndelivered::NoAck, |it| 0 < it.matched && !well.contains(&it.user))
    }

    fn those(
        &self,
        why: WhyUndelivered,
        is_meant: impl Fn(&NamedUser) -> bool,
    ) -> UndeliveredUsers<'_> {
        let users = self.users.iter().filter(|it| is_meant(it)).collect();
        UndeliveredUsers { report: self, users, why }
    }
}

/// The arguments as a JSON array, if they are small and have no buffers.
fn small(payload: &Payload) -> Option<Arc<str>> {
    let bytes: usize = payload.args().iter().map(|arg| arg.get().len()).sum();
    if ARGS_BYTES_MAX < bytes || !payload.buffers().is_empty() {
        return None;
    }
    let args: Vec<&str> = payload.args().iter().map(|arg| arg.get()).collect();
    Some(format!("[{}]", args.join(",")).into())
}

#[cfg(test)]
impl<'a> UndeliveredUsers<'a> {
    /// The names of the users.
    pub(super) fn names(&self) -> Vec<&'a str> {
        self.users.iter().map(|it| it.user.as_str()).collect()
    }
}
