//! Handing a request to another node: by HTTP on kept connections, of which each belongs to one request at a time.

use super::NodeKey;
use super::tunnel::Tunnels;
use crate::clock::Clock;
use crate::connection::answer::AnswerBytes;
use crate::connection::connections::NotAdmitted;
use crate::connection::handshake::HandshakeError;
use crate::connection::stream;
use crate::connection::websocket::{self, SwitchedStream};
use crate::tasks::Tasks;
use crate::types::millis;
use bytes::{Buf as _, Bytes};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long it may take until another node is connected to, and known.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Connections to one node that rest.
const RESTING_MAX: usize = 1024;
/// Bytes of an answer that are held while its client does not take them.
const HELD_MAX: usize = 64 * 1024;
/// How often it is written to the log that a node cannot be reached.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What of a request concerns the node that has the connection: all else it was told at the handshake.
const HEADERS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::UPGRADE,
];

/// Bounds of what goes to other nodes.
#[derive(Debug, Clone, Copy)]
pub struct TransferLimits {
    /// `WebSocket`s at once.
    pub tunnels: usize,
    /// How long a connection may rest: less than the other node lets it.
    pub idle: Duration,
    /// How long the other node may take to answer a poll, or send nothing of the answer: it pings sooner.
    pub patience: Duration,
    /// How long it may take none of what it is sent.
    pub stall: Duration,
}

/// The way to the other nodes.
pub(super) struct Transfer {
    key: NodeKey,
    client: Client<NodeConnector, AnyBody>,
    tunnels: Tunnels,
    patience: Duration,
    tasks: Tasks,
    clock: Clock,
    /// Until when nothing is written to the log.
    quiet_until: AtomicU64,
}

impl Transfer {
    pub(super) fn new(
        key: NodeKey,
        limits: TransferLimits,
        (clock, tasks): (Clock, Tasks),
    ) -> Self {
        let connector = NodeConnector { key: key.clone(), stall: limits.stall };
        let client = Client::builder(TaskExecutor(tasks.clone()))
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(RESTING_MAX)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(HELD_MAX)
            .build(connector);
        Self {
            key,
            client,
            tunnels: Tunnels::new(limits.tunnels),
            patience: limits.patience,
            tasks,
            clock,
            quiet_until: AtomicU64::new(0),
        }
    }

    pub(super) fn open(&self, node: &str) -> Option<String> {
        self.key.open(node)
    }

    pub(super) fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    pub(super) async fn hand_over<B>(
        &self,
        address: &str,
        mut parts: Parts,
        body: B,
    ) -> Result<Response<AnswerBytes>, HandshakeError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let is_upgrade = parts.headers.contains_key(header::UPGRADE);
        let place = is_upgrade.then(|| self.tunnels.place());
        if matches!(place, Some(None)) {
            count("full");
            return Err(NotAdmitted::Full.into());
        }
        let request = request(address, &parts, body).ok_or(HandshakeError::Sid)?;
        let answer = match timeout(self.patience, self.client.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.tell(address, &error);
                count("unreachable");
                return Err(HandshakeError::Sid);
            }
            Err(_) => {
                count("unanswered");
                return Err(HandshakeError::Sid);
            }
        };
        let mut given = Response::new(AnswerBytes::default());
        *given.status_mut() = answer.status();
        copy_headers(answer.headers(), given.headers_mut());
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(Some(place))) = (answer.status(), place) {
            count("websocket");
            let client = websocket::taken(&mut parts);
            let owner = hyper::upgrade::on(answer);
            let tunnels = self.tunnels.clone();
            self.tasks.spawn("forward.tunnel", async move {
                let (client, owner) = tokio::join!(client, owner);
                if let (Some(client), Some(owner)) = (client, owner.ok().and_then(switched)) {
                    tunnels.run(client, owner, place).await;
                }
            });
            return Ok(given);
        }
        count("request");
        // Not in one piece: what the client does not take is the other node's to know, and to free.
        *given.body_mut() = AnswerBytes::handed(answer.into_body(), self.patience);
        Ok(given)
    }

    /// Says that a node cannot be reached; not often, for one that is stopped is not reached by any of its clients.
    fn tell(&self, address: &str, error: &hyper_util::client::legacy::Error) {
        let now = self.clock.now().0;
        let quiet_until = self.quiet_until.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(TELL_EVERY));
        let swap = |from| {
            self.quiet_until.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        if quiet_until <= now && swap(quiet_until).is_ok() {
            let error: &dyn std::error::Error = error;
            let cause = error.source().unwrap_or(error);
            tracing::warn!(
                node = address,
                error = %cause,
                "cannot hand a request to the node that has its connection: its client begins anew"
            );
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("userline_forwarded_total", "outcome" => outcome).increment(1);
}

fn request<B>(address: &str, parts: &Parts, body: B) -> Option<Request<AnyBody>>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let query = parts.uri.query().unwrap_or_default();
    let uri: Uri = format!("http://{address}/?{query}").parse().ok()?;
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    for name in &HEADERS {
        for value in parts.headers.get_all(name) {
            request.headers_mut().append(name, value.clone());
        }
    }
    if request.headers().contains_key(header::UPGRADE) {
        let upgrade = HeaderValue::from_static("Upgrade");
        request.headers_mut().insert(header::CONNECTION, upgrade);
    }
    let body =
        body.map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
    Some(request.map(|()| body.map_err(Into::into).boxed_unsync()))
}

/// All but those that are about the connection between the nodes.
fn copy_headers(from: &HeaderMap, to: &mut HeaderMap) {
    let is_switching = from.contains_key(header::UPGRADE);
    let of_connection = [
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::TE,
        header::TRAILER,
        HeaderName::from_static("keep-alive"),
        header::DATE,
    ];
    for (name, value) in from {
        let is_hop = name == header::CONNECTION && !is_switching;
        if !is_hop && !of_connection.contains(name) {
            to.append(name, value.clone());
        }
    }
}

/// The stream to the other node, taken back from the HTTP client.
fn switched(upgraded: hyper::upgrade::Upgraded) -> Option<SwitchedStream> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    let (inlet, outlet) = stream::split(parts.io.into_inner());
    Some(SwitchedStream { inlet, outlet, early: Bytes::copy_from_slice(&parts.read_buf) })
}

/// Connects to nodes.
#[derive(Clone)]
struct NodeConnector {
    key: NodeKey,
    stall: Duration,
}

impl NodeConnector {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let address = uri.authority().ok_or(io::ErrorKind::InvalidInput)?.as_str();
        let connecting = async {
            let mut tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let socket = SockRef::from(&tcp);
            socket.set_tcp_user_timeout(Some(self.stall))?;
            // A tunnel on which both sides are silent for ever would stay for ever.
            socket.set_keepalive(true)?;
            self.key.show(&mut tcp).await?;
            Ok(TokioIo::new(tcp))
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
        timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Service<Uri> for NodeConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Runs the tasks of the HTTP client.
#[derive(Clone)]
struct TaskExecutor(Tasks);

impl<F> hyper::rt::Executor<F> for TaskExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.spawn("forward.connection", async move { drop(task.await) });
    }
}
