//! Clients that behave like stock ones: they come back by themselves, claim their session, and notice silence.

use super::Random;
use super::proxy::{Flow, Proxy};
use super::server::token;
use super::truth::{State, Truth};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use userline::client::Client;
use userline::tasks::Tasks;

pub(crate) use userline::client::ClientTransport as Transport;

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// `socket.disconnect()`.
    Polite,
    /// The tab is closed.
    Abrupt,
}

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ping interval and timeout of the server, after which a client gives its connection up.
const SILENCE: Duration = Duration::from_millis(super::server::SILENCE);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    is_online: bool,
    /// Another one means another page: the old connection goes, a new one comes.
    page: u64,
    goodbye: Goodbye,
}

/// One client of one user, which connects and comes back as long as it wants to be online.
#[derive(Debug)]
pub(crate) struct Tab {
    pub(crate) user: String,
    pub(crate) index: usize,
    wish: watch::Sender<Wish>,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    user: String,
    token: String,
    index: usize,
    transport: Transport,
    /// The ways to the server, or one to each node of a cluster.
    proxies: Vec<Proxy>,
    truth: Truth,
    /// Which way the current connection took, and its ports.
    way: Mutex<(usize, Vec<u16>)>,
    /// The events it got, a list for each session: a new one begins where a connection goes on with none.
    heard: Mutex<Vec<Vec<Value>>>,
    /// What a stock client remembers of its session as long as the page is open: `pid` and `offset`.
    session: Mutex<(Option<String>, Option<String>)>,
    random: Mutex<Random>,
}

impl Tab {
    /// A client that is not online yet.
    pub(crate) fn new(
        user: &str,
        transport: Transport,
        proxy: &Proxy,
        truth: &Truth,
        tasks: &Tasks,
    ) -> Self {
        Self::among(user, transport, std::slice::from_ref(proxy), truth, tasks)
    }

    /// The same with a way to each node of a cluster: it takes any, each time that it connects.
    pub(crate) fn among(
        user: &str,
        transport: Transport,
        proxies: &[Proxy],
        truth: &Truth,
        tasks: &Tasks,
    ) -> Self {
        let index = truth.add(user);
        let inner = Arc::new(Inner {
            user: user.to_owned(),
            token: token(user),
            index,
            transport,
            proxies: proxies.to_vec(),
            truth: truth.clone(),
            way: Mutex::default(),
            heard: Mutex::default(),
            session: Mutex::default(),
            random: Mutex::new(Random::new(u64::try_from(index).unwrap() + 1)),
        });
        let wish = Wish { is_online: false, page: 0, goodbye: Goodbye::Abrupt };
        let (wish, wishes) = watch::channel(wish);
        tasks.spawn("tab", Arc::clone(&inner).run(wishes));
        Self { user: user.to_owned(), index, wish, inner }
    }

    /// Wants to be online from now on.
    pub(crate) fn come(&self) {
        self.wish.send_modify(|it| it.is_online = true);
    }

    /// Wants to be offline from now on.
    pub(crate) fn go(&self, goodbye: Goodbye) {
        self.wish.send_modify(|it| (it.is_online, it.goodbye) = (false, goodbye));
    }

    /// The page is loaded anew.
    pub(crate) fn refresh(&self) {
        self.wish.send_modify(|it| (it.page, it.goodbye) = (it.page + 1, Goodbye::Abrupt));
    }

    pub(crate) fn wants_online(&self) -> bool {
        self.wish.borrow().is_online
    }

    pub(crate) fn is_up(&self) -> bool {
        self.inner.truth.state(self.index) == State::Up
    }

    /// How often it has tried to connect.
    pub(crate) fn attempts(&self) -> u64 {
        self.inner.truth.attempt(self.index)
    }

    /// The events it got in each of its sessions, without those of the server itself: name and arguments.
    pub(crate) fn heard(&self) -> Vec<Vec<Value>> {
        self.inner.heard.lock().clone()
    }

    /// Breaks the connection, if there is one.
    pub(crate) fn suffer(&self, flow: Flow) {
        let state = match flow {
            Flow::Cut | Flow::Reset | Flow::HalfOpen => State::Down,
            Flow::Stall => State::Murky,
            Flow::Pass => return self.set(flow),
        };
        if self.inner.truth.breaks(self.index, state) {
            self.set(flow);
        }
    }

