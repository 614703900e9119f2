//! What a handshake tells of the client: copied, because headers would pin the whole read buffer.

use super::address;
use super::connections::NotAdmitted;
use super::gate::Trial;
use super::pool::{NoRoom, Pool};
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
/// Bytes of each handshake that are kept and need no room: what clients bring as a rule.
const UNCOUNTED: usize = 4096;

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
    /// What says who the client is; most bring that in the CONNECT instead.
    brought: Option<Box<Brought>>,
}

#[derive(Debug)]
struct Brought {
    authorization: Option<Secret>,
    forwarded: Option<ForwardedParts>,
    room: KeptRoom,
}

/// The room that what is kept of one handshake takes. Others have it again when this is dropped.
#[derive(Debug)]
struct KeptRoom {
    all: Arc<Pool>,
    bytes: usize,
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

impl Brought {
    fn bytes(&self) -> usize {
        let len = |it: &Secret| it.expose().len();
        let forwarded = self.forwarded.as_ref();
        let headers = forwarded.map_or(0, |it| it.headers.iter().map(|(_, it)| len(it)).sum());
        self.authorization.as_ref().map_or(0, len)
            + forwarded.map_or(0, |it| len(&it.query))
            + headers
    }
}

impl KeptRoom {
    fn none(all: &Arc<Pool>) -> Self {
        Self { all: Arc::clone(all), bytes: 0 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.all.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for KeptRoom {
    fn drop(&mut self) {
        self.all.give_back(self.bytes);
    }
}

impl Facts {
    /// Its `Authorization` header.
    pub fn authorization(&self) -> Option<&Secret> {
        self.brought.as_ref()?.authorization.as_ref()
    }

    /// What the backend that says who clients are is told of its handshake, if one is asked.
    pub fn forwarded(&self) -> Option<&ForwardedParts> {
        self.brought.as_ref()?.forwarded.as_ref()
    }

    /// The client's address alone.
    pub(super) fn address(parts: &Parts, trusted: &[IpNet]) -> IpAddr {
        let peer = parts.extensions.get::<ClientAddress>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |it| it.0.ip());
        let forwarded_for = HeaderName::from_static("x-forwarded-for");
        let lines = parts.headers.get_all(forwarded_for);
        let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
        address::of_client(peer, lines.into_iter(), trusted)
    }

    /// `forwarded` names the headers that a backend is told, if one is asked. Not admitted if there is no room for them.
    pub(super) fn of(
        parts: &Parts,
        trusted: &[IpNet],
        forwarded: Option<&[HeaderName]>,
        handshakes: &KeptHandshakes,
    ) -> Result<Self, NotAdmitted> {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|it| it.to_str().ok());
        let authorization = text(AUTHORIZATION)
            .filter(|it| it.len() <= AUTHORIZATION_MAX)
            .map(|it| Secret::new(it.as_bytes()));
        let forwarded = forwarded.map(|names| ForwardedParts::of(parts, names));
        let brought = (authorization.is_some() || forwarded.is_some())
            .then(|| handshakes.keep(authorization, forwarded))
            .transpose()?;
        let user_agent = text(USER_AGENT).map(|it| handshakes.agent(cut(it, USER_AGENT_MAX)));
        Ok(Self { address: Self::address(parts, trusted), user_agent, brought })
    }
}

/// What is kept of the handshakes of all connections.
#[derive(Debug)]
pub(super) struct KeptHandshakes {
    /// There are far fewer user agents than clients.
    agents: Mutex<SharedTexts>,
    /// For what says who clients are, where that is long.
    room: Arc<Pool>,
}

impl KeptHandshakes {
    /// With room for so many bytes of what is long.
    pub(super) fn new(bytes_max: usize) -> Self {
        let agents = Mutex::new(SharedTexts::new(USER_AGENTS_MAX));
        Self { agents, room: Arc::new(Pool::new(bytes_max)) }
    }

    fn agent(&self, text: &str) -> Arc<str> {
        self.agents.lock().share(text)
    }

    fn keep(
        &self,
        authorization: Option<Secret>,
        forwarded: Option<ForwardedParts>,
    ) -> Result<Box<Brought>, NotAdmitted> {
        let mut brought = Brought { authorization, forwarded, room: KeptRoom::none(&self.room) };
        let bytes = brought.bytes().saturating_sub(UNCOUNTED);
        brought.room.take(bytes).map_err(|NoRoom| NotAdmitted::Handshakes)?;
        Ok(Box::new(brought))
    }
}

fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{ClientAddress, Facts, KeptHandshakes, NotAdmitted, UNCOUNTED};
    use http::header::{COOKIE, ORIGIN};
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

        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let facts = Facts::of(&parts, &trusted, None, &KeptHandshakes::new(0)).unwrap();

        assert_eq!(facts.address.to_string(), "203.0.113.9");
    }

    /// What a browser or an app brings as a rule needs no room, so that nobody is kept out by what others bring.
    #[test]
    fn only_what_is_long_takes_room_until_its_connection_is_gone() {
        let handshakes = KeptHandshakes::new(10_000);
        let of = |bytes: usize| {
            let request = Request::builder().header("authorization", "x".repeat(bytes));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Facts::of(&parts, &[], None, &handshakes)
        };
        let first = of(UNCOUNTED + 6000).unwrap();
        assert_eq!(of(UNCOUNTED + 6000).err(), Some(NotAdmitted::Handshakes));
        let second = of(UNCOUNTED + 4000).unwrap();
        assert_eq!(of(UNCOUNTED + 1).err(), Some(NotAdmitted::Handshakes));

        assert!(of(UNCOUNTED).is_ok(), "short ones come in");
        drop(first);
        assert!(of(UNCOUNTED + 6000).is_ok());
        drop(second);
        assert_eq!(handshakes.room.left(), 10_000);
    }

    #[test]
    fn query_and_headers_for_the_backend_count_as_well() {
        let handshakes = KeptHandshakes::new(10_000);
        let query = "q".repeat(UNCOUNTED);
        let request = Request::builder()
            .uri(format!("/socket.io/?{query}"))
            .header("cookie", "a".repeat(300))
            .header("cookie", "b".repeat(200))
            .header("authorization", "c".repeat(100));
        let (parts, ()) = request.body(()).unwrap().into_parts();

        let facts = Facts::of(&parts, &[], Some(&[COOKIE, ORIGIN]), &handshakes).unwrap();

        assert_eq!(facts.forwarded().unwrap().headers.len(), 2);
        assert_eq!(handshakes.room.left(), 10_000 - 600);
    }
}
