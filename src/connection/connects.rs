//! The CONNECTs of one connection: lent to the engine one after the other, answered, and what comes of leaving before that.

use super::engine_stream::EngineStream;
use super::loan::{Accept, ConnectVerdict, Loan};
use super::pool::NoRoom;
use super::unfinished::{TakenRoom, count_refused};
use super::{Connection, ConnectionState, Phase};
use crate::core::protocol::loan::{BadAuth, Connect, ConnectBreach, Loans};
use crate::core::protocol::packet;
use crate::types::{Ending, Namespace, Reason, millis};
use parking_lot::MutexGuard;
use serde_json::json;
use std::sync::Arc;

/// The CONNECTs of one connection that are not answered.
#[derive(Debug)]
pub(super) struct OpenLoans {
    rule: Loans,
    /// The one that the engine has.
    lent: Option<Arc<Loan>>,
    /// That those which wait take.
    room: TakenRoom,
}

impl Connection {
    /// The client wants to join a namespace.
    pub(super) fn connect_received(self: &Arc<Self>, namespace: &str, auth: &str) {
        let Some(namespace) = self.shared.namespaces.iter().find(|it| it.as_str() == namespace)
        else {
            self.send(&packet::invalid_namespace(namespace));
            return;
        };
        let connect = match Connect::parse(namespace, auth, self.shared.limits.auth_bytes) {
            Ok(connect) => connect,
            Err(_) if self.lock().listeners.is_joined(namespace) => {
                tracing::debug!(breach = %ConnectBreach::Joined, "closing a connection");
                return self.finish(Reason::TransportError);
            }
            Err(why) => return self.refuse_auth(namespace, why),
        };
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        let bytes_max = self.shared.limits.payload_bytes;
        let room = self.no_room_yet(&state);
        let ConnectionState { loans, listeners, .. } = &mut *state;
        let open = loans.get_or_insert_with(|| Box::new(OpenLoans::new(bytes_max, room)));
        let next = open.rule.connect(connect, |it| listeners.is_joined(it));
        self.lend(state, next);
    }

    /// What the client sent along cannot say who it is.
    fn refuse_auth(self: &Arc<Self>, namespace: &Namespace, why: BadAuth) {
        metrics::counter!("userline_connects_refused_total", "code" => why.code()).increment(1);
        tracing::debug!(code = why.code(), %why, "refused a client");
        let message = why.to_string();
        let data = json!({"code": why.code(), "message": message});
        let error = json!({"message": message, "data": data}).to_string();
        self.send(&packet::connect_error(namespace, &error));
    }

    /// The client leaves a namespace.
    pub(super) fn disconnect_received(&self, namespace: &str) {
        let mut state = self.lock();
        if let Some(open) = state.loans.as_deref_mut()
            && open.rule.leave(namespace)
        {
            open.abandon();
        }
        let listener = state.listeners.leave(namespace);
        if listener.is_some() && state.listeners.is_empty() {
            self.expect_connect(&mut state);
        }
        drop(state);
        if let Some(listener) = listener {
            listener.leave(Reason::ClientDisconnect);
        }
    }

    /// The engine has let go of a loan, and this was decided.
    pub(super) fn loan_returned(
        self: &Arc<Self>,
        loan: &Arc<Loan>,
        verdict: Option<ConnectVerdict>,
    ) {
        let mut state = self.lock();
        let open = state.loans.as_deref().filter(|it| it.is_about(loan));
        let is_wanted = open.is_some_and(|it| it.rule.is_wanted()) && state.phase == Phase::Open;
        let outcome = match (verdict, is_wanted) {
            (Some(ConnectVerdict::Accept(Accept { listener, answer })), true) => {
                state.listeners.join(loan.namespace().clone(), listener);
                self.is_homeless_no_more(&mut state);
                // The answer takes locks whose holders may be waiting for this one.
                drop(state);
                answer(self);
                "accepted"
            }
            (Some(ConnectVerdict::Refuse(frames)), true) => {
                drop(state);
                self.answer_connect(&frames);
                "refused"
            }
            (None, true) => {
                drop(state);
                tracing::error!("the engine did not say what becomes of a client");
                self.close(Reason::TransportError);
                "failed"
            }
            (unneeded, false) => {
                drop(state);
                drop(unneeded);
                "abandoned"
            }
        };
        metrics::counter!("userline_loans_total", "outcome" => outcome).increment(1);
        metrics::counter!("userline_loan_milliseconds_total").increment(millis(loan.age()));
        let mut state = self.lock();
        self.flush_now(&mut state);
        let ConnectionState { loans, listeners, .. } = &mut *state;
        if let Some(open) = loans.as_deref_mut().filter(|it| it.is_about(loan)) {
            let next = open.rule.next(|it| listeners.is_joined(it));
            self.lend(state, next);
        }
    }

    /// Lends the engine what comes next, if anything does.
    fn lend(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, ConnectionState>,
        next: Result<Option<Connect>, ConnectBreach>,
    ) {
        let open = state.loans.as_deref_mut();
        if let Some(Err(NoRoom)) = open.map(|it| it.room.resize(it.rule.bytes())) {
            count_refused("connect");
            state.note(Ending::NoRoom);
            drop(state);
            return self.finish(Reason::TransportError);
        }
        match next {
            Ok(Some(Connect { namespace, auth })) => {
                let loan = Loan::new(Arc::clone(self), namespace);
                if let Some(open) = state.loans.as_deref_mut() {
                    open.lent = Some(Arc::clone(&loan));
                }
                drop(state);
                self.shared.lend(EngineStream::new(loan, &auth));
            }
            Ok(None) => {
                // Gives the memory back: nearly always there is none.
                state.loans = state.loans.take().filter(|it| !it.rule.is_empty());
            }
            Err(breach) => {
                drop(state);
                tracing::debug!(%breach, "closing a connection");
                self.finish(Reason::TransportError);
            }
        }
    }
}

impl ConnectionState {
    /// Nobody is let in any more.
    pub(super) fn abandon_loans(&mut self) {
        if let Some(open) = self.loans.take() {
            open.abandon();
        }
    }
}

impl OpenLoans {
    fn new(bytes_max: usize, room: TakenRoom) -> Self {
        Self { rule: Loans::new(bytes_max), lent: None, room }
    }

    fn is_about(&self, loan: &Arc<Loan>) -> bool {
        self.lent.as_ref().is_some_and(|it| Arc::ptr_eq(it, loan))
    }

    /// The client does not wait for the verdict of what the engine has.
    fn abandon(&self) {
        if let Some(loan) = &self.lent {
            loan.abandon();
        }
    }
}
