//! A TCP proxy between clients and server that breaks single connections on demand.

use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use userline::tasks::Tasks;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Everything passes.
    Pass,
    /// Nothing passes, both ends believe that all is well.
    Stall,
    /// The client is gone, the server is not told.
    HalfOpen,
    /// Both ends see an orderly end.
    Cut,
    /// Both ends see a reset.
    Reset,
}

/// The proxy. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    upstream: Arc<Mutex<SocketAddr>>,
    /// By the client's port.
    links: Arc<Mutex<BTreeMap<u16, watch::Sender<Flow>>>>,
    /// What happens to new connections.
    first: Arc<Mutex<Flow>>,
}

impl Proxy {
    pub(crate) async fn start(tasks: &Tasks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let it = Self {
            address,
            upstream: Arc::new(Mutex::new(address)),
            links: Arc::default(),
            first: Arc::new(Mutex::new(Flow::Pass)),
        };
        tasks.spawn("proxy", it.clone().run(listener, tasks.clone()));
        it
    }

    /// Where new connections lead from now on.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        *self.upstream.lock() = upstream;
    }

    /// Does something to the connection of the client at `port`, if there is one.
    pub(crate) fn set(&self, port: u16, flow: Flow) {
        if let Some(link) = self.links.lock().get(&port) {
            link.send_replace(flow);
        }
    }

    /// Does something to all connections, and to those that come.
    pub(crate) fn set_all(&self, flow: Flow) {
        *self.first.lock() = flow;
        for link in self.links.lock().values() {
            link.send_replace(flow);
        }
    }

    async fn run(self, listener: TcpListener, tasks: Tasks) {
        loop {
            let (client, peer) = listener.accept().await.unwrap();
            let (told, flow) = watch::channel(*self.first.lock());
            self.links.lock().insert(peer.port(), told);
            let (links, upstream) = (Arc::clone(&self.links), *self.upstream.lock());
            tasks.spawn("link", async move {
                if let Ok(server) = TcpStream::connect(upstream).await {
                    link(client, server, flow).await;
                }
                links.lock().remove(&peer.port());
            });
        }
    }
}

async fn link(mut client: TcpStream, mut server: TcpStream, mut flow: watch::Receiver<Flow>) {
    let (mut from_client, mut from_server) = ([0; 2048], [0; 2048]);
    loop {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Pass | Flow::Stall => {}
            Flow::Cut => return,
            Flow::Reset => {
                for stream in [&client, &server] {
                    SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
                }
                return;
            }
            Flow::HalfOpen => {
                drop(client);
                // The server's end stays open, unread, until the test ends.
                return std::future::pending().await;
            }
        }
        let passes = now == Flow::Pass;
        tokio::select! {
            // What happens to the connection comes before what is sent after it.
            biased;
            changed = flow.changed() => if changed.is_err() { return },
            read = client.read(&mut from_client), if passes => {
                let n = read.unwrap_or(0);
                if n == 0 || server.write_all(&from_client[..n]).await.is_err() { return }
            }
            read = server.read(&mut from_server), if passes => {
                let n = read.unwrap_or(0);
                if n == 0 || client.write_all(&from_server[..n]).await.is_err() { return }
            }
        }
    }
}
