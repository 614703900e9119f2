//! What really was, as far as a test can know: when each client was connected, when it was not, and when the server
//! ran. Whoever breaks something writes it down before.

use super::Watch;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is known of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No connection of it can be alive.
    Down,
    /// Nobody can say: it is connecting, stalled, or its server is paused.
    Murky,
    /// The server has just said that it is connected, and nothing was done to it since.
    Up,
}

/// A change of what is known of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) tab: usize,
    pub(crate) user: String,
    pub(crate) state: State,
    /// It was so from this time on; else it may have been so for a while.
    pub(crate) is_exact: bool,
}

/// What happened to the server, or to a node of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerMark {
    Ready,
    Gone,
    Paused,
    Resumed,
    /// It may not reach Redis: what becomes of its clients is not sure to be known there.
    Blind,
    /// It reaches Redis again.
    Sighted,
}

/// Everything that was written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) marks: Vec<Mark>,
    pub(crate) server: Vec<(u64, ServerMark)>,
}

/// The log. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    watch: Watch,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    tabs: Vec<Tab>,
    history: History,
    refusals: Vec<String>,
    /// Nodes that may not reach Redis, and those that may stand still.
    blind: BTreeSet<usize>,
    paused: BTreeSet<usize>,
}

#[derive(Debug)]
struct Tab {
    user: String,
    state: State,
    /// The node that the current attempt leads to; 0 if there is only one.
    node: usize,
    /// The current attempt to connect.
    attempt: u64,
    /// The current attempt has been up, so its connection is there to be broken.
    has_been_up: bool,
    /// The connection of the current attempt is broken.
    is_doomed: bool,
    pings: u32,
}

impl Truth {
    pub(crate) fn new(watch: &Watch) -> Self {
        Self { watch: watch.clone(), inner: Arc::default() }
    }

    /// A new client; returns its number.
    pub(crate) fn add(&self, user: &str) -> usize {
        let mut inner = self.inner.lock();
        inner.tabs.push(Tab {
            user: user.to_owned(),
            state: State::Down,
            node: 0,
            attempt: 0,
            has_been_up: false,
            is_doomed: false,
            pings: 0,
        });
        inner.tabs.len() - 1
    }

    /// A client was told that it may not come in, which is wrong in every test.
    pub(crate) fn is_refused(&self, user: &str, packet: &str) {
        self.inner.lock().refusals.push(format!("{user} was refused: {packet}"));
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        self.inner.lock().refusals.clone()
    }

    pub(crate) fn history(&self) -> History {
        self.inner.lock().history.clone()
    }

    pub(crate) fn state(&self, tab: usize) -> State {
        self.inner.lock().tabs[tab].state
    }

    /// The number of the client's last attempt to connect.
    pub(crate) fn attempt(&self, tab: usize) -> u64 {
        self.inner.lock().tabs[tab].attempt
    }

    /// The client is about to ask a node to be let in; returns the number of the attempt.
    pub(crate) fn begins(&self, tab: usize, node: usize) -> u64 {
        let mut inner = self.inner.lock();
        let it = &mut inner.tabs[tab];
        it.attempt += 1;
        it.node = node;
        (it.has_been_up, it.is_doomed, it.pings) = (false, false, 0);
        let attempt = it.attempt;
        inner.set(self.watch.now(), tab, State::Murky, true);
        attempt
    }

    /// The server has let it in. `false` if the connection was broken meanwhile: give it up.
    pub(crate) fn is_in(&self, tab: usize, attempt: u64) -> bool {
        let mut inner = self.inner.lock();
        let it = &mut inner.tabs[tab];
        if it.is_doomed || it.attempt != attempt {
            return false;
        }
        it.has_been_up = true;
        let state = if inner.is_well(tab) { State::Up } else { State::Murky };
        inner.set(self.watch.now(), tab, state, true);
        true
    }

    /// The server has pinged it. One ping may be a remnant, two are a living connection.
    pub(crate) fn is_pinged(&self, tab: usize) {
        let mut inner = self.inner.lock();
        let it = &mut inner.tabs[tab];
        it.pings += 1;
        let is_living = it.has_been_up && !it.is_doomed && 2 <= it.pings;
        if is_living && it.state == State::Murky && inner.is_well(tab) {
            inner.set(self.watch.now(), tab, State::Up, true);
        }
    }

    /// The client is about to leave (exactly now), or has found itself without a connection.
    pub(crate) fn is_out(&self, tab: usize, is_exact: bool) {
        let mut inner = self.inner.lock();
        inner.tabs[tab].is_doomed = true;
        inner.set(self.watch.now(), tab, State::Down, is_exact);
    }

    /// The connection of this client is about to be broken. `false` if it has none that could be.
    pub(crate) fn breaks(&self, tab: usize, state: State) -> bool {
        let mut inner = self.inner.lock();
        let it = &mut inner.tabs[tab];
        if !it.has_been_up || it.is_doomed {
            return false;
        }
        it.is_doomed = state == State::Down;
        it.pings = 0;
        inner.set(self.watch.now(), tab, state, true);
        true
    }

    /// Something happens to the server, and so to all connections.
    pub(crate) fn server(&self, mark: ServerMark) {
        self.node(0, mark);
    }

    /// Something happens to a node, and so to all connections to it.
    pub(crate) fn node(&self, node: usize, mark: ServerMark) {
        let mut inner = self.inner.lock();
        let now = self.watch.now();
        inner.history.server.push((now, mark));
        match mark {
            ServerMark::Blind => drop(inner.blind.insert(node)),
            ServerMark::Sighted => drop(inner.blind.remove(&node)),
            ServerMark::Paused => drop(inner.paused.insert(node)),
            ServerMark::Resumed | ServerMark::Gone => drop(inner.paused.remove(&node)),
            ServerMark::Ready => {}
        }
        for tab in 0..inner.tabs.len() {
            let it = &mut inner.tabs[tab];
            if it.node != node {
                continue;
            }
            match mark {
                ServerMark::Ready => {}
                ServerMark::Gone => {
                    it.is_doomed = true;
                    inner.set(now, tab, State::Down, true);
                }
                ServerMark::Paused
                | ServerMark::Resumed
                | ServerMark::Blind
                | ServerMark::Sighted => {
                    it.pings = 0;
                    if it.state == State::Up {
                        inner.set(now, tab, State::Murky, true);
                    }
                }
            }
        }
    }
}

impl Inner {
    /// The node of this client runs, and can say in Redis what becomes of it.
    fn is_well(&self, tab: usize) -> bool {
        let node = &self.tabs[tab].node;
        !self.blind.contains(node) && !self.paused.contains(node)
    }

    fn set(&mut self, at: u64, tab: usize, state: State, is_exact: bool) {
        let it = &mut self.tabs[tab];
        if it.state != state {
            it.state = state;
            self.history.marks.push(Mark { at, tab, user: it.user.clone(), state, is_exact });
        }
    }
}
