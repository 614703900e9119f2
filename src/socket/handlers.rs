//! What the engine calls: translated, and handed to the verbs.
//!
//! Only the middleware does anything. It decides what becomes of a CONNECT; that is done when the engine's answer comes by
//! ([`Loan`]). That a socket is gone the engine does not know: its connection tells who listens there.

use super::requests::{RequestParts, Requests};
use crate::connection::{ConnectVerdict, EventListener, Loan};
use crate::registry::Socket;
use crate::types::Namespace;
use serde_json::value::RawValue;
use socketioxide::SocketIo;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use thiserror::Error;

/// Why the engine refuses a CONNECT: it has no loan to answer. All others are accepted, be it to be refused.
#[derive(Debug, Error)]
#[error("this connection did not come through the acceptor")]
struct NoLoan;

/// Serves `namespace`.
pub(super) fn register(io: &SocketIo, parts: &Arc<RequestParts>, namespace: &Namespace) {
    let (parts, name) = (Arc::clone(parts), namespace.clone());
    let authenticate = async move |socket: SocketRef, auth: TryData<Box<RawValue>>| {
        authenticate(&parts, &name, socket, auth).await
    };
    let connected = async || {};
    io.ns(namespace.as_str().to_owned(), connected.with(authenticate));
}

async fn authenticate(
    parts: &Arc<RequestParts>,
    namespace: &Namespace,
    engine_socket: SocketRef,
    TryData(auth): TryData<Box<RawValue>>,
) -> Result<(), NoLoan> {
    let loan = engine_socket.req_parts().extensions.get::<Arc<Loan>>().ok_or(NoLoan)?;
    let decision = loan.decide();
    let listen = |socket: &Arc<Socket>| -> Arc<dyn EventListener> {
        Arc::new(Requests::new(Arc::clone(parts), Arc::clone(socket)))
    };
    let (admission, auth) = (&parts.client.admission, auth.ok());
    let authenticating =
        admission.authenticate(loan.connection(), namespace, auth.as_deref(), listen);
    let mut authenticating = pin!(authenticating);
    let authenticating = poll_fn(|cx| {
        let polled = authenticating.as_mut().poll(cx);
        if polled.is_pending() {
            decision.waits();
        }
        polled
    });
    let admitted = tokio::select! {
        admitted = authenticating => admitted,
        () = decision.abandoned() => {
            decision.give_up();
            return Ok(());
        }
    };
    decision.make(match admitted {
        Ok(admitted) => ConnectVerdict::Accept(admitted.accept),
        Err(error) => ConnectVerdict::Refuse(error.packet(namespace)),
    });
    Ok(())
}
