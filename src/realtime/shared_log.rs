//! What of the log of a cluster concerns clients that come back.

use crate::cluster::HistoryPage;
use crate::core::cluster::bus::wire;
use crate::core::cluster::bus::words::{BusRequest, Dismissal, NodeMessage};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Offset, Verdict};
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::types::Namespace;
use std::sync::Arc;

/// A decision about sessions.
pub(super) struct Judged {
    /// `None`: in all namespaces.
    namespace: Option<Namespace>,
    verdict: Verdict,
}

/// What a request means for sessions whose clients are away by then.
pub(super) fn verdict(request: &BusRequest) -> Option<Judged> {
    let in_namespace = |audience: &Audience| Some(audience.namespace.clone());
    let (namespace, verdict) = match request {
        BusRequest::Leave { audience, rooms } => {
            (in_namespace(audience), Verdict::Leave(audience.clone(), rooms.clone()))
        }
        BusRequest::Disconnect(Dismissal { audience, .. }) => {
            (in_namespace(audience), Verdict::End(audience.clone()))
        }
        BusRequest::KickUser { user, .. } | BusRequest::LogOut { user, .. } => {
            (None, Verdict::EndUser(user.clone()))
        }
        BusRequest::KickSocket(id) => (None, Verdict::EndSocket(*id)),
        BusRequest::Emit { .. }
        | BusRequest::Count(_)
        | BusRequest::Join { .. }
        | BusRequest::Look(_)
        | BusRequest::Follow { .. }
        | BusRequest::Replace(_)
        | BusRequest::Report(_)
        | BusRequest::Inboxes(_)
        | BusRequest::SeatsOf(_)
        | BusRequest::EndSeats { .. }
        | BusRequest::Erase { .. }
        | BusRequest::LogOutFamily { .. }
        | BusRequest::WakeHooks(_)
        | BusRequest::Attach(_) => return None,
    };
    Some(Judged { namespace, verdict })
}

impl Judged {
    /// Has it count for whoever comes back.
    pub(super) fn tell(self, recoveries: &Recoveries<Arc<Socket>>, number: u64) {
        let Self { namespace, verdict } = self;
        match namespace {
            None => recoveries.judge(number, &verdict),
            Some(namespace) => {
                if let Some(it) = recoveries.of(&namespace).filter(|it| it.is_shared()) {
                    it.judge(number, verdict);
                }
            }
        }
    }
}

/// What was in the log of the cluster before this node came: clients of nodes that are gone may have missed it.
pub fn take_history(recoveries: &Recoveries<Arc<Socket>>, history: &HistoryPage) {
    recoveries.begin_after(history.after);
    for entry in &history.entries {
        for (number, event) in (entry.first..).zip(&entry.events) {
            let Ok(NodeMessage { request, .. }) = wire::read_message(event) else { continue };
            if let Some(judged) = verdict(&request) {
                judged.tell(recoveries, number);
            }
            let BusRequest::Emit { emit, acks: None, .. } = request else { continue };
            let recovery = recoveries.of(&emit.audience.namespace);
            if let Some(recovery) = recovery.filter(|_| !emit.volatile) {
                let encode =
                    |offset: &Offset| super::emitter::encode(&emit, Some(&offset.to_string()));
                recovery.hear(number, &emit.audience, encode, |_, _| ());
            }
        }
        recoveries.read_to(entry.id);
    }
}
