//! The edge to the clients: the public listener's routes, and the engine behind them. Only this module knows
//! socketioxide.
//!
//! * `{path}` — Engine.IO, by polling or WebSocket ([`crate::connection::Acceptor`]); with or without its last slash, or two
//! * `{path}socket.io.js` and the like — the stock client's bundle ([`client_files`])

mod argument;
mod client_files;
mod emit;
mod engine;
mod handlers;
mod inbox;
mod join;
mod listener;
mod logout;
mod pacer;
mod ping;
mod presence;
mod questions;
mod read;
mod refresh;
mod request_error;
mod requests;
#[cfg(test)]
mod tests;
mod user_shares;
mod watch;

pub use client_files::{ClientFiles, ClientFilesError};

use crate::clock::Clock;
use crate::config::GuestRight;
use crate::connection::{Acceptor, AcceptorConfig, Connections};
use crate::core::throttle::SocketRates;
use crate::realtime::admission::Admission;
use crate::realtime::attendance::Attendance;
use crate::realtime::client_events::ClientEvents;
use crate::realtime::client_messages::ClientMessages;
use crate::realtime::control::Control;
use crate::realtime::inboxes::LiveInboxes;
use crate::realtime::joining::Joining;
use crate::realtime::permissions::Permissions;
use crate::realtime::unhandled::UnhandledEvents;
use crate::realtime::watching::Watching;
use crate::tasks::Tasks;
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use engine::Engine;
use requests::RequestParts;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the edge needs.
#[derive(Debug)]
pub struct SocketEdge {
    /// What clients ask for.
    pub parts: ClientParts,
    /// How fast a socket may send, and what guests may do.
    pub rules: (SocketRates, BTreeSet<GuestRight>),
    /// When connections begin, are pinged and end.
    pub clock: Clock,
    /// Where connections are kept.
    pub connections: Connections,
    /// Run the connections.
    pub tasks: Tasks,
    /// Which clients may connect, and how.
    pub acceptor: AcceptorConfig,
    /// Path of Socket.IO; begins and ends with `/`.
    pub path: String,
    /// The stock client's bundle.
    pub client_files: ClientFiles,
}

/// What clients ask for.
#[derive(Debug)]
pub struct ClientParts {
    /// They connect.
    pub admission: Arc<Admission>,
    /// They log out.
    pub control: Arc<Control>,
    /// They leave.
    pub attendance: Arc<Attendance>,
    /// They read their inbox.
    pub inboxes: Arc<LiveInboxes>,
    /// They send to each other.
    pub messages: Arc<ClientMessages>,
    /// They see who is online.
    pub watching: Arc<Watching>,
    /// They join rooms.
    pub joining: Arc<Joining>,
    /// They do what the backend allows, if it is asked.
    pub permissions: Option<Permissions>,
    /// They send events that the backend answers, if it answers any.
    pub events: Option<ClientEvents>,
    /// They send events that nobody handles.
    pub unhandled: Arc<UnhandledEvents>,
}

impl SocketEdge {
    /// The routes of the public listener, and what answers there.
    pub fn open(self) -> (Router, Acceptor) {
        let Self { parts, rules, clock, connections, tasks, acceptor, path, client_files } = self;
        let requests = RequestParts::new(
            parts,
            rules,
            acceptor.limits.requests_per_user,
            tasks.clone(),
            clock.clone(),
        );
        let engine = Engine::new(requests, &acceptor.socketio, acceptor.limits);
        let lend = move |stream| engine.take(stream);
        let acceptor = Acceptor::new(acceptor, connections, tasks, clock, lend);
        let answering = acceptor.clone();
        let answer = any(async move |request: Request| answering.answer(request).await);
        // Clients are given the path with and without its slash, and some add one in either case.
        let mut router =
            Router::new().route(&path, answer.clone()).route(&format!("{path}/"), answer.clone());
        let without_slash = path.trim_end_matches('/');
        if !without_slash.is_empty() {
            router = router.route(without_slash, answer);
        }
        (router.merge(client_files.router(&path)), acceptor)
    }
}
