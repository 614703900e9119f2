//! What the listeners serve: clients on one, the admin API on the other.

use super::BuildError;
use super::health;
use super::home::Home;
use super::joining::JoinedCluster;
use super::listener::{Listener, RequestLimits};
use super::parts::AppParts;
use crate::admin::{AdminState, DevConsole, Ready};
use crate::cluster::{AnswerBounds, ClusterAnswers};
use crate::config::{Config, IdempotencyConfig, LimitsConfig};
use crate::connection::{Acceptor, AcceptorConfig, HandshakeAnswer, HandshakeGate, Trial};
use crate::core::auth::hook_gate::HandshakeVerdict;
use crate::metrics::Metrics;
use crate::realtime::Realtime;
use crate::realtime::client_events::{ClientEvents, ForwardingError, ForwardingParts};
use crate::realtime::client_messages::ClientMessages;
use crate::realtime::feed::EventFeed;
use crate::realtime::sources::IngestSources;
use crate::socket::{ClientFiles, ClientParts, SocketEdge};
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

impl AppParts {
    /// A listener that is bound already.
    pub(super) fn listener(
        config: &Config,
        name: &'static str,
        (tcp, address): (TcpListener, SocketAddr),
        connections_max: usize,
    ) -> Listener {
        let LimitsConfig { header_timeout, keep_alive, stall, .. } = config.limits;
        let limits = RequestLimits { head: header_timeout, pause: keep_alive };
        Listener { name, tcp, address, limits, stall, connections_max, key: None }
    }

    /// What the public listener serves; and what answers there, for requests that other nodes hand over.
    pub(super) fn public_edge(
        &self,
        config: &Config,
        realtime: &Realtime,
        client_files: ClientFiles,
    ) -> Result<(Router, Acceptor), BuildError> {
        let Realtime {
            admission, attendance, inboxes, watching, control, joining, unhandled, ..
        } = realtime.clone();
        let events = self.client_events(config, realtime)?;
        let edge = SocketEdge {
            parts: ClientParts {
                admission,
                control,
                attendance,
                inboxes,
                messages: Arc::new(self.client_messages(config, realtime)),
                watching,
                joining,
                permissions: self.permissions.clone(),
                events,
                unhandled,
            },
            rules: (config.rates.clone(), config.guests.may.clone()),
            clock: self.clock.clone(),
            connections: self.connections.clone(),
            tasks: self.tasks.clone(),
            acceptor: self.acceptor(config),
            path: config.listen.path.clone(),
            client_files,
        };
        let ready = self.ready();
        let (router, acceptor) = edge.open();
        Ok((router.merge(health::routes(ready)), acceptor))
    }

    fn client_messages(&self, config: &Config, realtime: &Realtime) -> ClientMessages {
        let (clients, messages) = (config.messages.clients.clone(), Arc::clone(&realtime.messages));
        let parts = (self.sockets.clone(), self.permissions.clone());
        let messages = ClientMessages::new(clients, messages, parts, self.clock.clone());
        match self.home.cluster() {
            Some(it) => messages.in_cluster(it.member.clone()),
            None => messages,
        }
    }

    fn client_events(
        &self,
        config: &Config,
        realtime: &Realtime,
    ) -> Result<Option<ClientEvents>, ForwardingError> {
        let parts = ForwardingParts {
            messages: Arc::clone(&realtime.messages),
            namespaces: config.socketio.namespaces.as_slice().into(),
            ttl_max: config.inbox.keep,
            limits: config.limits,
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
        };
        ClientEvents::start(&config.events, parts)
    }

    /// Which clients may open a connection, and what is kept of their handshakes.
    fn acceptor(&self, config: &Config) -> AcceptorConfig {
        let nodes = self.home.cluster().map(|it| it.other_nodes.clone());
        let acceptor =
            AcceptorConfig::new(&config.listen, config.limits, &config.socketio).among(nodes);
        match config.auth.hook() {
            None => acceptor,
            Some(hook) => {
                let authenticator = Arc::clone(&self.authenticator);
                let has_tokens = self.resume.is_some();
                let gate = HandshakeGate::new(move |says_token| {
                    match authenticator.admits_handshake(has_tokens && says_token) {
                        HandshakeVerdict::Free => HandshakeAnswer::Free,
                        HandshakeVerdict::Refused => HandshakeAnswer::Refused,
                        HandshakeVerdict::OnTrial(place) => {
                            let authenticator = Arc::clone(&authenticator);
                            let tell = move |is_let_in| authenticator.trial_ended(place, is_let_in);
                            HandshakeAnswer::OnTrial(Trial::new(tell))
                        }
                    }
                });
                acceptor.for_backend(hook.forward_headers.clone(), gate)
            }
        }
    }

    /// What the admin API works with.
    pub(crate) fn admin_state(
        &self,
        config: &Config,
        realtime: &Realtime,
        metrics: Metrics,
        dev: Option<DevConsole>,
    ) -> AdminState {
        let Realtime {
            everywhere,
            memberships,
            messages,
            inboxes,
            control,
            erasure,
            attachments,
            directory,
            ..
        } = realtime.clone();
        AdminState {
            messages,
            inboxes,
            everywhere,
            memberships,
            control,
            erasure,
            attachments,
            directory,
            reports: self.reports(realtime, IngestSources::default()),
            feed: self.feed(),
            hooks: self.hooks.clone(),
            keys: config.admin.clone(),
            limits: config.limits,
            inbox: config.inbox,
            client_events: config.messages.clients.events().to_vec(),
            ready: self.ready(),
            metrics,
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
            shared_answers: self.shared_answers(config),
            dev,
        }
    }

    fn feed(&self) -> EventFeed {
        match &self.home {
            Home::Cluster(cluster) => EventFeed::Cluster(cluster.member.clone()),
            Home::Alone(store) => EventFeed::Embedded(store.events(), store.presence()),
        }
    }

    fn shared_answers(&self, config: &Config) -> Option<ClusterAnswers> {
        let cluster = self.home.cluster()?;
        let IdempotencyConfig { keep, entries_max, bytes_max } = config.admin.idempotency;
        let bounds = AnswerBounds { keep, requests_max: entries_max, bytes_max };
        Some(ClusterAnswers::new(cluster.member.clone(), bounds, cluster.tasks.clone()))
    }

    /// Whether clients are taken: cheap to ask.
    fn ready(&self) -> Ready {
        let (connections, home) = (self.connections.clone(), self.home.clone());
        let authenticator = Arc::clone(&self.authenticator);
        let degraded = self.home.clone();
        let check = move || {
            if connections.is_draining() {
                return Err("the server is stopping".to_owned());
            }
            if home.store().is_some_and(|it| !it.healthy()) {
                return Err("the disk takes no writes: see the log".to_owned());
            }
            if !authenticator.is_ready() {
                return Err(
                    "the keys of the issuer of tokens are not there: see the log".to_owned()
                );
            }
            let is_unready = |it: &JoinedCluster| !it.config.ready_when_cut_off && it.is_cut_off();
            if home.cluster().is_some_and(is_unready) {
                return Err("this node is cut off from Redis: see the log".to_owned());
            }
            Ok(())
        };
        Ready::new(check)
            .or_degraded(move || degraded.cluster().is_some_and(JoinedCluster::is_cut_off))
    }
}
