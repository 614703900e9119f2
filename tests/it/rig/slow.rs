//! A TCP proxy that hands everything on later, as a far or a busy server would.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use userline::clock::Clock;
use userline::tasks::Tasks;
use userline::types::{Seq, Timestamp};

/// Leads to `upstream`; what comes back takes `delay` longer. Returns where it listens.
pub(crate) async fn slow(tasks: &Tasks, upstream: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let links = tasks.clone();
    tasks.spawn("slow", async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let Ok(server) = TcpStream::connect(upstream).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            links.spawn("slow.to", pass(from_client, to_server, Duration::ZERO));
            links.spawn("slow.from", pass(from_server, to_client, delay));
        }
    });
    address
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (queue, mut waiting) = mpsc::channel::<(Timestamp, Vec<u8>)>(10_000);
    let clock = Clock::start(Seq(0));
    let reading = async {
        let (queue, mut bytes) = (queue, vec![0; 65_536]);
        loop {
            let read = from.read(&mut bytes).await.unwrap_or(0);
            if read == 0 || queue.send((clock.now() + delay, bytes[..read].to_vec())).await.is_err()
            {
                return;
            }
        }
    };
    let writing = async {
        while let Some((at, bytes)) = waiting.recv().await {
            clock.sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}
