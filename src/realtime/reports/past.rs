//! What each node alone remembers: its emits, what became of them, and the sockets it had.

use super::Reports;
use crate::cluster::{BusError, OnNodes};
use crate::connection::ReceivedAck;
use crate::core::cluster::bus::past::{
    AckFacts, AckTexts, FoundSocket, MessageFacts, VisitFacts, merged_messages, merged_visits,
};
use crate::core::cluster::bus::reports::{NodeReport, ReportQuery};
use crate::core::cluster::bus::words::SocketFacts;
use crate::realtime::emitter::OtherCounts;
use crate::realtime::inboxes::InboxError;
use crate::realtime::messages::{AckStatus, MessageStatus, RecalledEmit};
use crate::realtime::visits::Visit;
use crate::types::{Ending, Room, UserId, WallMs, millis};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::Arc;
use thiserror::Error;

/// Why nothing can be said of a message.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The inboxes cannot be read.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// The other nodes cannot be asked.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Reports {
    /// The last emits, whichever node was asked for them: the newest first, at most `limit`; of a user those that were for it.
    pub async fn messages(
        &self,
        user: Option<&UserId>,
        limit: usize,
    ) -> Result<OnNodes<Vec<MessageFacts>>, BusError> {
        let of = match user {
            None => None,
            Some(user) => {
                let found = self.parts.directory.sockets_of(user).await?;
                // Only what says which emits were for them: more might not fit into a question.
                let sockets = found.done.sockets.into_iter();
                let sockets = sockets.map(|it| SocketFacts { data: None, attached: None, ..it });
                Some((user.clone(), sockets.collect()))
            }
        };
        let OnNodes { done: reports, missing } =
            self.ask(ReportQuery::Messages { of, limit }).await?;
        let messages = reports.into_iter().filter_map(|it| {
            if let NodeReport::Messages(messages) = it { Some(messages) } else { None }
        });
        Ok(OnNodes { done: merged_messages(messages.collect(), limit), missing })
    }

    /// What became of a message: `id` is that of the emit, or the name that its sender gave. `None`: nothing is known.
    pub async fn message(&self, id: &str) -> Result<OnNodes<Option<MessageStatus>>, ReportError> {
        let mut status = self.parts.messages.status(id).await?;
        let mut on_nodes = OnNodes::here(None);
        if status.acks.is_none() && self.cluster.is_some() {
            let OnNodes { done: reports, missing } =
                self.ask(ReportQuery::Acks(status.ids.clone())).await?;
            status.acks = reports
                .into_iter()
                .find_map(|it| if let NodeReport::Acks(facts) = it { acks(facts?) } else { None });
            // One node remembers them: when that is found, nobody is missing.
            if status.acks.is_none() {
                on_nodes.missing = missing;
            }
        }
        let is_known = status.acks.is_some() || !status.placed.is_empty();
        on_nodes.done = is_known.then_some(status);
        Ok(on_nodes)
    }

    /// The sockets that a user has and had: those that are there, the latest first, then the one that ended last first.
    pub async fn history(&self, user: &UserId) -> Result<OnNodes<Vec<VisitFacts>>, BusError> {
        let OnNodes { done: reports, missing } =
            self.ask(ReportQuery::Visits(user.clone())).await?;
        let visits = reports
            .into_iter()
            .filter_map(|it| if let NodeReport::Visits(visits) = it { Some(visits) } else { None });
        Ok(OnNodes { done: merged_visits(visits.collect()), missing })
    }

    pub(super) fn messages_here(
        &self,
        of: Option<&(UserId, Vec<SocketFacts>)>,
        limit: usize,
    ) -> Vec<MessageFacts> {
        let sockets: Vec<FoundSocket> = of
            .iter()
            .flat_map(|(user, sockets)| sockets.iter().map(|it| FoundSocket::new(user, it)))
            .collect();
        let user = of.map(|(user, _)| user);
        let recalled = self.parts.messages.recent(user.map(|it| (it, sockets.as_slice())), limit);
        recalled.iter().map(|it| message(it, user)).collect()
    }

    pub(super) fn acks_here(&self, ids: &[String]) -> Option<AckFacts> {
        let status = self.parts.messages.ack_status(ids)?;
        let ((matched, sent), at) = (status.counts(), status.at.0);
        let texts = |said: &ReceivedAck| {
            let buffers = said.buffers.iter().map(|it| it.to_vec()).collect();
            Some(AckTexts { args: said.args.get().to_owned(), buffers })
        };
        let outcome = status.outcome.and_then(|it| it.try_map(texts));
        Some(AckFacts { at, matched, sent, outcome })
    }

    pub(super) fn visits_here(&self, user: &UserId) -> Vec<VisitFacts> {
        self.parts.people.history(user).iter().map(visit).collect()
    }
}

/// With the numbers of `only` this user, or of all that were named.
fn message(recalled: &RecalledEmit, only: Option<&UserId>) -> MessageFacts {
    let RecalledEmit { emit, acked } = recalled;
    let (audience, (matched, sent)) = (&emit.audience, emit.counts());
    let users = emit.users().filter(|(user, _)| only.is_none_or(|only| only == *user));
    MessageFacts {
        id: emit.id.clone(),
        at: emit.at.0,
        namespace: audience.namespace.as_str().to_owned(),
        event: emit.event.as_str().to_owned(),
        volatile: emit.volatile,
        source: emit.source.as_ref().map(ToString::to_string),
        is_to_all: audience.target.all,
        rooms: audience.target.rooms.iter().map(Room::to_string).collect(),
        sockets: audience.target.sockets.clone(),
        matched,
        sent,
        acked: *acked,
        users: users.map(|(user, it)| (user.clone(), it)).collect(),
    }
}

/// As it was where it is remembered; `None` if that cannot be read.
fn acks(facts: AckFacts) -> Option<AckStatus> {
    let AckFacts { at, matched, sent, outcome } = facts;
    let received = |said: &AckTexts| {
        let args = RawValue::from_string(said.args.clone()).ok()?;
        let buffers = said.buffers.iter().cloned().map(Bytes::from).collect();
        Some(ReceivedAck { args, buffers })
    };
    let outcome = match outcome {
        None => None,
        Some(outcome) => Some(Arc::new(outcome.try_map(received)?)),
    };
    let (here, others) = ((matched, sent), OtherCounts::default());
    Some(AckStatus { at: WallMs(at), here, others, outcome })
}

fn visit(visit: &Visit) -> VisitFacts {
    let vitals = visit.vitals;
    VisitFacts {
        id: visit.id,
        namespace: visit.namespace.as_str().to_owned(),
        address: visit.address.to_string(),
        user_agent: visit.user_agent.as_deref().map(str::to_owned),
        transport: vitals.transport.as_str().to_owned(),
        is_upgraded: vitals.is_upgraded,
        connected_at: visit.connected_at.0,
        end: visit.end.map(|end| (end.at.0, end.reason.as_str().to_owned())),
        silent_ms: millis(vitals.silent),
        bytes_in: vitals.bytes_in,
        bytes_out: vitals.bytes_out,
        pending_bytes: vitals.pending_bytes,
        ending: vitals.ending.map(|it| Ending::as_str(it).to_owned()),
        close_code: vitals.close_code,
    }
}
