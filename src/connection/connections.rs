//! All connections, by their secret names.

use super::addresses::AddressShares;
use super::waiting::WaitingBytes;
use super::{Connection, Transport};
use crate::config::{GuestsConfig, LimitsConfig};
use dashmap::DashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use thiserror::Error;

/// All open connections, at most as many as the limit. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<ConnectionTable>,
}

struct ConnectionTable {
    by_sid: DashMap<Arc<str>, Arc<Connection>>,
    count: AtomicUsize,
    /// Of these, by WebSocket.
    websockets: AtomicUsize,
    /// There was one since the start.
    was_websocket: AtomicBool,
    max: usize,
    /// Whose clients have joined no namespace.
    homeless: AtomicUsize,
    homeless_max: usize,
    /// CONNECTs that are being decided.
    loans: AtomicUsize,
    /// CONNECTs that wait until they can be.
    loans_waiting: AtomicUsize,
    addresses: AddressShares,
    /// Those of guests.
    guests: AtomicUsize,
    guests_max: usize,
    guest_addresses: AddressShares,
    waiting: WaitingBytes,
    is_draining: AtomicBool,
    has_foreign_parser: AtomicBool,
    has_old_client: AtomicBool,
}

/// Without the names, which are secrets.
impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// CONNECTs of clients that are not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoanCounts {
    /// It is being decided what becomes of them.
    pub under_way: usize,
    /// They wait for their turn.
    pub waiting: usize,
}

/// How the open connections reach their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// By HTTP long-polling.
    pub polling: usize,
    /// By WebSocket.
    pub websocket: usize,
    /// There was a WebSocket since the start.
    pub was_websocket: bool,
}

/// Why no connection is taken now; clients that come back later may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NotAdmitted {
    /// The limit is reached.
    #[error("too many connections")]
    Full,
    /// The client's address has as many as it may.
    #[error("too many connections of this address")]
    Address,
    /// What is kept of handshakes has as many bytes as it may.
    #[error("handshakes have too long headers")]
    Handshakes,
    /// The backend is down that says who clients are.
    #[error("who clients are cannot be found out now")]
    Backend,
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
}

impl NotAdmitted {
    /// What to look at.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Full => "limits.connections is reached",
            Self::Address => "limits.per_address is reached",
            Self::Handshakes => "limits.handshake_bytes is reached",
            Self::Backend => "who clients are cannot be found out now",
            Self::Draining => "the server is stopping",
        }
    }

    /// The stable name in metrics.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Address => "address",
            Self::Handshakes => "handshake_bytes",
            Self::Backend => "backend",
            Self::Draining => "stopping",
        }
    }
}

impl Connections {
    /// Room for `max` connections.
    pub fn new(max: usize) -> Self {
        let none = || AddressShares::new("limits.per_address", 0, false);
        Self::with((max, max), none(), (max, none()), usize::MAX)
    }

    /// As much room as is configured, in all and for each address, for all and for guests.
    /// `has_proxies` says whether the addresses behind proxies are known.
    pub fn of(limits: &LimitsConfig, guests: &GuestsConfig, has_proxies: bool) -> Self {
        // Those who have said who they are keep half in any case.
        let homeless_max = limits.unauthenticated.min(limits.connections.div_ceil(2));
        let shares = |key, max| AddressShares::new(key, max, has_proxies);
        let addresses = shares("limits.per_address", limits.per_address);
        let guests = (guests.max, shares("guests.per_address", guests.per_address));
        Self::with((limits.connections, homeless_max), addresses, guests, limits.waiting_bytes)
    }

