//! What can be done: one verb per file, each checks, lets the core decide, and performs what it decided.
//!
//! [`connect`]: a client authenticates, comes and goes · [`emit`]: an event for users, rooms, sockets ·
//! [`post`]: the same with all that its sender may want besides · [`inbox`]: events that wait for their user ·
//! [`kick`]: a user has to go · [`query`]: who is here · [`history`]: who was · [`recent`]: what was emitted ·
//! [`sweep`]: nobody is forgotten here ·
//! [`transports`]: how clients are reached.

pub mod connect;
pub mod emit;
pub mod history;
pub mod inbox;
pub mod kick;
pub mod post;
pub mod query;
pub mod recent;
pub mod sockets;
mod sweep;
mod transports;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::{HistoryConfig, InboxConfig, LimitsConfig, MessagesConfig};
use crate::connection::{Connections, Pump};
use crate::core::memory::history::{History, HistoryLimits};
use crate::core::memory::message_status::{MessageStatusLimits, MessageStatuses};
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::store::{Inboxes, Outbox};
use crate::tasks::Tasks;
use crate::types::Namespace;
use emit::Counters;
use history::Visit;
use parking_lot::Mutex;
use post::AskedMessage;
use recent::RecentEmits;
use sockets::Sockets;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What the verbs work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Realtime {
    sockets: Sockets,
    connections: Connections,
    /// Writes to the many.
    pump: Pump,
    recoveries: Recoveries<Arc<Socket>>,
    authenticator: Arc<Authenticator>,
    clock: Clock,
    limits: LimitsConfig,
    namespaces: Arc<[Namespace]>,
    history: Arc<Mutex<History<Visit>>>,
    recent: Arc<RecentEmits>,
    /// The id of the last emit that asked for acks.
    asked: Arc<AtomicU64>,
    inbox: Arc<InboxParts>,
    tasks: Tasks,
    messages: Arc<Messages>,
    counters: Counters,
}

/// The messages that asked for acks.
#[derive(Debug)]
struct Messages {
    known: Mutex<MessageStatuses<AskedMessage>>,
    tasks: Tasks,
    outbox: Outbox,
}

impl Realtime {
    /// Puts the parts together. Emits are counted where the process counts by now.
    pub fn new(
        sockets: Sockets,
        connections: Connections,
        recoveries: Recoveries<Arc<Socket>>,
        authenticator: Authenticator,
        bounds: Bounds,
    ) -> Self {
        let authenticator = Arc::new(authenticator);
        let Bounds { limits, history, namespaces, clock, tasks, inbox, messages } = bounds;
        let HistoryConfig { per_user, total, keep } = history;
        let history = Arc::new(Mutex::new(History::new(HistoryLimits { per_user, total, keep })));
        let MessageParts { config, tasks: ack_tasks, outbox } = messages;
        let MessagesConfig { keep, entries_max, bytes_max, recent } = config;
        let known =
            Mutex::new(MessageStatuses::new(MessageStatusLimits { keep, entries_max, bytes_max }));
        Self {
            sockets,
            connections,
            pump: Pump::start(&tasks),
            recoveries,
            authenticator,
            clock,
            limits,
            namespaces: namespaces.into(),
            history,
            recent: Arc::new(recent::none(recent)),
            asked: Arc::default(),
            inbox: Arc::new(inbox),
            tasks,
            messages: Arc::new(Messages { known, tasks: ack_tasks, outbox }),
            counters: Counters::new(),
        }
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The namespaces that exist.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }
}

/// What the verbs of the inbox work with besides.
#[derive(Debug)]
pub struct InboxParts {
    /// The inboxes.
    pub inboxes: Inboxes,
    /// How long and how much they keep.
    pub config: InboxConfig,
}

/// What bounds the verbs.
#[derive(Debug)]
pub struct Bounds {
    /// Sizes.
    pub limits: LimitsConfig,
    /// What is remembered of sockets that are gone.
    pub history: HistoryConfig,
    /// The namespaces that exist.
    pub namespaces: Vec<Namespace>,
    /// The time.
    pub clock: Clock,
    /// What is queued for many is written here, and clients that connect get what they missed: as long as events are
    /// taken.
    pub tasks: Tasks,
    /// The inboxes.
    pub inbox: InboxParts,
    /// The messages.
    pub messages: MessageParts,
}

/// What the verb that sends messages works with besides.
#[derive(Debug)]
pub struct MessageParts {
    /// What is remembered of them.
    pub config: MessagesConfig,
    /// Acks are waited for here.
    pub tasks: Tasks,
    /// Takes the news of those that did not arrive.
    pub outbox: Outbox,
}
