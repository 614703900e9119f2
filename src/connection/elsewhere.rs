//! Connections that another node has: how their names tell, and what becomes of a request that comes here for one.
//!
//! ```text
//!   sid = <secret>.<node>        node = the address of that node, sealed with the secret of the cluster
//! ```
//! So a node needs no table of the others, and asks nobody: a request for a connection of another node is handed to it as
//! long as it is there, also while Redis is not. Where requests are not handed on, `node` is only the node's name.

mod key;
mod proof;
mod transfer;
mod tunnel;

pub use key::NodeKey;

use super::answer::AnswerBytes;
use super::handshake::HandshakeError;
use crate::clock::Clock;
use crate::tasks::Tasks;
use http::Response;
use http::request::Parts;
use hyper::body::Body;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use transfer::Transfer;
pub use transfer::TransferLimits;
use tunnel::Tunnels;

/// What a node knows of the connections of others. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct ConnectionNodes {
    inner: Arc<ConnectionNodesParts>,
}

struct ConnectionNodesParts {
    /// How names of this node's connections end.
    own: Box<str>,
    /// Whether one of this name is there.
    is_there: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// How requests reach the others; `None`: they are refused.
    transfer: Option<Transfer>,
    /// It was written to the log that some were refused.
    is_told: AtomicBool,
}

/// Where a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SidPlace<'a> {
    /// On this node, if it is still there: its name without the node.
    Here(&'a str),
    /// On the node with this address.
    At(String),
    /// On another node, which cannot be reached from here.
    Elsewhere,
    /// Nowhere, as far as can be known here.
    Unknown,
}

impl fmt::Debug for ConnectionNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_reached = self.inner.transfer.is_some();
        f.debug_struct("ConnectionNodes").field("is_reached", &is_reached).finish_non_exhaustive()
    }
}

impl ConnectionNodes {
    /// Requests for connections of other nodes are refused. `name` is that of this node; `is_there` says whether there is one
    /// of such a name.
    pub fn refused(name: &str, is_there: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::with(name, Box::new(is_there), None)
    }

    /// They are handed over. `address` is where the others reach this node; `is_there` says whether there is one of such a
    /// name, which hands nothing on itself.
    pub fn reached(
        address: &str,
        key: &NodeKey,
        is_there: impl Fn(&str) -> bool + Send + Sync + 'static,
        limits: TransferLimits,
        running: (Clock, Tasks),
    ) -> Self {
        let transfer = Transfer::new(key.clone(), limits, running);
        Self::with(&key.seal(address), Box::new(is_there), Some(transfer))
    }

    fn with(
        own: &str,
        is_there: Box<dyn Fn(&str) -> bool + Send + Sync>,
        transfer: Option<Transfer>,
    ) -> Self {
        let (own, is_told) = (own.into(), AtomicBool::new(false));
        Self { inner: Arc::new(ConnectionNodesParts { own, is_there, transfer, is_told }) }
    }

    /// What a client is told of the name of its connection.
    pub(super) fn name(&self, secret: &str) -> String {
        format!("{secret}.{}", self.inner.own)
    }

    /// Where the connection is that a client calls so.
    pub(super) fn find<'a>(&self, sid: &'a str) -> SidPlace<'a> {
        let Some((secret, node)) = sid.split_once('.') else { return SidPlace::Unknown };
        if *node == *self.inner.own {
            return SidPlace::Here(secret);
        }
        let address = self.inner.transfer.as_ref().and_then(|it| it.open(node));
        match address {
            Some(address) => SidPlace::At(address),
            None if (self.inner.is_there)(node) => SidPlace::Elsewhere,
            None => SidPlace::Unknown,
        }
    }

    /// A request is refused because another node has its connection.
    pub(super) fn refuse(&self) -> HandshakeError {
        metrics::counter!("userline_forwarded_total", "outcome" => "refused").increment(1);
        if !self.inner.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request came for a connection that another node has: have the load balancer send each client to one node \
                 (sticky sessions), or set cluster.forward on all nodes; further ones are only counted in \
                 userline_forwarded_total"
            );
        }
        HandshakeError::Elsewhere
    }

    /// Hands a request to the node at `address`, and its answer back.
    pub(super) async fn hand_over<B>(
        &self,
        address: &str,
        parts: Parts,
        body: B,
    ) -> Result<Response<AnswerBytes>, HandshakeError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &self.inner.transfer {
            Some(transfer) => transfer.hand_over(address, parts, body).await,
            None => Err(self.refuse()),
        }
    }

    fn tunnels(&self) -> Option<&Tunnels> {
        self.inner.transfer.as_ref().map(Transfer::tunnels)
    }

    /// Clients whose WebSocket to another node goes through this one.
    pub fn tunnelled(&self) -> usize {
        self.tunnels().map_or(0, Tunnels::len)
    }

    /// Ends the WebSocket of one of them: it comes back by another way.
    pub fn end_one(&self) {
        self.tunnels().into_iter().for_each(Tunnels::end_one);
    }

    /// Ends all of them, and those that are still to come.
    pub fn end_all(&self) {
        self.tunnels().into_iter().for_each(Tunnels::end_all);
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionNodes, NodeKey, SidPlace, TransferLimits};
    use crate::clock::Clock;
    use crate::tasks::Tasks;
    use crate::types::{Secret, Seq};
    use std::time::Duration;

    fn reached(address: &str, secret: &[u8]) -> ConnectionNodes {
        let (key, clock) = (NodeKey::new(&Secret::new(secret)), Clock::start(Seq(0)));
        let limits = TransferLimits {
            tunnels: 1,
            idle: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            stall: Duration::from_secs(1),
        };
        ConnectionNodes::reached(address, &key, |it| it == "n1", limits, (clock, Tasks::new()))
    }

    #[test]
    fn a_name_tells_nodes_where_its_connection_is_and_clients_nothing() {
        let (a, b) = (reached("10.0.0.5:4002", b"hush"), reached("10.0.0.6:4002", b"hush"));
        let sid = a.name("s3cret");

        assert_eq!(a.find(&sid), SidPlace::Here("s3cret"));
        assert_eq!(b.find(&sid), SidPlace::At("10.0.0.5:4002".to_owned()));
        assert!(!sid.contains("10.0") && sid.is_ascii() && !sid.contains(['&', '%', '+', '/']));
        assert_eq!(
            reached("10.0.0.5:4002", b"hush").name("s3cret"),
            sid,
            "a node that starts again"
        );
        assert_eq!(reached("10.0.0.7:4002", b"other").find(&sid), SidPlace::Unknown);
        for changed in
            ["s3cret", "s3cret.", "s3cret.xyz", &sid[..sid.len() - 1], &format!("{sid}A")]
        {
            assert_eq!(b.find(changed), SidPlace::Unknown, "{changed}");
        }
        assert_eq!(b.find("s3cret.n1"), SidPlace::Elsewhere, "of a node that hands nothing on");
    }

    #[test]
    fn without_a_way_to_the_others_a_name_tells_only_that_there_is_one() {
        let node = ConnectionNodes::refused("n0", |it| it == "n1");

        assert_eq!(node.find(&node.name("s3cret")), SidPlace::Here("s3cret"));
        assert_eq!(node.find("s3cret.n1"), SidPlace::Elsewhere);
        assert_eq!(node.find("s3cret.n2"), SidPlace::Unknown, "of one that is gone");
        assert_eq!(node.find("s3cret"), SidPlace::Unknown);
    }
}