    fn with(
        (max, homeless_max): (usize, usize),
        addresses: AddressShares,
        (guests_max, guest_addresses): (usize, AddressShares),
        waiting_bytes: usize,
    ) -> Self {
        let shared = ConnectionTable {
            by_sid: DashMap::new(),
            count: AtomicUsize::new(0),
            websockets: AtomicUsize::new(0),
            was_websocket: AtomicBool::new(false),
            max,
            homeless: AtomicUsize::new(0),
            homeless_max,
            loans: AtomicUsize::new(0),
            loans_waiting: AtomicUsize::new(0),
            addresses,
            guests: AtomicUsize::new(0),
            guests_max,
            guest_addresses,
            waiting: WaitingBytes::new(waiting_bytes),
            is_draining: AtomicBool::new(false),
            has_foreign_parser: AtomicBool::new(false),
            has_old_client: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Open connections.
    pub fn len(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// How the open connections reach their clients.
    pub fn transports(&self) -> Transports {
        let websocket = self.shared.websockets.load(Ordering::Relaxed);
        let was_websocket = self.shared.was_websocket.load(Ordering::Relaxed);
        Transports { polling: self.len().saturating_sub(websocket), websocket, was_websocket }
    }

    /// No connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on no new connection is taken.
    pub fn start_draining(&self) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Connections::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining.load(Ordering::Relaxed)
    }

    /// The connections that are open now.
    pub fn snapshot(&self) -> Vec<Arc<Connection>> {
        self.shared.by_sid.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// A client uses another parser; whether it is the first one, which is worth a line in the log.
    pub(super) fn is_first_foreign_parser(&self) -> bool {
        !self.shared.has_foreign_parser.swap(true, Ordering::Relaxed)
    }

    /// A client is too old; whether it is the first one, which is worth a line in the log.
    pub(super) fn is_first_old_client(&self) -> bool {
        !self.shared.has_old_client.swap(true, Ordering::Relaxed)
    }

    /// Whether a connection from this address would be taken now.
    pub(super) fn admits(&self, address: IpAddr) -> Result<(), NotAdmitted> {
        if self.is_draining() {
            return Err(NotAdmitted::Draining);
        }
        if !self.shared.addresses.admits(address) {
            return Err(NotAdmitted::Address);
        }
        if self.shared.max <= self.len() { Err(NotAdmitted::Full) } else { Ok(()) }
    }

    /// The client of one more has joined no namespace.
    pub(super) fn one_more_homeless(&self) {
        self.shared.homeless.fetch_add(1, Ordering::Relaxed);
    }

    /// One has joined, or is closed.
    pub(super) fn one_less_homeless(&self) {
        self.shared.homeless.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether more clients have joined no namespace than may be so.
    pub(super) fn are_too_many_homeless(&self) -> bool {
        self.shared.homeless_max < self.homeless()
    }

    /// Open connections whose clients have joined no namespace.
    pub fn homeless(&self) -> usize {
        self.shared.homeless.load(Ordering::Relaxed)
    }

    /// One more is a guest's, from this address. False, and not counted, if there are as many as there may be.
    pub(super) fn take_guest(&self, address: IpAddr) -> bool {
        let ConnectionTable { guests, guests_max, guest_addresses, .. } = &*self.shared;
        if !guest_addresses.take(address) {
            return false;
        }
        let more = |count: usize| (count < *guests_max).then_some(count + 1);
        let is_taken = guests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !is_taken {
            guest_addresses.give_back(address);
        }
        is_taken
    }

    /// One that was a guest's is not any more.
    pub(super) fn give_back_guest(&self, address: IpAddr) {
        self.shared.guest_addresses.give_back(address);
        self.shared.guests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Open connections of guests.
    pub fn guests(&self) -> usize {
        self.shared.guests.load(Ordering::Relaxed)
    }

    /// One more CONNECT is being decided.
    pub(super) fn one_more_loan(&self) {
        self.shared.loans.fetch_add(1, Ordering::Relaxed);
    }

    /// One has been.
    pub(super) fn one_less_loan(&self) {
        self.shared.loans.fetch_sub(1, Ordering::Relaxed);
    }

    /// So many CONNECTs wait for their turn now.
    pub(super) fn loans_wait(&self, waiting: usize) {
        self.shared.loans_waiting.store(waiting, Ordering::Relaxed);
    }

    /// CONNECTs that are not answered.
    pub fn loans(&self) -> LoanCounts {
        let under_way = self.shared.loans.load(Ordering::Relaxed);
        LoanCounts { under_way, waiting: self.shared.loans_waiting.load(Ordering::Relaxed) }
    }

    /// What waits for the clients of all.
    pub(super) fn waiting(&self) -> &WaitingBytes {
        &self.shared.waiting
    }

    /// Bytes of that.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting().bytes()
    }

    /// The connection with this secret name.
    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Connection>> {
        self.shared.by_sid.get(sid).map(|entry| Arc::clone(entry.value()))
    }

    /// Takes a connection in. Counts it in the same step as it looks at the limit: many may come at once.
    pub(super) fn insert(&self, connection: &Arc<Connection>) -> Result<(), NotAdmitted> {
        if self.is_draining() {
            return Err(NotAdmitted::Draining);
        }
        let address = connection.facts().address;
        if !self.shared.addresses.take(address) {
            return Err(NotAdmitted::Address);
        }
        let more = |count: usize| (count < self.shared.max).then_some(count + 1);
        let count = &self.shared.count;
        if count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.shared.addresses.give_back(address);
            return Err(NotAdmitted::Full);
        }
        if connection.transport() == Transport::WebSocket {
            self.note_websocket();
        }
        self.shared.by_sid.insert(Arc::clone(connection.sid()), Arc::clone(connection));
        Ok(())
    }

    /// One more has a WebSocket.
    pub(super) fn note_websocket(&self) {
        self.shared.websockets.fetch_add(1, Ordering::Relaxed);
        self.shared.was_websocket.store(true, Ordering::Relaxed);
    }

    /// Takes one out that has `transport` at its end.
    pub(super) fn remove(&self, sid: &str, transport: Transport) {
        if let Some((_, connection)) = self.shared.by_sid.remove(sid) {
            self.shared.addresses.give_back(connection.facts().address);
            self.shared.count.fetch_sub(1, Ordering::Relaxed);
            if transport == Transport::WebSocket {
                self.shared.websockets.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
