//! What a handshake tells of the client: copied, because headers would pin the whole read buffer.

use super::address;
use super::gate::Trial;
use crate::core::memory::shared_texts::SharedTexts;
use crate::types::Secret;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes of a user agent that are kept.
const USER_AGENT_MAX: usize = 256;
/// User agents of which one copy is kept for all: with their table about a megabyte.
const USER_AGENTS_MAX: usize = 4096;
/// Bytes of an `Authorization` header that are kept; longer ones are no token of ours.
const AUTHORIZATION_MAX: usize = 16 * 1024;

/// The address of a TCP peer, put into the extensions of each request by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub SocketAddr);

/// What the handshake told of the client.
#[derive(Debug)]
pub struct Facts {
    /// Its address, behind trusted proxies.
    pub address: IpAddr,
    /// Its `User-Agent`, cut to 256 bytes; anybody can write anything there. Connections that say the same share it.
    pub user_agent: Option<Arc<str>>,
    /// Its `Authorization` header.
    pub authorization: Option<Box<Secret>>,
    /// What the backend that says who clients are is told of its handshake, if one is asked.
    pub forwarded: Option<Box<ForwardedParts>>,
}

/// Parts of a handshake for the backend.
#[derive(Debug)]
pub struct ForwardedParts {
    /// Its query.
    pub query: Secret,
    /// Headers that the configuration names, in the order in which it names them.
    pub headers: Vec<(HeaderName, Secret)>,
    /// What waits to hear whether its client is let in.
    pub(super) trial: Mutex<Option<Trial>>,
}

impl ForwardedParts {
    fn of(parts: &Parts, names: &[HeaderName]) -> Self {
        let lines = |name: &HeaderName| {
            let lines = parts.headers.get_all(name).iter();
            lines.map(|it| (name.clone(), Secret::new(it.as_bytes()))).collect::<Vec<_>>()
        };
        Self {
            query: Secret::new(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: names.iter().flat_map(lines).collect(),
            trial: Mutex::default(),
        }
    }
}

impl Facts {
    /// The client's address alone.
    pub(super) fn address(parts: &Parts, trusted: &[IpNet]) -> IpAddr {
        let peer = parts.extensions.get::<ClientAddress>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |it| it.0.ip());
        let forwarded_for = HeaderName::from_static("x-forwarded-for");
        let lines = parts.headers.get_all(forwarded_for);
        let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
        address::of_client(peer, lines.into_iter(), trusted)
    }

    /// `forwarded` names the headers that a backend is told, if one is asked; `agents` are those of all connections.
    pub(super) fn of(
        parts: &Parts,
        trusted: &[IpNet],
        forwarded: Option<&[HeaderName]>,
        agents: &UserAgents,
    ) -> Self {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|it| it.to_str().ok());
        Self {
            address: Self::address(parts, trusted),
            user_agent: text(USER_AGENT).map(|it| agents.share(cut(it, USER_AGENT_MAX))),
            authorization: text(AUTHORIZATION)
                .filter(|it| it.len() <= AUTHORIZATION_MAX)
                .map(|it| Box::new(Secret::new(it.as_bytes()))),
            forwarded: forwarded.map(|names| Box::new(ForwardedParts::of(parts, names))),
        }
    }
}

/// The user agents of all connections: there are far fewer of them than clients.
#[derive(Debug)]
pub(super) struct UserAgents(Mutex<SharedTexts>);

impl Default for UserAgents {
    fn default() -> Self {
        Self(Mutex::new(SharedTexts::new(USER_AGENTS_MAX)))
    }
}

impl UserAgents {
    fn share(&self, text: &str) -> Arc<str> {
        self.0.lock().share(text)
    }
}

fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{ClientAddress, Facts, UserAgents};
    use http::{HeaderValue, Request};

    /// A proxy writes what it saw behind what the client sent: that line may hold any bytes, and counts all the same.
    #[test]
    fn a_line_that_is_no_text_does_not_make_an_earlier_one_count() {
        let peer = ClientAddress("10.0.0.1:1".parse().unwrap());
        let line = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        let request = Request::builder()
            .header("x-forwarded-for", line(b"6.6.6.6"))
            .header("x-forwarded-for", line(b"\xff, 203.0.113.9"))
            .extension(peer);
        let (parts, ()) = request.body(()).unwrap().into_parts();

        let facts =
            Facts::of(&parts, &["10.0.0.0/8".parse().unwrap()], None, &UserAgents::default());

        assert_eq!(facts.address.to_string(), "203.0.113.9");
    }
}
