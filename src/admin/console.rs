//! The page of `userline dev`, and the hooks that the server sends to itself for it. Never part of `userline serve`.
//!
//! The page carries an admin key and its hooks need none, so both are for this machine only: a request must come from
//! a loopback address, must name its host by address or as `localhost` (else a page of the Internet could reach them
//! by rebinding its own name), and must not come from another site.

mod hooks;

use super::context::AdminContext;
use super::error::ApiError;
use super::error_code::Code;
use crate::connection::ClientAddress;
use crate::realtime::unhandled::UnhandledEvents;
use crate::types::{Secret, millis};
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use hooks::HookLog;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const INDEX: &str = include_str!("console/index.html");
const APP: &str = include_str!("console/app.js");
const STYLE: &str = include_str!("console/style.css");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What the page of `userline dev` needs to know.
#[derive(Debug, Clone)]
pub struct DevConsole {
    /// Where clients connect, as `http://host:port`.
    pub public: String,
    /// The path of Socket.IO there.
    pub path: String,
    /// An admin key with every scope, which the page shows.
    pub key: Secret,
    /// How long a user without sockets stays online.
    pub grace: Duration,
    /// The secret that hooks to `/dev/hooks` are signed with.
    pub hook_secret: Secret,
    /// Ends the streams of hooks, which would go on for ever.
    pub stopping: CancellationToken,
    /// Events of clients that nobody handles.
    pub unhandled: Arc<UnhandledEvents>,
}

/// What the handlers of the page share.
#[derive(Debug)]
struct Console {
    config_js: String,
    policy: HeaderValue,
    hook_secret: Secret,
    stopping: CancellationToken,
    log: HookLog,
    unhandled: Arc<UnhandledEvents>,
}

impl Console {
    fn new(dev: DevConsole) -> Self {
        let DevConsole { public, path, key, grace, hook_secret, stopping, unhandled } = dev;
        let policy = HeaderValue::try_from(policy(&public));
        let config = json!({
            "public": public,
            "path": path,
            "key": String::from_utf8_lossy(key.expose()),
            "grace_ms": millis(grace),
            "dev": true,
        });
        Self {
            config_js: format!("window.USERLINE = {config};\n"),
            // A `public` that is no URL gets a page that may load nothing.
            policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
            hook_secret,
            stopping,
            log: HookLog::new(),
            unhandled,
        }
    }
}

/// What the page may load and whom it may talk to: itself, the public listener, and the client's own CDN.
fn policy(public: &str) -> String {
    let websocket = public.replacen("http", "ws", 1);
    format!(
        "default-src 'none'; script-src 'self' {public} https://cdn.socket.io; \
         style-src 'self'; img-src 'self' data:; connect-src 'self' {public} {websocket}; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// The routes of the page.
pub(super) fn router(dev: DevConsole) -> Router<AdminContext> {
    Router::new()
        .route("/", get(|| async { page("text/html; charset=utf-8", INDEX) }))
        .route("/console/app.js", get(|| async { page("text/javascript; charset=utf-8", APP) }))
        .route("/console/style.css", get(|| async { page("text/css; charset=utf-8", STYLE) }))
        .route("/console/config.js", get(config))
        .route("/dev/hooks", get(hooks::stream).post(hooks::receive))
        .route("/dev/unhandled", get(unhandled))
        .route_layer(middleware::from_fn(guard))
        .layer(Extension(Arc::new(Console::new(dev))))
}

fn page(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type)], text)
}

async fn config(Extension(console): Extension<Arc<Console>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], console.config_js.clone())
}

/// Events of clients that nobody handles: most that are new are spelt in two ways, or not in `events.allow`.
async fn unhandled(Extension(console): Extension<Arc<Console>>) -> impl IntoResponse {
    let told = console.unhandled.told();
    let events = told
        .iter()
        .map(|(event, namespace)| json!({ "event": event, "namespace": namespace.as_str() }));
    Json(json!({ "events": events.collect::<Vec<_>>() }))
}

/// Lets requests of this machine through, and keeps browsers from using the answers elsewhere.
async fn guard(
    Extension(console): Extension<Arc<Console>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    check_peer(&request)?;
    check_host(request.headers())?;
    check_site(&request)?;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, console.policy.clone());
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Ok(response)
}

/// A peer that is not known is not let in.
fn check_peer(request: &Request) -> Result<(), ApiError> {
    let peer = request.extensions().get::<ClientAddress>();
    if peer.is_some_and(|it| it.0.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    Err(ApiError::new(Code::Forbidden, "this page is for the machine that the server runs on"))
}

fn check_host(headers: &HeaderMap) -> Result<(), ApiError> {
    let host = headers.get(HOST).and_then(|it| Authority::try_from(it.as_bytes()).ok());
    let is_here = host.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
    });
    if is_here {
        return Ok(());
    }
    let message =
        "open this page by an IP address or as `localhost`: other names could be anybody's";
    Err(ApiError::new(Code::Forbidden, message))
}

/// Other sites may link to the page, and nothing else. Programs other than browsers do not say where they come from.
fn check_site(request: &Request) -> Result<(), ApiError> {
    let is_page = request.uri().path() == "/";
    match request.headers().get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) if is_page => Ok(()),
        Some(_) => Err(ApiError::new(Code::Forbidden, "not for pages of other sites")),
    }
}
