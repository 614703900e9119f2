//! The CONNECTs of one client. Each is lent to the engine, one after the other, and answered in that order.
//!
//! ```text
//!   CONNECT ──► waits ──► lent ──the engine answers──► answered ──► the next one
//!                 └─────────┴─────DISCONNECT─────► withdrawn: the client is not told what becomes of it
//! ```
//!
//! A CONNECT of a namespace that the client has joined already ends the connection, as in Node's server: a client sends one
//! only if it believes in something that is not so, and it begins anew when it comes back. Whether it has joined is known
//! only when the CONNECTs before it are answered, so it is asked when its turn comes.

use crate::types::Namespace;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use thiserror::Error;

/// CONNECTs that may wait for those before them. Stock clients send one for each namespace.
const WAITING_MAX: usize = 64;

/// A client asks to join a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Which one.
    pub namespace: Namespace,
    /// What it sends along: JSON, or nothing.
    pub auth: String,
}

/// Why a CONNECT is refused before anybody is asked who its client is; its `err.data.code` is [`BadAuth::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadAuth {
    /// `auth` is larger than `limits.auth_bytes`.
    #[error("auth has {len} bytes, more than {max}")]
    TooLarge {
        /// Bytes sent.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// `auth` is not JSON.
    #[error("auth is not JSON")]
    Malformed,
}

impl BadAuth {
    /// Whether `auth` is as long as it may be.
    pub fn check(auth: &str, max: usize) -> Result<(), Self> {
        let len = auth.len();
        if max < len { Err(Self::TooLarge { len, max }) } else { Ok(()) }
    }

    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "auth_too_large",
            Self::Malformed => "auth_malformed",
        }
    }
}

impl Connect {
    /// A CONNECT in `namespace`, whose `auth` may have `auth_bytes`.
    pub fn parse(namespace: &Namespace, auth: &str, auth_bytes: usize) -> Result<Self, BadAuth> {
        BadAuth::check(auth, auth_bytes)?;
        if !auth.is_empty() && serde_json::from_str::<&RawValue>(auth).is_err() {
            return Err(BadAuth::Malformed);
        }
        Ok(Self { namespace: namespace.clone(), auth: auth.to_owned() })
    }
}

/// Why the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectBreach {
    /// The client has joined the namespace already.
    #[error("a CONNECT in a namespace that is joined")]
    Joined,
    /// More CONNECTs wait than may, or longer ones.
    #[error("too many CONNECTs wait for their answers")]
    TooMany,
}

/// The CONNECTs of one client that are not answered.
#[derive(Debug)]
pub struct Loans {
    /// The one that the engine has, until the next one's turn has come.
    lent: Option<Lent>,
    waiting: VecDeque<Connect>,
    /// Bytes of those that wait.
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Lent {
    namespace: Namespace,
    is_withdrawn: bool,
}

impl Loans {
    /// None is there. Those that wait have at most `bytes_max` bytes together.
    pub fn new(bytes_max: usize) -> Self {
        Self { lent: None, waiting: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Bytes of those that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A CONNECT has come. Returns what is to be lent to the engine now, if anything; `is_joined` says whether the client
    /// has joined a namespace.
    pub fn connect(
        &mut self,
        connect: Connect,
        is_joined: impl Fn(&Namespace) -> bool,
    ) -> Result<Option<Connect>, ConnectBreach> {
        let bytes = self.bytes + connect.auth.len();
        if WAITING_MAX <= self.waiting.len() || self.bytes_max < bytes {
            return Err(ConnectBreach::TooMany);
        }
        self.bytes = bytes;
        self.waiting.push_back(connect);
        if self.lent.is_some() { Ok(None) } else { self.next(is_joined) }
    }

    /// The client leaves a namespace: what it has asked there before is withdrawn. True if the engine has it.
    pub fn leave(&mut self, namespace: &str) -> bool {
        self.waiting.retain(|it| it.namespace.as_str() != namespace);
        self.bytes = self.waiting.iter().map(|it| it.auth.len()).sum();
        let lent = self.lent.as_mut().filter(|it| it.namespace.as_str() == namespace);
        lent.map(|it| it.is_withdrawn = true).is_some()
    }

    /// Whether the client wants to hear the engine's answer to what it was lent.
    pub fn is_wanted(&self) -> bool {
        self.lent.as_ref().is_some_and(|it| !it.is_withdrawn)
    }

    /// The engine's answer has been passed on. Returns what is to be lent to it next, if anything.
    pub fn next(
        &mut self,
        is_joined: impl Fn(&Namespace) -> bool,
    ) -> Result<Option<Connect>, ConnectBreach> {
        let next = self.waiting.pop_front();
        self.lent =
            next.as_ref().map(|it| Lent { namespace: it.namespace.clone(), is_withdrawn: false });
        let Some(next) = next else { return Ok(None) };
        self.bytes -= next.auth.len();
        if is_joined(&next.namespace) {
            return Err(ConnectBreach::Joined);
        }
        Ok(Some(next))
    }

    /// Whether all that were sent are answered or withdrawn.
    pub fn is_empty(&self) -> bool {
        self.lent.is_none() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
