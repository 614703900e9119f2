//! The admin API: HTTP for backends and operators, on a listener of its own. It translates and decides nothing.
//!
//! ```text
//! POST    /v1/emit                       emit     an event for users, rooms, sockets, everybody
//! POST    /v1/emit/batch                 emit     up to 1000 of these
//! GET     /v1/messages                   read     what was emitted last
//! GET     /v1/messages/{id}              read     did it arrive?
//! GET     /v1/users                      read     who is here
//! GET     /v1/users/{user}               read     one user with every socket
//! DELETE  /v1/users/{user}               control  forget the user
//! PATCH   /v1/users/{user}/data          control  attach data of the backend's own
//! GET     /v1/users/{user}/history       read     why was it disconnected
//! GET     /v1/users/{user}/inbox         read     what was stored for a user
//! POST    /v1/users/{user}/inbox/read    emit     the user has seen it
//! DELETE  /v1/users/{user}/inbox/{seq}   emit     take one item back
//! POST    /v1/users/{user}/disconnect    control  every device of a user
//! POST    /v1/users/{user}/logout        control  its clients need credentials to come back
//! GET     /v1/blocks                     read     who is blocked, by whom, why
//! GET     /v1/users/{user}/block         read     what is held against a user
//! PUT     /v1/users/{user}/block         control  keep a user out
//! DELETE  /v1/users/{user}/block         control  let it in again
//! PUT     /v1/users/{user}/not_before    control  older tokens do not count
//! DELETE  /v1/users/{user}/not_before    control  all count
//! GET     /v1/users/{user}/rooms         read     the rooms it is put into, and those denied to it
//! PUT     /v1/users/{user}/rooms/{room}  control  put it into one, for good
//! DELETE  /v1/users/{user}/rooms/{room}  control  take it out
//! POST    /v1/presence                   read     the state of up to 1000 users
//! GET     /v1/rooms                      read     which rooms there are
//! GET     /v1/rooms/{room}               read     who is in one
//! GET     /v1/sockets/{id}               read     one socket
//! DELETE  /v1/sockets/{id}               control  disconnect it
//! POST    /v1/sockets/join               control  many join rooms
//! POST    /v1/sockets/leave              control  many leave rooms
//! POST    /v1/sockets/disconnect         control  many are disconnected
//! PATCH   /v1/sockets/{id}/data          control  attach data of the backend's own
//! GET     /v1/events                     read     what changed, for those who would rather pull than be told
//! GET     /v1/hooks/deliveries           read     which hooks wait, fail, are dead
//! GET     /v1/hooks/deliveries/{id}      read     one of them, with its body
//! POST    /v1/hooks/deliveries/{id}/replay  control  send it again
//! POST    /v1/hooks/replay               control  send dead letters again
//! GET     /v1/hooks/endpoints            read     how each receiver is doing
//! GET     /v1/ingest                     read     how emits come by other ways than this API
//! GET     /v1/nodes                      read     how each node is
//! GET     /v1/stats                      read     counts
//! GET     /v1/openapi.json               -        this list, for machines
//! GET     /healthz                       -        the process lives
//! GET     /readyz                        -        the server takes clients
//! GET     /metrics                       -        for Prometheus
//!
//! GET     /                              dev      the page of `userline dev`: /console/app.js, style.css, config.js
//! POST    /dev/hooks                     dev      takes the server's own hooks
//! GET     /dev/hooks                     dev      streams them to the page
//! GET     /dev/unhandled                 dev      events of clients that nobody handles
//! ```
//!
//! The third column is the scope that a key needs; the routes without one are why the listener stays private.

mod answered;
mod attached;
mod blocks;
mod bulk;
mod console;
mod context;
mod cursor;
mod deliveries;
mod emit;
mod erase;
mod error;
mod error_code;
mod events;
mod extract;
mod health;
mod history;
mod hooks;
mod idempotency;
mod inbox;
mod ingest;
mod keys;
mod logout;
mod may;
mod memberships;
mod messages;
mod missing_nodes;
mod nodes;
mod openapi;
mod presence_state;
mod ready;
mod request;
mod rooms;
mod schemas;
mod socket_view;
mod sockets;
mod time;
mod users;

pub use console::DevConsole;
pub use ready::Ready;

