//! A webhook receiver that does what a test wants of it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// How often its id had come before.
    pub(super) repeats: usize,
    pub(super) reply: Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Status(u16),
    RetryAfter(u16, u64),
    Redirect,
    /// No answer for longer than any test.
    Hang,
    /// 200 after so many milliseconds.
    Slow(u64),
}

type Decide = dyn Fn(&Received) -> Reply + Send + Sync;

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    decide: Box<Decide>,
    received: Mutex<Vec<Received>>,
    /// How often each id has come.
    seen: Mutex<BTreeMap<String, usize>>,
    open: Mutex<BTreeMap<String, usize>>,
    /// Most requests at once: in all, and about one user.
    widest: Mutex<(usize, usize)>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn user(&self) -> String {
        self.json()["data"]["user"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn seq(&self) -> u64 {
        self.json()["data"]["seq"].as_u64().unwrap_or_default()
    }
}

impl Receiver {
    /// Answers as `decide` says.
    pub(super) async fn start(
        tasks: &Tasks,
        decide: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(tasks, "127.0.0.1:0".parse().unwrap(), decide).await
    }

    pub(super) async fn start_at(
        tasks: &Tasks,
        address: SocketAddr,
        decide: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let inner = Arc::new(Inner {
            decide: Box::new(decide),
            received: Mutex::default(),
            seen: Mutex::default(),
            open: Mutex::default(),
            widest: Mutex::default(),
        });
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        tasks.spawn("receiver", async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().clone()
    }

    /// What was answered 2xx.
    pub(super) fn accepted(&self) -> Vec<Received> {
        let mut all = self.received();
        all.retain(|it| matches!(it.reply, Reply::Status(200..300) | Reply::Slow(_)));
        all
    }

    pub(super) fn widest(&self) -> (usize, usize) {
        *self.inner.widest.lock()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut one = Received { headers, body, repeats: 0, reply: Reply::Hang };
    let user = one.user();
    {
        let mut received = inner.received.lock();
        let mut seen = inner.seen.lock();
        let times = seen.entry(one.header("webhook-id").to_owned()).or_default();
        one.repeats = *times;
        *times += 1;
        one.reply = (inner.decide)(&one);
        received.push(one.clone());
        let mut open = inner.open.lock();
        *open.entry(user.clone()).or_default() += 1;
        let mut widest = inner.widest.lock();
        *widest = (widest.0.max(open.values().sum()), widest.1.max(open[&user]));
    }
    let response = match one.reply {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::RetryAfter(status, seconds) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", seconds.to_string())]).into_response()
        }
        Reply::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Reply::Hang => std::future::pending().await,
        Reply::Slow(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            StatusCode::OK.into_response()
        }
    };
    if let Some(count) = inner.open.lock().get_mut(&user) {
        *count -= 1;
    }
    response
}
