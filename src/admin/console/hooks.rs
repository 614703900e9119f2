//! The hooks that the server sends to itself: received, checked, kept for a while and streamed to the page.

use super::Console;
use crate::admin::context::AdminContext;
use crate::admin::error::ApiError;
use crate::admin::error_code::Code;
use crate::admin::extract::read;
use crate::core::backend::signature::{self, SignedHeaders};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// Hooks that are kept for those who come later.
const KEPT: usize = 100;
/// Largest body of a hook: ours have a few hundred bytes.
const BODY_MAX: usize = 64 * 1024;
/// Hooks that may wait for one reader before it is dropped.
const WAITING: usize = 256;
/// Readers at once: tabs with the page.
const READERS: usize = 32;
/// How far the clocks of sender and receiver, which are one, may differ.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Headers that are shown.
const SHOWN: [&str; 5] =
    ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent"];

/// The last hooks, and who reads them as they come.
#[derive(Debug)]
pub(super) struct HookLog {
    kept: Mutex<VecDeque<Arc<str>>>,
    news: broadcast::Sender<Arc<str>>,
    readers: Arc<Semaphore>,
}

/// One hook as the page gets it.
#[derive(Debug, Serialize)]
struct Received<'a> {
    headers: BTreeMap<&'static str, &'a str>,
    verified: bool,
    body: &'a RawValue,
}

/// A place in the log: first what was kept, then what comes.
struct Reader {
    kept: VecDeque<Arc<str>>,
    /// Gone after a message that says why.
    news: Option<broadcast::Receiver<Arc<str>>>,
    _place: OwnedSemaphorePermit,
}

impl HookLog {
    pub(super) fn new() -> Self {
        let (news, _) = broadcast::channel(WAITING);
        Self { kept: Mutex::default(), news, readers: Arc::new(Semaphore::new(READERS)) }
    }

    fn add(&self, hook: Arc<str>) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&hook));
        // Fails only if nobody reads, and then it is kept.
        self.news.send(hook).ok();
    }

    fn read(&self) -> Option<Reader> {
        let place = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        // Under the lock, so that no hook falls between what was kept and what comes.
        let kept = self.kept.lock();
        Some(Reader { kept: kept.clone(), news: Some(self.news.subscribe()), _place: place })
    }
}

/// Takes a hook of the server. A wrong signature is shown, and refused.
pub(super) async fn receive(
    State(context): State<AdminContext>,
    Extension(console): Extension<Arc<Console>>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let headers = request.headers().clone();
    let body = read(request, BODY_MAX, context.limits.body_timeout).await?;
    // Outside of strings, the only place where JSON may hold them, line breaks mean nothing; in a stream they do.
    let text = String::from_utf8_lossy(&body).replace(['\r', '\n'], " ");
    let shown: &RawValue = serde_json::from_str(&text)
        .map_err(|why| ApiError::new(Code::InvalidArgument, format_args!("no JSON: {why}")))?;
    let text_of = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let signed = SignedHeaders {
        id: text_of("webhook-id").unwrap_or_default(),
        timestamp: text_of("webhook-timestamp").unwrap_or_default(),
        signature: text_of("webhook-signature").unwrap_or_default(),
    };
    let now = context.clock.wall();
    let verdict = signature::verify(&console.hook_secret, signed, &body, now, TOLERANCE);
    console.log.add(render(&headers, verdict.is_ok(), shown)?);
    match verdict {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err(ApiError::new(Code::Unauthenticated, why)),
    }
}

fn render(headers: &HeaderMap, verified: bool, body: &RawValue) -> Result<Arc<str>, ApiError> {
    let text_of = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let headers = SHOWN.iter().filter_map(|&name| Some((name, text_of(name)?))).collect();
    let text = serde_json::to_string(&Received { headers, verified, body });
    text.map(Arc::from).map_err(ApiError::internal)
}

/// Streams hooks as Server-Sent Events: the last ones first, then each as it comes. A reader that takes them too
/// slowly gets an event `lagged` and the end; browsers come back by themselves.
pub(super) async fn stream(
    Extension(console): Extension<Arc<Console>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let reader = console.log.read().ok_or_else(|| {
        ApiError::new(Code::Unavailable, format_args!("there are {READERS} readers already"))
    })?;
    let events = stream::unfold(reader, next).map(Ok);
    let events = events.take_until(console.stopping.clone().cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

async fn next(mut reader: Reader) -> Option<(Event, Reader)> {
    if let Some(hook) = reader.kept.pop_front() {
        return Some((Event::default().data(&hook), reader));
    }
    let event = match reader.news.as_mut()?.recv().await {
        Ok(hook) => Event::default().data(&hook),
        Err(RecvError::Lagged(missed)) => {
            reader.news = None;
            Event::default().event("lagged").data(json!({"missed": missed}).to_string())
        }
        Err(RecvError::Closed) => return None,
    };
    Some((event, reader))
}