use crate::clock::Clock;
use crate::cluster::ClusterAnswers;
use crate::commands::schema::SchemaRules;
use crate::config::{AdminConfig, InboxConfig, LimitsConfig};
use crate::connection::ClientAddress;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::realtime::attachments::Attachments;
use crate::realtime::control::Control;
use crate::realtime::directory::Directory;
use crate::realtime::erasure::Erasure;
use crate::realtime::everywhere::Everywhere;
use crate::realtime::feed::EventFeed;
use crate::realtime::inboxes::LiveInboxes;
use crate::realtime::memberships::MembershipControl;
use crate::realtime::messages::Messages;
use crate::realtime::reports::Reports;
use crate::tasks::Tasks;
use crate::types::EventPattern;
use answered::AnswerCounters;
use axum::body::HttpBody;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router, middleware};
use bytes::Bytes;
use context::{AdminContext, AdminShared};
use futures_util::FutureExt as _;
use futures_util::future::Either;
use idempotency::requests::NamedRequests;
use keys::Keys;
use request::Call;
use std::sync::Arc;
use tower_service::Service as _;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the admin API works with.
#[derive(Debug)]
pub struct AdminState {
    /// Sends events.
    pub messages: Arc<Messages>,
    /// What waits for users.
    pub inboxes: Arc<LiveInboxes>,
    /// Moves and disconnects sockets, on every node.
    pub everywhere: Arc<Everywhere>,
    /// Puts users into rooms.
    pub memberships: Arc<MembershipControl>,
    /// Blocks users.
    pub control: Arc<Control>,
    /// Erases users.
    pub erasure: Arc<Erasure>,
    /// Attaches data.
    pub attachments: Arc<Attachments>,
    /// Who is here.
    pub directory: Arc<Directory>,
    /// How the nodes are, and their sources.
    pub reports: Arc<Reports>,
    /// What happened, for those who pull.
    pub feed: EventFeed,
    /// How the receivers of hooks are doing.
    pub hooks: Hooks,
    /// Who may call.
    pub keys: AdminConfig,
    /// `payload_bytes` bounds bodies, `body_timeout` the wait for them.
    pub limits: LimitsConfig,
    /// `keep` bounds the `ttl` of stored events.
    pub inbox: InboxConfig,
    /// Whether the server takes clients.
    pub ready: Ready,
    /// Events that only clients send.
    pub client_events: Vec<EventPattern>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Tells how long a request took.
    pub clock: Clock,
    /// Requests that must not stay half done run here.
    pub tasks: Tasks,
    /// What requests with a name were answered, on all nodes, if there are others.
    pub shared_answers: Option<ClusterAnswers>,
    /// The page of `userline dev`; `None` in production.
    pub dev: Option<DevConsole>,
}

/// The admin API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    context: AdminContext,
    router: Router,
}

impl Admin {
    /// Everything the admin listener answers.
    pub fn new(state: AdminState) -> Self {
        let dev = state.dev.clone();
        let (mut router, document) = routes().split_for_parts();
        let document = openapi::render(&document, SchemaRules { ttl_max: state.inbox.keep });
        let context = state.share(document);
        if let Some(dev) = dev {
            router = router.merge(console::router(dev));
        }
        let router = router
            .fallback(error::no_route)
            .method_not_allowed_fallback(error::no_method)
            .layer(middleware::from_fn(request::name_route))
            .with_state(context.clone());
        Self { context, router }
    }

    /// Answers a request of `peer`.
    pub fn answer<B>(
        &self,
        peer: ClientAddress,
        mut request: Request<B>,
    ) -> impl Future<Output = Response> + Send
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let call = Call::begin(&self.context, &request);
        if request.method() == Method::POST && request.uri().path() == emit::PATH {
            let answer = emit::answer(&self.context, call.caller(), request);
            return Either::Left(call.end_at(emit::PATH, answer.map(IntoResponse::into_response)));
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(call.caller().clone());
        let answer = self.router.clone().call(request);
        Either::Right(call.end_at_router(answer.map(|Ok(response)| response)))
    }
}

impl AdminState {
    fn share(self, document: Bytes) -> AdminContext {
        let Self {
            messages,
            inboxes,
            everywhere,
            memberships,
            control,
            erasure,
            attachments,
            directory,
            reports,
            feed,
            hooks,
            keys,
            limits,
            inbox,
            ready,
            client_events,
            metrics,
            clock,
            tasks,
            shared_answers,
            dev: _,
        } = self;
        let named_requests = NamedRequests::new(keys.idempotency, shared_answers, clock.clone());
        let remembered = named_requests.clone();
        erasure.also(move |user| remembered.erase(user));
        AdminContext::new(AdminShared {
            named_requests,
            keys: Keys::new(&keys),
            answers: AnswerCounters::default(),
            messages,
            inboxes,
            everywhere,
            memberships,
            control,
            erasure,
            attachments,
            directory,
            reports,
            feed,
            hooks,
            limits,
            inbox,
            ready,
            client_events,
            metrics,
            clock,
            tasks,
            document,
        })
    }
}

/// The routes of the API, with their documentation.
fn routes() -> OpenApiRouter<AdminContext> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(emit::emit))
        .routes(routes!(emit::batch::batch))
        .routes(routes!(messages::list))
        .routes(routes!(messages::get))
        .routes(routes!(users::list))
        .routes(routes!(users::get, erase::erase))
        .routes(routes!(history::get))
        .routes(routes!(users::disconnect))
        .routes(routes!(logout::log_out))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::get, blocks::block, blocks::unblock))
        .routes(routes!(blocks::revoke, blocks::restore))
        .routes(routes!(memberships::list))
        .routes(routes!(memberships::put, memberships::delete))
        .routes(routes!(users::presence))
        .routes(routes!(inbox::list))
        .routes(routes!(inbox::read))
        .routes(routes!(inbox::delete))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::get))
        .routes(routes!(sockets::get, sockets::disconnect))
        .routes(routes!(bulk::join))
        .routes(routes!(bulk::leave))
        .routes(routes!(bulk::disconnect))
        .routes(routes!(attached::to_user))
        .routes(routes!(attached::to_socket))
        .routes(routes!(events::list))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::replay))
        .routes(routes!(hooks::replay))
        .routes(routes!(hooks::endpoints))
        .routes(routes!(ingest::list))
        .routes(routes!(nodes::list))
        .routes(routes!(health::stats))
        .routes(routes!(openapi::openapi))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
}

#[cfg(test)]
mod tests;
