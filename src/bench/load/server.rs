//! The address of a server, and the WebSocket handshake that opens a connection to it.

use crate::bench::error::BenchError;
use crate::client::upgrade_request;
use reqwest::Url;
use std::net::{SocketAddr, ToSocketAddrs as _};

/// What a browser sends with a WebSocket handshake, besides what every client sends.
const BROWSER_HEADERS: &str = "\
user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
accept-language: en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7,en-US;q=0.6\r\n\
accept-encoding: gzip, deflate, br, zstd\r\n\
cache-control: no-cache\r\n\
pragma: no-cache\r\n\
cookie: _ga=GA1.1.1422337204.1741171245; session=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaGlqa2xtbm9wIiwiaWF0IjoxNzQxMTcxMjQ1fQ.q2mY3k0uX8tq1fS8m1rVfP0m4i2n3Xr5YqJx0G1yV2E; theme=dark; consent=analytics%3D1%26ads%3D0\r\n";

/// A server's address, once it is looked up.
#[derive(Debug, Clone)]
pub(crate) struct ServerAddress {
    pub(crate) address: SocketAddr,
    /// Host and port, for the Host header.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl ServerAddress {
    /// Looks up the address of a URL: `http` or `ws`. TLS is not spoken: measure in front of it.
    pub(crate) fn resolve(url: &Url) -> Result<Self, BenchError> {
        let refuse = |why: &str| BenchError::Usage(format!("{url}: {why}"));
        if !["http", "ws"].contains(&url.scheme()) {
            return Err(refuse("must be http or ws (TLS is not spoken)"));
        }
        let host = url.host_str().ok_or_else(|| refuse("has no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| refuse("has no port"))?;
        let authority = format!("{host}:{port}");
        let mut addresses =
            authority.to_socket_addrs().map_err(|error| refuse(&error.to_string()))?;
        let address = addresses.next().ok_or_else(|| refuse("has no address"))?;
        // A URL encodes the braces of a place.
        let mut path = url.path().replace("%7B", "{").replace("%7D", "}");
        if let Some(query) = url.query() {
            path.push('?');
            path.push_str(query);
        }
        Ok(Self { address, authority, path })
    }

    /// The request that opens a Socket.IO connection by WebSocket at `path`.
    pub(crate) fn upgrade(
        &self,
        path: &str,
        headers: &[String],
        as_browser: BrowserHeaders,
    ) -> Vec<u8> {
        let mut lines = match as_browser {
            BrowserHeaders::Yes => BROWSER_HEADERS.to_owned(),
            BrowserHeaders::No => String::new(),
        };
        for header in headers {
            lines.push_str(header);
            lines.push_str("\r\n");
        }
        let target = format!("{path}?EIO=4&transport=websocket");
        upgrade_request(&self.authority, &target, &lines).into_bytes()
    }
}

/// Whether to send the headers that a browser sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrowserHeaders {
    Yes,
    No,
}
