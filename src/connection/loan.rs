//! The engine is lent to a connection for each CONNECT, and let go after its answer.
//!
//! ```text
//!   connection ──CONNECT──► Loan ──EngineStream──► engine ──► middleware: who is it?
//!       ▲                    │ ▲                     │             │
//!       └──── the verdict ───┘ └───── its answer ────┘◄── Decision ┘
//! ```
//!
//! The engine keeps tasks, queues and timers for what it serves, some 14 KiB: more than ten times what a client that says
//! nothing needs. So it serves a client only while it asks to join a namespace. All else is the connection's own. Which
//! CONNECT is lent when is decided in [`crate::core::protocol::loan`].
//!
//! Only so many loans run at once. A wave of clients would else hold an engine each, for as long as the whole wave takes, and
//! the memory of that stays with the process. One that waits for the store, or for a backend, keeps nobody.
//!
//! The engine accepts whomever its middleware has decided on, be it to refuse: only then does it forget the timer with which
//! it waits for a CONNECT, and all that hangs on it. What the client hears is the verdict.

use super::Connection;
use super::listeners::EventListener;
use crate::types::{Namespace, Timestamp};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// The engine has one CONNECT of one client.
#[derive(Debug)]
pub struct Loan {
    connection: Arc<Connection>,
    namespace: Namespace,
    /// When the client asked.
    since: Timestamp,
    state: Mutex<LoanState>,
    /// The client is gone, or has left the namespace again: nobody needs the verdict any more.
    abandoned: Notify,
}

#[derive(Debug, Default)]
struct LoanState {
    /// It has its turn at the engine still.
    has_turn: bool,
    /// The engine has it, or has had it.
    has_begun: bool,
    verdict: Option<ConnectVerdict>,
    /// The engine is to let go.
    is_returned: bool,
    /// Wakes the engine when that is so.
    engine: Option<Waker>,
}

/// What becomes of a CONNECT.
#[derive(Debug)]
pub enum ConnectVerdict {
    /// The client joins the namespace.
    Accept(Accept),
    /// It is refused with these frames.
    Refuse(Bytes),
}

/// What to do when a client joins a namespace.
pub struct Accept {
    /// Takes what the client emits there from then on.
    pub listener: Arc<dyn EventListener>,
    /// Sends the reply, by [`Connection::answer_connect`], before it makes the socket known to anybody. It is called at
    /// most once and must not wait. It is dropped uncalled if the client is gone by then.
    pub answer: AcceptAnswer,
}

type AcceptAnswer = Box<dyn FnOnce(&Arc<Connection>) + Send>;

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}

/// A decision to be made about a CONNECT. If it is dropped before that, the connection is closed.
#[derive(Debug)]
pub struct Decision {
    loan: Arc<Loan>,
    is_over: bool,
}

impl Loan {
    /// The engine is about to get this CONNECT of a client.
    pub(super) fn new(connection: Arc<Connection>, namespace: Namespace) -> Arc<Self> {
        let state = Mutex::new(LoanState { has_turn: true, ..LoanState::default() });
        let (since, abandoned) = (connection.now(), Notify::new());
        Arc::new(Self { connection, namespace, since, state, abandoned })
    }

    /// The engine gets it now.
    pub(super) fn begin(&self) {
        self.state.lock().has_begun = true;
        self.connection.shared.connections.one_more_loan();
    }

    /// How long the client has waited so far.
    pub(super) fn age(&self) -> Duration {
        self.connection.now().since(self.since)
    }

    /// The next one's turn has come: this one is over, or waits for something else than the processor.
    fn end_turn(&self) {
        if mem::replace(&mut self.state.lock().has_turn, false) {
            self.connection.shared.end_turn();
        }
    }

    /// Nobody needs the verdict any more.
    pub(super) fn abandon(&self) {
        self.abandoned.notify_one();
    }

    /// The connection that the engine is lent to.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The namespace that its client wants to join.
    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Begins to decide what becomes of the CONNECT.
    pub fn decide(self: &Arc<Self>) -> Decision {
        Decision { loan: Arc::clone(self), is_over: false }
    }

    /// Ready when the engine is to let go.
    pub(super) fn poll_returned(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.is_returned {
            return Poll::Ready(());
        }
        state.engine = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The engine has answered, or never will: it is let go, and what was decided is done. Repeats change nothing.
    pub(super) fn give_back(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if mem::replace(&mut state.is_returned, true) {
            return;
        }
        let (verdict, engine) = (state.verdict.take(), state.engine.take());
        let has_begun = state.has_begun;
        drop(state);
        if has_begun {
            self.connection.shared.connections.one_less_loan();
        }
        self.end_turn();
        if let Some(engine) = engine {
            engine.wake();
        }
        self.connection.loan_returned(self, verdict);
    }
}

impl Decision {
    /// Waits until nobody needs the decision any more: the client is gone, or has left the namespace again.
    pub async fn abandoned(&self) {
        self.loan.abandoned.notified().await;
    }

    /// The decision has to wait for something: others may have their turn meanwhile.
    pub fn waits(&self) {
        self.loan.end_turn();
    }

    /// Decides. It takes effect when the engine has answered.
    pub fn make(mut self, verdict: ConnectVerdict) {
        self.loan.state.lock().verdict = Some(verdict);
        self.is_over = true;
    }

    /// Decides nothing, because nobody needs it any more.
    pub fn give_up(mut self) {
        self.is_over = true;
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        if !self.is_over {
            self.loan.give_back();
        }
    }
}
