//! Accepting connections: one loop for both listeners.

mod deadlines;
mod unambiguous;

pub(super) use deadlines::RequestLimits;

use crate::admin::Admin;
use crate::connection::{Accepted, ClientAddress, NodeKey};
use crate::core::rounds::RoundSizes;
use crate::tasks::{Tasks, WorkRounds};
use axum::Router;
use axum::response::Response;
use deadlines::{PhaseTimer, RequestProgress};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

/// Largest head of a request, in bytes; hyper's own default would let every stranger hold 400 KB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections that are accepted before others have their turn.
const ACCEPTS: usize = 16;
/// First requests that are served, for each core, before others have their turn. Each round asks the system for events, which
/// costs as much as a tenth of a handshake, so there are many in one while few wait: a millisecond of work. When thousands come
/// at once, the system has as many events to tell, a few with each round: then rounds are a quarter of a millisecond, for with
/// sixteen whoever stayed waits 99 ms for an echo instead of 5.
const FIRST_REQUESTS: RoundSizes = RoundSizes { calm: 16, storm: 4, storm_from: 128 };
/// How long to wait after the system had no resources for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may finish its request after the stop.
const LINGER: Duration = Duration::from_secs(1);

/// Connections at once that have not shown that they are of a node: others are for clients, and for nodes that are known.
const STRANGERS_MAX: usize = 256;

/// One listener and what it serves.
#[derive(Debug)]
pub(super) struct Listener {
    /// Its name in the log.
    pub(super) name: &'static str,
    /// Where connections come in.
    pub(super) tcp: TcpListener,
    /// Where that is.
    pub(super) address: SocketAddr,
    /// How long a client may take to send a request, and to begin another one.
    pub(super) limits: RequestLimits,
    /// How long a client may take none of an answer.
    pub(super) stall: Duration,
    /// HTTP connections at once. A connection that became a WebSocket does not count any more.
    pub(super) connections_max: usize,
    /// Only those are served who have the secret of the cluster.
    pub(super) key: Option<NodeKey>,
}

/// Answers the requests that come in on a listener.
pub(super) trait HttpService: Clone + Send + Sync + 'static {
    /// Answers a request of `peer`.
    fn answer(
        &self,
        peer: ClientAddress,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send;
}

impl HttpService for Router {
    fn answer(
        &self,
        peer: ClientAddress,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send {
        request.extensions_mut().insert(peer);
        self.clone().call(request).map(|Ok(response)| response)
    }
}

impl HttpService for Admin {
    fn answer(
        &self,
        peer: ClientAddress,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send {
        self.answer(peer, request)
    }
}

impl Listener {
    /// What all that it accepts inherit from it: small answers, given at once, and the end of peers that take nothing.
    fn set_options(&self) {
        let socket = SockRef::from(&self.tcp);
        let set = socket
            .set_tcp_nodelay(true)
            .and_then(|()| socket.set_tcp_user_timeout(Some(self.stall)));
        if let Err(error) = set {
            tracing::warn!(listener = self.name, %error, "cannot set the options of connections");
        }
    }

    /// Accepts until `stop`; requests under way then may still finish.
    pub(super) async fn run(
        self,
        answers: impl HttpService,
        tasks: Tasks,
        stop: CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(self.connections_max));
        self.set_options();
        let rounds = WorkRounds::new(&tasks, "http.rounds", FIRST_REQUESTS);
        let door =
            self.key.map(|key| NodesDoor { key, room: Arc::new(Semaphore::new(STRANGERS_MAX)) });
        let way = Serving { limits: self.limits, rounds, stop: stop.clone(), door };
        for count in 1_usize.. {
            if count.is_multiple_of(ACCEPTS) {
                tokio::task::yield_now().await;
            }
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
            let serve = serve(stream, peer, answers.clone(), way.clone());
            tasks.spawn("http", async move {
                serve.await;
                drop(permit);
            });
        }
    }
}

/// What all connections of a listener have in common.
#[derive(Debug, Clone)]
struct Serving {
    limits: RequestLimits,
    /// When first requests are served.
    rounds: WorkRounds,
    stop: CancellationToken,
    /// Only nodes are let in.
    door: Option<NodesDoor>,
}

/// Where nodes show that they are nodes.
#[derive(Debug, Clone)]
struct NodesDoor {
    key: NodeKey,
    /// For those who have not yet.
    room: Arc<Semaphore>,
}

impl NodesDoor {
    async fn admit(&self, stream: &mut TcpStream) -> io::Result<()> {
        let _place = self.room.try_acquire().map_err(|_| io::ErrorKind::ResourceBusy)?;
        self.key.admit(stream).await
    }
}

/// Waits until the client says something, and until it is its turn: who connects and says nothing holds up nobody.
async fn serve(mut stream: TcpStream, peer: SocketAddr, answers: impl HttpService, way: Serving) {
    if let Some(door) = &way.door
        && let Err(error) = door.admit(&mut stream).await
    {
        metrics::counter!("userline_forward_strangers_total").increment(1);
        tracing::debug!(%error, "refused a connection that is of no node");
        return;
    }
    let stream = Accepted::new(stream);
    let progress = RequestProgress::new(stream.moved());
    let mut timer = PhaseTimer::new(way.limits);
    {
        let speaks = std::pin::pin!(stream.readable());
        tokio::select! {
            biased;
            speaks = timer.drive(speaks, &progress) => if speaks.is_none() { return },
            () = way.stop.cancelled() => return,
        }
    }
    if let Some(turn) = way.rounds.turn() {
        turn.await;
    }
    // Apart, because it takes a kilobyte and more: thousands may wait for their turn.
    Box::pin(answer_requests(stream, peer, answers, progress, (timer, way.stop))).await;
}

async fn answer_requests(
    stream: Accepted,
    peer: SocketAddr,
    answers: impl HttpService,
    progress: RequestProgress,
    (mut timer, stop): (PhaseTimer, CancellationToken),
) {
    let answer = service_fn(|request| {
        progress.begin_answer();
        let answer = match unambiguous::check(&request) {
            Ok(()) => Either::Left(answers.answer(ClientAddress(peer), request)),
            Err(ambiguous) => Either::Right(ready(ambiguous.answer())),
        };
        answer.map(|answer| Ok::<_, Infallible>(answer.map(|body| progress.ending(body))))
    });
    let connection = http1::Builder::new()
        // The limits are those of `deadlines`.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        // Answers are small: one copy costs less than a write of two pieces.
        .writev(false)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        // How it ended is the client's doing: a broken request, too long a wait, a reset.
        _ = timer.drive(connection.as_mut(), &progress) => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::time::timeout(LINGER, connection).await.ok();
}

#[cfg(test)]
mod tests;
