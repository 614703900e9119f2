//! How many connections each address has: whoever opens many must not take the places of all others.

use crate::core::backend::address::is_public;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

/// The connections of each address, at most so many.
///
/// As long as no proxies are trusted, a private address is most likely that of a proxy, and all clients have it: it is not
/// counted, and the log says so once.
#[derive(Debug)]
pub(super) struct AddressShares {
    /// The key that says how many.
    key: &'static str,
    /// Of each; 0 is no limit.
    max: usize,
    has_proxies: bool,
    counts: DashMap<IpAddr, usize>,
    was_passed_over: AtomicBool,
}

impl AddressShares {
    /// At most `max` of each address, as `key` says; 0 is no limit. `has_proxies` says whether addresses behind proxies are known.
    pub(super) fn new(key: &'static str, max: usize, has_proxies: bool) -> Self {
        let was_passed_over = AtomicBool::new(false);
        Self { key, max, has_proxies, counts: DashMap::new(), was_passed_over }
    }

    /// Whether another connection of this address would be counted.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        let count = |share| self.counts.get(&share).map_or(0, |count| *count);
        self.share(address).is_none_or(|share| count(share) < self.max)
    }

    /// Counts a connection; false, and not counted, if its address has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> bool {
        let Some(share) = self.share(address) else { return true };
        let mut count = self.counts.entry(share).or_insert(0);
        let is_free = *count < self.max;
        *count += usize::from(is_free);
        is_free
    }

    /// One connection less.
    pub(super) fn give_back(&self, address: IpAddr) {
        let Some(share) = self.share(address) else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(share) {
            if 1 < *count.get() {
                *count.get_mut() -= 1;
            } else {
                count.remove();
            }
        }
    }

    /// What an address is counted as; `None` if it is not. Who has an IPv6 address has all of its /64.
    fn share(&self, address: IpAddr) -> Option<IpAddr> {
        if self.max == 0 {
            return None;
        }
        if !self.has_proxies && !is_public(address) {
            if !self.was_passed_over.swap(true, Ordering::Relaxed) {
                let key = self.key;
                tracing::warn!(
                    "{key} does not apply to clients from private addresses, such as {address}: that may \
                     be a proxy, which all clients come through; if it is, add it to listen.trusted_proxies, if it is \
                     not, set {key} = 0 to hear no more of it"
                );
            }
            return None;
        }
        Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::AddressShares;
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_share() {
        let shares = AddressShares::new("k", 2, false);
        let (one, other) = (ip("8.8.8.8"), ip("8.8.4.4"));
        assert!(shares.take(one) && shares.admits(one) && shares.take(one));

        assert!(!shares.admits(one) && !shares.take(one));
        assert!(shares.take(other), "others have theirs");
        shares.give_back(one);
        assert!(shares.take(one) && !shares.take(one), "what was refused is not counted");

        for address in [one, one, other] {
            shares.give_back(address);
        }
        assert!(shares.counts.is_empty(), "an address without connections takes no memory");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let shares = AddressShares::new("k", 1, false);

        assert!(shares.take(ip("2a00::1:0:0:0:1")));
        assert!(!shares.take(ip("2a00::1:ffff:0:0:2")));
        assert!(shares.take(ip("2a00::2:0:0:0:1")));
    }

    #[test]
    fn what_may_be_a_proxy_is_not_limited_unless_proxies_are_known() {
        for private in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "fd00::1", "::1"] {
            let unknown = AddressShares::new("k", 1, false);
            assert!((0..10).all(|_| unknown.take(ip(private))), "{private}");
            assert!(unknown.counts.is_empty());
            let known = AddressShares::new("k", 1, true);
            assert!(known.take(ip(private)) && !known.take(ip(private)), "{private}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let shares = AddressShares::new("k", 0, true);
        assert!((0..10).all(|_| shares.take(ip("8.8.8.8"))));
        assert!(shares.counts.is_empty());
    }
}
