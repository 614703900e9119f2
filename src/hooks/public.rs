//! Names are resolved to public addresses only: a hook must not reach what only this machine can see.
//!
//! The check is on the very addresses that are connected to, so a name cannot be public when it is checked and
//! private when it is used.

use crate::core::backend::address;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// An address that hooks are not sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a public address; `hooks.allow_private` allows it")]
pub(super) struct NotPublic(IpAddr);

/// Resolves names as the system does, and keeps the public addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().map(|it| check(it.ip())).find_map(Result::err);
            let public: Vec<_> = found.into_iter().filter(|it| check(it.ip()).is_ok()).collect();
            match refused {
                Some(refused) if public.is_empty() => Err(refused.into()),
                Some(_) | None => Ok::<Addrs, _>(Box::new(public.into_iter())),
            }
        })
    }
}

/// The same for a URL whose host is an address, which is never resolved.
pub(super) fn check_literal(host: &str) -> Result<(), NotPublic> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_or(Ok(()), check)
}

fn check(address: IpAddr) -> Result<(), NotPublic> {
    if address::is_public(address) { Ok(()) } else { Err(NotPublic(address)) }
}
