//! Every request to the Socket.IO path: it opens a connection, belongs to one, or is refused.

use super::answer::AnswerBytes;
use super::connections::NotAdmitted;
use super::elsewhere::{ConnectionNodes, SidPlace};
use super::gate::{ForBackend, HandshakeAnswer, HandshakeGate, Trial};
use super::handshake::{Handshake, HandshakeError};
use super::incoming::Incoming;
use super::origin::{self, OriginCheck, RefusedOrigins};
use super::responses::{preflight, refuse};
use super::shared::SharedParts;
use super::stream::Outlet;
use super::websocket::SwitchedStream;
use super::{Connection, Connections, EngineStream, Facts, Transport};
use super::{old_client, opening, polling, upgrade, websocket};
use crate::clock::Clock;
use crate::config::{LimitsConfig, ListenConfig, Origins, SocketIoConfig};
use crate::entropy;
use crate::tasks::Tasks;
use crate::types::Reason;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Body;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;

/// What the acceptor needs to know.
#[derive(Debug, Clone)]
pub struct AcceptorConfig {
    /// Pages that may connect.
    pub origins: Origins,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds.
    pub limits: LimitsConfig,
    /// Ping times and transports.
    pub socketio: SocketIoConfig,
    /// For the backend that says who clients are, if one is asked.
    pub backend: Option<ForBackend>,
    /// What is known of the connections of other nodes, if there are any.
    pub nodes: Option<ConnectionNodes>,
}

impl AcceptorConfig {
    /// The parts of the configuration that concern the acceptor.
    pub fn new(listen: &ListenConfig, limits: LimitsConfig, socketio: &SocketIoConfig) -> Self {
        let (origins, trusted_proxies) = (listen.origins.clone(), listen.trusted_proxies.clone());
        Self {
            origins,
            trusted_proxies,
            limits,
            socketio: socketio.clone(),
            backend: None,
            nodes: None,
        }
    }

    /// Keeps these headers of each handshake, and opens connections only while `gate` admits them.
    #[must_use]
    pub fn for_backend(self, headers: Vec<HeaderName>, gate: HandshakeGate) -> Self {
        Self { backend: Some(ForBackend { headers, gate }), ..self }
    }

    /// Knows of the connections of other nodes.
    #[must_use]
    pub fn among(self, nodes: Option<ConnectionNodes>) -> Self {
        Self { nodes, ..self }
    }
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    inner: Arc<AcceptorParts>,
}

struct AcceptorParts {
    config: AcceptorConfig,
    shared: Arc<SharedParts>,
    refused_origins: Mutex<RefusedOrigins>,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// An acceptor whose connections lend their CONNECTs to `engine`.
    pub fn new(
        config: AcceptorConfig,
        connections: Connections,
        tasks: Tasks,
        clock: Clock,
        engine: impl Fn(EngineStream) + Send + Sync + 'static,
    ) -> Self {
        let parts = (&config.limits, &config.socketio);
        let shared = SharedParts::start(parts, connections, tasks, clock, engine);
        let refused_origins = Mutex::default();
        Self { inner: Arc::new(AcceptorParts { config, shared, refused_origins }) }
    }

