//! `cluster.forward`: requests that come to another node than the one that has their connection.

use crate::config::reader::{Checked, SettingsReader};
use http::uri::Authority;
use std::net::SocketAddr;

/// How nodes hand each other requests of clients.
#[derive(Debug, Clone)]
pub struct ForwardConfig {
    /// Address of the listener for the other nodes; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the other nodes reach it: a name or an address, with brackets where it needs them.
    pub host: String,
    /// The port there; 0 is the one that `listen` has got.
    pub port: u16,
}

/// Longest name of a host, in bytes, as DNS has it.
const HOST_BYTES_MAX: usize = 253;

/// `None` if requests are not handed on. `has_secret`: by which nodes know each other.
pub(super) fn read(
    reader: &mut SettingsReader,
    has_secret: bool,
) -> Checked<Option<ForwardConfig>> {
    let is_on = reader.switch("cluster.forward");
    let rule = "must be an address such as 0.0.0.0:4002";
    let listen = reader.parsed("cluster.listen", rule, |text| text.parse().ok());
    let advertise = reader.text("cluster.advertise");
    if !is_on? {
        return Ok(None);
    }
    let Some(advertise) = advertise? else {
        return Err(reader.reject(
            "cluster.advertise",
            "must say where the other nodes reach this one, such as 10.0.0.5:4002, with cluster.forward",
        ));
    };
    let Some((host, port)) = parse(&advertise) else {
        let rule = "must be a host and a port, such as 10.0.0.5:4002 or userline-0.internal:4002";
        return Err(reader.reject("cluster.advertise", rule));
    };
    if !has_secret {
        return Err(reader.reject(
            "cluster.secret",
            "must be set with cluster.forward: by it nodes know each other",
        ));
    }
    Ok(Some(ForwardConfig { listen: listen?, host, port }))
}

fn parse(text: &str) -> Option<(String, u16)> {
    let authority: Authority = text.parse().ok()?;
    let (host, port) = (authority.host(), authority.port_u16()?);
    let is_plain = !text.contains('@') && (1..=HOST_BYTES_MAX).contains(&host.len());
    is_plain.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn where_a_node_is_has_a_host_and_a_port() {
        for (text, expected) in [
            ("10.0.0.5:4002", Some(("10.0.0.5", 4002))),
            ("userline-0.internal:0", Some(("userline-0.internal", 0))),
            ("[2001:db8::1]:4002", Some(("[2001:db8::1]", 4002))),
            ("10.0.0.5", None),
            (":4002", None),
            ("somebody@10.0.0.5:4002", None),
            ("http://10.0.0.5:4002", None),
            ("10.0.0.5:99999", None),
        ] {
            let parsed = parse(text);
            assert_eq!(parsed.as_ref().map(|it| (it.0.as_str(), it.1)), expected, "{text}");
        }
    }
}
