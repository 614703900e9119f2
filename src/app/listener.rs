//! Accepting connections: one loop for both listeners.

use crate::admin::Admin;
use crate::connection::{Accepted, ClientAddress};
use crate::tasks::Tasks;
use axum::Router;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

/// Largest head of a request, in bytes; hyper's own default would let every stranger hold 400 KB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long to wait after the system had no resources for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may finish its request after the stop.
const LINGER: Duration = Duration::from_secs(1);

/// One listener and what it serves.
#[derive(Debug)]
pub(super) struct Listener {
    /// Its name in the log.
    pub(super) name: &'static str,
    /// Where connections come in.
    pub(super) tcp: TcpListener,
    /// Where that is.
    pub(super) address: SocketAddr,
    /// How long a client may take to send the head of a request, or to begin another one.
    pub(super) header_timeout: Duration,
    /// How long a client may take none of an answer.
    pub(super) stall: Duration,
    /// HTTP connections at once; one that became a WebSocket not count any more.
    pub(super) connections_max: usize,
}

/// What answers on a listener.
pub(super) trait Answers: Clone + Send + Sync + 'static {
    /// Answers a request of `peer`.
    fn answer(
        &self,
        peer: ClientAddress,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send;
}

impl Answers for Router {
    fn answer(
        &self,
        peer: ClientAddress,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send {
        request.extensions_mut().insert(peer);
        self.clone().call(request).map(|Ok(response)| response)
    }
}

impl Answers for Admin {
    fn answer(
        &self,
        peer: ClientAddress,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send {
        self.answer(peer, request)
    }
}

impl Listener {
    /// Accepts until `stop`; requests under way then may still finish.
    pub(super) async fn run(self, answers: impl Answers, tasks: Tasks, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(self.connections_max));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.tcp.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                metrics::counter!("userline_http_connections_refused_total").increment(1);
                continue;
            };
            // Small answers, given at once; failures mean that the peer is gone already.
            stream.set_nodelay(true).ok();
            SockRef::from(&stream).set_tcp_user_timeout(Some(self.stall)).ok();
            let serve = serve(stream, peer, answers.clone(), self.header_timeout, stop.clone());
            tasks.spawn("http", async move {
                serve.await;
                drop(permit);
            });
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    answers: impl Answers,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let answer =
        service_fn(|request| answers.answer(ClientAddress(peer), request).map(Ok::<_, Infallible>));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        // Answers are small: one copy costs less than a write of two pieces.
        .writev(false)
        .serve_connection(TokioIo::new(Accepted::new(stream)), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // An error is the client's: a broken request, a timeout, a reset.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::time::timeout(LINGER, connection).await.ok();
}

#[cfg(test)]
mod tests;
