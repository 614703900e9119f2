//! Who is at the other end, when proxies stand between.

use ipnet::IpNet;
use std::net::IpAddr;

/// The client's address: the right-most entry of `X-Forwarded-For` that is not a trusted proxy, if the peer is one.
///
/// Entries further left were written by whoever is there, so they prove nothing. An entry that is no address ends the
/// trust: what stands left of it is not looked at, in the same line or in an earlier one. The lines are bytes, because
/// a client may write any.
pub(super) fn of_client<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> IpAddr {
    let is_trusted = |it: IpAddr| trusted.iter().any(|net| net.contains(&it));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return peer;
    }
    let mut client = peer;
    for entry in forwarded_for.flat_map(|line| line.split(|byte| *byte == b',')).rev() {
        let Some(address) = str::from_utf8(entry).ok().and_then(parse) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]:5678`.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(with_port).or_else(bracketed).map(|it| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::of_client;
    use ipnet::IpNet;
    use std::net::IpAddr;

    fn client(peer: &str, forwarded_for: &[&[u8]]) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let peer: IpAddr = peer.parse().unwrap();
        of_client(peer, forwarded_for.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let table: [(&str, &[&[u8]], &str); 14] = [
            ("203.0.113.9", &[b"1.1.1.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &[b"6.6.6.6", b"198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"198.51.100.7:4711"], "198.51.100.7"),
            ("::1", &[b"[2001:db8::1]:4711"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &[b"198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"198.51.100.7, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6", b"\xff, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &[b"6.6.6.6", b"\xff, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"6.6.6.6", b"\xff"], "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"6.6.6.6", b""], "10.0.0.1"),
        ];
        for (peer, forwarded_for, expected) in table {
            assert_eq!(client(peer, forwarded_for), expected, "{peer} {forwarded_for:?}");
        }
    }
}
