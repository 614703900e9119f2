//! A Socket.IO client, for whoever loads or tests a server: raw enough to do what stock clients would not.
//!
//! Two ways to use it: [`ClientSession`] is bytes in, bytes out, for thousands of clients on one thread; [`Client`] is
//! one client that waits for its own packets, over WebSocket or polling.

mod http;
mod polling;
mod session;
#[cfg(test)]
mod tests;
mod websocket;

pub use http::{Response, find_response};
pub use session::{ClientEnd, ClientNews, ClientSession, ClientStage, ConnectPacket};
pub use websocket::upgrade_request;

use polling::PollingLink;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use websocket::WebSocketLink;

/// Where Socket.IO is, with the protocol's version and up to the name of the transport.
const PATH: &str = "/socket.io/?EIO=4&transport=";

/// How a client reaches its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTransport {
    /// A WebSocket.
    WebSocket,
    /// Two HTTP connections, one for polls and one for posts.
    Polling,
}

/// One client. It speaks Engine.IO packets (`40{…}`, `42[…]`, `2`) and does nothing by itself: pings are the caller's
/// to answer, except in [`Client::join`].
#[derive(Debug)]
pub struct Client {
    link: Link,
}

#[derive(Debug)]
enum Link {
    WebSocket(WebSocketLink),
    Polling(PollingLink),
}

impl Client {
    /// Opens a connection and reads the server's open packet.
    pub async fn open(transport: ClientTransport, server: SocketAddr) -> io::Result<Self> {
        let link = match transport {
            ClientTransport::WebSocket => {
                let mut socket = WebSocketLink::open(server, "").await?;
                check(socket.receive().await?.starts_with('0'), "no open packet")?;
                Link::WebSocket(socket)
            }
            ClientTransport::Polling => Link::Polling(PollingLink::open(server).await?),
        };
        Ok(Self { link })
    }

    /// Joins the root namespace with the JSON `auth`, and answers pings meanwhile. Returns the object of the server's
    /// reply; fails with the server's words if it refuses.
    pub async fn join(&mut self, auth: &str) -> io::Result<String> {
        self.send(&format!("40{auth}")).await?;
        loop {
            let packet = self.receive().await?;
            if packet == "2" {
                self.send("3").await?;
            } else if let Some(reply) = packet.strip_prefix("40") {
                return Ok(reply.to_owned());
            } else if let Some(words) = packet.strip_prefix("44") {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
            }
        }
    }

    /// Sends one packet.
    pub async fn send(&mut self, packet: &str) -> io::Result<()> {
        match &mut self.link {
            Link::WebSocket(socket) => socket.send(packet).await,
            Link::Polling(polling) => polling.post(packet).await,
        }
    }

    /// The next packet; attachments are left out. Nothing is lost if this is given up and called again.
    pub async fn receive(&mut self) -> io::Result<String> {
        match &mut self.link {
            Link::WebSocket(socket) => socket.receive().await,
            Link::Polling(polling) => polling.receive().await,
        }
    }

    /// Goes over from polling to WebSocket, as stock clients do.
    pub async fn upgrade(&mut self) -> io::Result<()> {
        let Link::Polling(polling) = &mut self.link else { return Ok(()) };
        let mut socket = WebSocketLink::open(polling.server()?, &polling.sid_parameter()).await?;
        // A poll waits meanwhile, and is ended by the server.
        polling.ask().await?;
        socket.send("2probe").await?;
        while socket.receive().await? != "3probe" {}
        polling.finish().await?;
        socket.send("5").await?;
        self.link = Link::WebSocket(socket);
        Ok(())
    }

    /// Leaves the namespace as `socket.disconnect()` does.
    pub async fn disconnect(&mut self) -> io::Result<()> {
        match &mut self.link {
            Link::WebSocket(socket) => socket.send("41").await,
            Link::Polling(polling) => polling.post("41\u{1e}1").await,
        }
    }

    /// Ends the connection without a word, in order: what was sent still arrives.
    pub async fn close(self) -> io::Result<()> {
        match self.link {
            Link::WebSocket(socket) => socket.close().await,
            Link::Polling(polling) => polling.close().await,
        }
    }

    /// Ends the connection at once, with a reset: what was sent may be lost.
    pub fn reset(self) -> io::Result<()> {
        self.streams().into_iter().try_for_each(TcpStream::set_zero_linger)
    }

    /// The TCP connections: of a polling client, that of the polls comes first.
    pub fn streams(&self) -> Vec<&TcpStream> {
        match &self.link {
            Link::WebSocket(socket) => vec![socket.stream()],
            Link::Polling(polling) => polling.streams().into(),
        }
    }
}

fn check(is_so: bool, why: &'static str) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(io::Error::new(io::ErrorKind::ConnectionRefused, why)) }
}
