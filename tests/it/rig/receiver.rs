//! A receiver of hooks that checks every signature, writes everything down, and misbehaves when told to.

use super::server::HOOK_SECRET;
use super::{Watch, http};
use parking_lot::Mutex;
use serde_json::Value;
use socket2::SockRef;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use userline::core::backend::signature::{self, SignedHeaders};
use userline::tasks::Tasks;

/// How a hook is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// At once, with this status.
    Status(u16),
    /// 429 with `Retry-After: 1`.
    TooMany,
    /// Never.
    Hang,
    /// 200 after so many milliseconds.
    Slow(u64),
    /// The connection is reset.
    Reset,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    /// When it arrived, on the test's clock; with `place`, all arrivals and answers are in one order.
    pub(crate) at: u64,
    pub(crate) place: usize,
    /// The place of the 2xx answer, if it was given.
    pub(crate) acked: Option<usize>,
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) user: String,
    pub(crate) is_online: bool,
    pub(crate) seq: u64,
    pub(crate) session: u64,
    pub(crate) reason: String,
    /// When the server decided it, on the test's clock.
    pub(crate) stamp: u64,
}

/// The receiver. Cheap to clone; clones share what was received.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    watch: Watch,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    manner: Manner,
    manner_for: BTreeMap<String, Manner>,
    hooks: Vec<Hook>,
    places: usize,
    forged: Vec<String>,
    /// Requests under way about each user, and who ever had two at once.
    open: BTreeMap<String, usize>,
    crowded: BTreeSet<String>,
}

impl Receiver {
    pub(crate) async fn start(tasks: &Tasks, watch: &Watch) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Inner {
            manner: Manner::Status(200),
            manner_for: BTreeMap::new(),
            hooks: Vec::new(),
            places: 0,
            forged: Vec::new(),
            open: BTreeMap::new(),
            crowded: BTreeSet::new(),
        };
        let it = Self { address, watch: watch.clone(), inner: Arc::new(Mutex::new(inner)) };
        let (receiver, connections) = (it.clone(), tasks.clone());
        tasks.spawn("receiver", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn("hook", receiver.clone().serve(stream));
            }
        });
        it
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// How everybody's hooks are answered from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        self.inner.lock().manner = manner;
    }

    /// How the hooks of one user are answered from now on.
    pub(crate) fn behave_for(&self, user: &str, manner: Manner) {
        self.inner.lock().manner_for.insert(user.to_owned(), manner);
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn hooks(&self) -> Vec<Hook> {
        self.inner.lock().hooks.clone()
    }

    /// What was accepted about one user, repeats left out: after a crash what was accepted may come again.
    pub(crate) fn accepted(&self, user: &str) -> Vec<Hook> {
        let mut hooks = self.hooks();
        let mut seen = BTreeSet::new();
        hooks.retain(|it| it.user == user && it.acked.is_some() && seen.insert(it.id.clone()));
        hooks
    }

    /// `on` and `off`, as accepted about one user.
    pub(crate) fn story(&self, user: &str) -> Vec<&'static str> {
        let word = |hook: &Hook| if hook.is_online { "on" } else { "off" };
        self.accepted(user).iter().map(word).collect()
    }

    /// What does not bear our signature.
    pub(crate) fn forged(&self) -> Vec<String> {
        self.inner.lock().forged.clone()
    }

    /// Users about whom two requests were under way at once.
    pub(crate) fn crowded(&self) -> BTreeSet<String> {
        self.inner.lock().crowded.clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut rest = Vec::new();
        while let Ok(message) = http::read(&mut stream, &mut rest).await {
            let (index, manner) = self.note(&message);
            let (status, header) = match manner {
                Manner::Status(status) => (status, ""),
                Manner::TooMany => (429, "retry-after: 1\r\n"),
                Manner::Hang => {
                    // The server gives it up, which is not seen from here.
                    self.close(index);
                    return std::future::pending().await;
                }
                Manner::Slow(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    (200, "")
                }
                Manner::Reset => {
                    self.close(index);
                    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok();
                    return;
                }
            };
            self.close(index);
            if status == 200 {
                let mut inner = self.inner.lock();
                inner.places += 1;
                inner.hooks[index].acked = Some(inner.places);
            }
            let answer = format!("HTTP/1.1 {status} Hm\r\n{header}content-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// A request is over, as far as the receiver is concerned.
    fn close(&self, index: usize) {
        let mut inner = self.inner.lock();
        let user = inner.hooks[index].user.clone();
        *inner.open.get_mut(&user).unwrap() -= 1;
    }

    /// Writes a request down, and says where, and how to answer it.
    fn note(&self, message: &http::Message) -> (usize, Manner) {
        let signed = SignedHeaders {
            id: message.header("webhook-id"),
            timestamp: message.header("webhook-timestamp"),
            signature: message.header("webhook-signature"),
        };
        let secret = signature::parse_secret(HOOK_SECRET).unwrap();
        let (body, tolerance) = (message.body.as_bytes(), Duration::from_mins(1));
        let verified = signature::verify(&secret, signed, body, self.watch.wall(), tolerance);
        let mut hook = hook(&self.watch, signed.id, &message.body);
        let mut inner = self.inner.lock();
        if let Err(error) = verified {
            inner.forged.push(format!("{error}: {message:?}"));
        }
        inner.places += 1;
        hook.place = inner.places;
        let open = inner.open.entry(hook.user.clone()).or_default();
        *open += 1;
        if 1 < *open {
            inner.crowded.insert(hook.user.clone());
        }
        let manner = inner.manner_for.get(&hook.user).copied().unwrap_or(inner.manner);
        inner.hooks.push(hook);
        (inner.hooks.len() - 1, manner)
    }
}

/// Reads the body of a hook.
pub(crate) fn hook(watch: &Watch, id: &str, body: &str) -> Hook {
    let json: Value = serde_json::from_str(body).unwrap();
    let data = &json["data"];
    Hook {
        at: watch.now(),
        place: 0,
        acked: None,
        id: id.to_owned(),
        body: body.to_owned(),
        user: data["user"].as_str().unwrap().to_owned(),
        is_online: json["type"] == "user.online",
        seq: data["seq"].as_u64().unwrap_or_default(),
        session: data["session"].as_u64().unwrap_or_default(),
        reason: data["reason"].as_str().unwrap_or_default().to_owned(),
        stamp: watch.at(json["timestamp"].as_str().unwrap()),
    }
}
