//! Names are resolved to public addresses only: a call must not reach what only this machine can see.
//!
//! The check is on the very addresses that are connected to, so a name cannot be public when it is checked and
//! private when it is used.

use crate::core::backend::address;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// An address that must not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{address} is not a public address; `{section}.allow_private` allows it")]
pub(super) struct NotPublic {
    address: IpAddr,
    section: &'static str,
}

/// Resolves names as the system does, and keeps the public addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly {
    /// The section of the configuration whose `allow_private` allows the others.
    pub(super) section: &'static str,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let section = self.section;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find_map(|it| check(it.ip(), section).err());
            let public: Vec<_> =
                found.into_iter().filter(|it| check(it.ip(), section).is_ok()).collect();
            match refused {
                Some(refused) if public.is_empty() => Err(refused.into()),
                Some(_) | None => Ok::<Addrs, _>(Box::new(public.into_iter())),
            }
        })
    }
}

/// The same for a URL whose host is an address, which is never resolved.
pub(super) fn check_literal(host: &str, section: &'static str) -> Result<(), NotPublic> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_or(Ok(()), |address| check(address, section))
}

fn check(address: IpAddr, section: &'static str) -> Result<(), NotPublic> {
    if address::is_public(address) { Ok(()) } else { Err(NotPublic { address, section }) }
}