    /// Answers one request to the Socket.IO path.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBytes>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let headers = request.headers();
        let (verdict, origin) = match origin::judge(headers, &self.inner.config.origins) {
            OriginCheck::Absent => (Ok(()), None),
            OriginCheck::Allowed(origin) => (Ok(()), Some(origin.clone())),
            OriginCheck::Forbidden(origin) => {
                self.inner.log_origin(origin);
                (Err(HandshakeError::Origin), None)
            }
        };
        let is_preflight = request.method() == Method::OPTIONS;
        let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let answer = match verdict {
            Err(refusal) => Err(refusal),
            Ok(()) if is_preflight => Ok(preflight(asked)),
            Ok(()) => self.admit(request).await,
        };
        let mut response = answer.unwrap_or_else(|refusal| refuse(&refusal));
        if let Some(origin) = origin {
            origin::allow(response.headers_mut(), &origin);
        }
        response
    }

    async fn admit<B>(&self, request: Request<B>) -> Result<Response<AnswerBytes>, HandshakeError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let handshake = Handshake::parse(&parts)?;
        self.check_transport(handshake.transport)?;
        if handshake.is_old {
            return self.turn_away(parts, &handshake);
        }
        if let Some(sid) = &handshake.sid {
            let nodes = self.inner.config.nodes.as_ref();
            match (nodes, nodes.map(|it| it.find(sid))) {
                (Some(nodes), Some(SidPlace::At(address))) => {
                    return nodes.hand_over(&address, parts, body).await;
                }
                (Some(nodes), Some(SidPlace::Elsewhere)) => return Err(nodes.refuse()),
                (_, Some(SidPlace::Here(_) | SidPlace::Unknown) | None) | (None, _) => {}
            }
        }
        self.go_on(handshake, parts, body).await
    }

    /// Answers a request that another node has handed over: for a connection of this one, or none.
    pub async fn answer_node<B>(&self, request: Request<B>) -> Response<AnswerBytes>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let answer = match Handshake::parse(&parts) {
            Ok(it) if it.is_old || it.sid.is_none() => Err(HandshakeError::Sid),
            Ok(handshake) => self.go_on(handshake, parts, body).await,
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| refuse(&refusal))
    }

    /// Opens a connection, or goes on with one of this node.
    async fn go_on<B>(
        &self,
        handshake: Handshake,
        mut parts: Parts,
        body: B,
    ) -> Result<Response<AnswerBytes>, HandshakeError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connection = match &handshake.sid {
            None => None,
            Some(sid) => {
                let known = self.known(sid).ok_or(HandshakeError::Sid)?;
                known.heard();
                Some(known)
            }
        };
        match (handshake.transport, connection) {
            (Transport::Polling, None) => {
                let trial = self.check_gate(&handshake)?;
                let facts = self.facts(&parts)?;
                let connection = self.open(facts, Transport::Polling, None, trial)?;
                let AcceptorParts { shared, .. } = &*self.inner;
                shared.heartbeats.hear(&connection, shared.clock.now());
                self.read(Incoming::posts(Arc::clone(&connection)));
                polling::poll(connection).await
            }
            (Transport::Polling, Some(connection)) if parts.method == Method::GET => {
                polling::poll(connection).await
            }
            (Transport::Polling, Some(connection)) if parts.method == Method::POST => {
                polling::post(connection, body, &self.inner.config.limits).await
            }
            (Transport::Polling, Some(_)) => Err(HandshakeError::Method),
            (Transport::WebSocket, None) => {
                let trial = self.check_gate(&handshake)?;
                self.inner.shared.connections.admits(self.address(&parts))?;
                let facts = self.facts(&parts)?;
                let (response, stream) = websocket::switch(&mut parts);
                self.tasks()
                    .spawn("connection.accept", self.clone().open_switched(facts, stream, trial));
                Ok(response)
            }
            (Transport::WebSocket, Some(connection)) => {
                if connection.transport() != Transport::Polling {
                    let hint = "this connection speaks WebSocket already";
                    return Err(HandshakeError::Request(hint));
                }
                let (response, stream) = websocket::switch(&mut parts);
                let limit = self.inner.config.socketio.upgrade_timeout;
                self.tasks().spawn("connection.upgrade", async move {
                    if let Some(stream) = stream.await {
                        upgrade::run(&connection, stream, limit).await;
                    }
                });
                Ok(response)
            }
        }
    }

    /// The connection of this node that its client calls so.
    fn known(&self, sid: &str) -> Option<Arc<Connection>> {
        let secret = match self.inner.config.nodes.as_ref().map(|it| it.find(sid)) {
            None => sid,
            Some(SidPlace::Here(secret)) => secret,
            Some(SidPlace::At(_) | SidPlace::Elsewhere | SidPlace::Unknown) => {
                return None;
            }
        };
        self.inner.shared.connections.get(secret)
    }

    /// While the backend is down that says who clients are, most handshakes are refused, so that clients come ever more
    /// rarely. (One that is accepted and then cut off comes again at once, for ever.)
    fn check_gate(&self, handshake: &Handshake) -> Result<Option<Trial>, NotAdmitted> {
        let backend = self.inner.config.backend.as_ref();
        match backend.map_or(HandshakeAnswer::Free, |it| it.gate.admits(handshake.says_token)) {
            HandshakeAnswer::Free => Ok(None),
            HandshakeAnswer::OnTrial(trial) => Ok(Some(trial)),
            HandshakeAnswer::Refused => Err(NotAdmitted::Backend),
        }
    }

    fn check_transport(&self, transport: Transport) -> Result<(), HandshakeError> {
        let socketio = &self.inner.config.socketio;
        let is_offered = match transport {
            Transport::Polling => socketio.polling,
            Transport::WebSocket => socketio.websocket,
        };
        if is_offered { Ok(()) } else { Err(HandshakeError::Transport) }
    }

    /// Opens a connection by a WebSocket, once its handshake is over.
    async fn open_switched(
        self,
        facts: Facts,
        stream: impl Future<Output = Option<SwitchedStream>>,
        trial: Option<Trial>,
    ) {
        let Some(SwitchedStream { inlet, outlet, early }) = stream.await else { return };
        // The limit may have been reached since the handshake was checked: the client tries again.
        if let Ok(connection) = self.open(facts, Transport::WebSocket, Some(outlet), trial) {
            self.read(Incoming::stream(connection, inlet, early));
        }
    }

    /// Tells a client that is too old why it cannot connect.
    fn turn_away(
        &self,
        mut parts: Parts,
        handshake: &Handshake,
    ) -> Result<Response<AnswerBytes>, HandshakeError> {
        let body = match (handshake.transport, &handshake.sid) {
            (_, None) => {
                self.inner.shared.connections.admits(self.address(&parts))?;
                old_client::note(&self.inner.shared.connections);
                let open = self.open_packet(&entropy::secret(), Transport::WebSocket);
                if handshake.transport == Transport::Polling {
                    return Ok(polling::text(old_client::first_poll(open)));
                }
                let facts = self.facts(&parts)?;
                let (response, stream) = websocket::switch(&mut parts);
                self.tasks().spawn("connection.turn_away", self.clone().say(facts, open, stream));
                return Ok(response);
            }
            (Transport::WebSocket, Some(_)) => return Err(HandshakeError::Sid),
            (Transport::Polling, Some(_)) if parts.method == Method::GET => {
                old_client::later_poll().into()
            }
            (Transport::Polling, Some(_)) => b"ok".to_vec(),
        };
        Ok(polling::text(body))
    }

    /// Says on a WebSocket that the client is too old, once the handshake is over.
    async fn say(
        self,
        facts: Facts,
        open: Bytes,
        stream: impl Future<Output = Option<SwitchedStream>>,
    ) {
        let Some(SwitchedStream { outlet, .. }) = stream.await else { return };
        if let Ok(connection) = self.open(facts, Transport::WebSocket, Some(outlet), None) {
            connection.let_go();
            connection.send(&old_client::frames(&open));
            connection.finish(Reason::TransportError);
        }
    }

    /// A new connection, known from now on; perhaps on trial.
    fn open(
        &self,
        facts: Facts,
        transport: Transport,
        stream: Option<Outlet>,
        trial: Option<Trial>,
    ) -> Result<Arc<Connection>, HandshakeError> {
        let AcceptorParts { shared, .. } = &*self.inner;
        let sid: Arc<str> = entropy::secret().into();
        let open = match &self.inner.config.nodes {
            None => self.open_packet(&sid, transport),
            Some(nodes) => self.open_packet(&nodes.name(&sid), transport),
        };
        if let Some(forwarded) = facts.forwarded() {
            *forwarded.trial.lock() = trial;
        }
        let connection = Connection::new(sid, facts, shared, transport, stream);
        shared.connections.insert(&connection)?;
        shared.heartbeats.add(&connection, &shared.connections, shared.clock.now());
        connection.expect_connect(&mut connection.lock());
        shared.end_oldest_homeless();
        connection.send(&open);
        Ok(connection)
    }

    /// Begins to read a connection.
    fn read(&self, incoming: Incoming) {
        self.inner.shared.readers.spawn_to_end("connection.read", incoming);
    }

    fn facts(&self, parts: &Parts) -> Result<Facts, NotAdmitted> {
        let AcceptorParts { config, shared, .. } = &*self.inner;
        let forwarded = config.backend.as_ref().map(|it| &*it.headers);
        Facts::of(parts, &config.trusted_proxies, forwarded, &shared.handshakes)
    }

    fn address(&self, parts: &Parts) -> IpAddr {
        Facts::address(parts, &self.inner.config.trusted_proxies)
    }

    fn tasks(&self) -> &Tasks {
        &self.inner.shared.tasks
    }

    fn open_packet(&self, sid: &str, transport: Transport) -> Bytes {
        let AcceptorConfig { limits, socketio, .. } = &self.inner.config;
        opening::packet(sid, transport, socketio, limits.payload_bytes)
    }
}

impl AcceptorParts {
    fn log_origin(&self, origin: &HeaderValue) {
        metrics::counter!("userline_origins_refused_total").increment(1);
        let noted = self.refused_origins.lock().note(origin);
        let Some(noted) = noted else { return };
        tracing::warn!(origin = &*noted.text, "refused a page: {}", noted.advice());
        if noted.is_last {
            tracing::warn!(
                "many pages were refused: further ones are not logged, only counted in \
                 userline_origins_refused_total"
            );
        }
    }
}