    fn set(&self, flow: Flow) {
        let (way, ports) = &*self.inner.way.lock();
        for port in ports {
            self.inner.proxies[*way].set(*port, flow);
        }
    }
}

impl Inner {
    async fn run(self: Arc<Self>, mut wishes: watch::Receiver<Wish>) {
        let mut page = 0;
        loop {
            let Ok(wish) = wishes.wait_for(|it| it.is_online).await.map(|it| *it) else { return };
            if page != wish.page {
                page = wish.page;
                *self.session.lock() = (None, None);
            }
            let ended = self.session(wish, &mut wishes).await;
            self.truth.is_out(self.index, false);
            if ended.is_err() {
                let pause = self.random.lock().of(100..500);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }

    /// One connection, from its beginning until it breaks (an error) or is not wanted any more.
    async fn session(&self, wish: Wish, wishes: &mut watch::Receiver<Wish>) -> io::Result<()> {
        let ways = u64::try_from(self.proxies.len()).unwrap();
        let way = usize::try_from(self.random.lock().of(0..ways)).unwrap();
        let open = Client::open(self.transport, self.proxies[way].address);
        let mut client = timeout(PATIENCE, open).await.map_err(|_| lost())??;
        *self.way.lock() = (way, ports(&client)?);
        let attempt = self.truth.begins(self.index, way);
        client.send(&format!("40{}", self.auth())).await?;
        loop {
            tokio::select! {
                changed = wishes.changed() => {
                    let now = *wishes.borrow_and_update();
                    if changed.is_err() || !now.is_online || now.page != wish.page {
                        self.truth.is_out(self.index, true);
                        if now.goodbye == Goodbye::Polite {
                            // It may be broken already.
                            timeout(PATIENCE, client.disconnect()).await.ok();
                        }
                        return Ok(());
                    }
                }
                packet = timeout(SILENCE, client.receive()) => {
                    let packet = packet.map_err(|_| lost())??;
                    self.heed(&mut client, &packet, attempt).await?;
                }
            }
        }
    }

    async fn heed(&self, client: &mut Client, packet: &str, attempt: u64) -> io::Result<()> {
        if packet == "2" {
            self.truth.is_pinged(self.index);
            return client.send("3").await;
        }
        if let Some(reply) = packet.strip_prefix("40") {
            let reply: Value = serde_json::from_str(reply)?;
            let pid = reply["pid"].as_str().map(str::to_owned);
            let before = std::mem::replace(&mut self.session.lock().0, pid.clone());
            if pid.is_none() || pid != before {
                self.heard.lock().push(Vec::new());
            }
            let is_in = self.truth.is_in(self.index, attempt);
            return if is_in { Ok(()) } else { Err(lost()) };
        }
        if let Some(event) = packet.strip_prefix("42") {
            let event: Vec<Value> = serde_json::from_str(event)?;
            if let Some(offset) = event.last().and_then(Value::as_str) {
                self.session.lock().1 = Some(offset.to_owned());
            }
            let is_own = event[0].as_str().is_none_or(|it| it.starts_with("userline:"));
            if let Some(heard) = self.heard.lock().last_mut()
                && !is_own
            {
                heard.push(event.into());
            }
            return Ok(());
        }
        if packet.starts_with("44") {
            self.truth.is_refused(&self.user, packet);
            return Err(lost());
        }
        if packet.starts_with("41") || packet == "1" { Err(lost()) } else { Ok(()) }
    }

    fn auth(&self) -> Value {
        let mut auth = json!({"token": self.token});
        let (pid, offset) = self.session.lock().clone();
        if let Some(pid) = pid {
            auth["pid"] = pid.into();
            auth["offset"] = offset.into();
        }
        auth
    }
}

/// Our ports, by which the proxy knows the connection.
fn ports(client: &Client) -> io::Result<Vec<u16>> {
    client.streams().into_iter().map(|it| it.local_addr().map(|address| address.port())).collect()
}

fn lost() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
