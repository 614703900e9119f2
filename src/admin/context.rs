//! What the handlers share.

use super::answered::AnswerCounters;
use super::idempotency::requests::NamedRequests;
use super::keys::Keys;
use super::ready::Ready;
use crate::clock::Clock;
use crate::commands::emit::EmitTerms;
use crate::config::{InboxConfig, LimitsConfig};
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::realtime::attachments::Attachments;
use crate::realtime::control::Control;
use crate::realtime::directory::Directory;
use crate::realtime::erasure::Erasure;
use crate::realtime::everywhere::Everywhere;
use crate::realtime::feed::EventFeed;
use crate::realtime::inboxes::LiveInboxes;
use crate::realtime::memberships::MembershipControl;
use crate::realtime::messages::Messages;
use crate::realtime::reports::Reports;
use crate::tasks::Tasks;
use crate::types::EventPattern;
use bytes::Bytes;
use std::ops::Deref;
use std::sync::Arc;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct AdminContext(Arc<AdminShared>);

/// What every request may need.
#[derive(Debug)]
pub(super) struct AdminShared {
    pub(super) messages: Arc<Messages>,
    pub(super) inboxes: Arc<LiveInboxes>,
    pub(super) everywhere: Arc<Everywhere>,
    pub(super) memberships: Arc<MembershipControl>,
    pub(super) control: Arc<Control>,
    pub(super) erasure: Arc<Erasure>,
    pub(super) attachments: Arc<Attachments>,
    pub(super) directory: Arc<Directory>,
    pub(super) reports: Arc<Reports>,
    pub(super) feed: EventFeed,
    pub(super) hooks: Hooks,
    pub(super) keys: Keys,
    pub(super) limits: LimitsConfig,
    pub(super) inbox: InboxConfig,
    /// Events that only clients send.
    pub(super) client_events: Vec<EventPattern>,
    pub(super) ready: Ready,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) named_requests: NamedRequests,
    pub(super) answers: AnswerCounters,
    /// The OpenAPI document, as it is answered.
    pub(super) document: Bytes,
}

impl AdminContext {
    pub(super) fn new(shared: AdminShared) -> Self {
        Self(Arc::new(shared))
    }

    /// What of the configuration bounds an emit.
    pub(super) fn emit_terms(&self) -> EmitTerms<'_> {
        let (namespaces, ttl_max) = (self.directory.namespaces(), self.inbox.keep);
        let client_events = &self.client_events;
        EmitTerms { namespaces, default_namespace: None, ttl_max, client_events }
    }
}

impl Deref for AdminContext {
    type Target = AdminShared;

    fn deref(&self) -> &AdminShared {
        &self.0
    }
}
