//! Where to connect: a server, or whichever the sentinels name at the moment.

use super::error::LinkError;
use crate::config::{ClusterConfig, RedisLocation, SentinelLocation};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates, cmd,
};
use std::net::IpAddr;
use std::time::Duration;

/// How long one sentinel may take.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Where to connect. Made once; each connection asks anew where that is.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    server: ConnectionInfo,
    sentinels: Option<SentinelLocation>,
    ca: Option<String>,
}

impl RedisTarget {
    /// Reads the URL; an error does not repeat it.
    pub fn new(config: &ClusterConfig) -> Result<Self, LinkError> {
        let (url, sentinels) = match &config.redis {
            RedisLocation::Server(url) => (url, None),
            RedisLocation::Sentinels(it) => (&it.server, Some(it.clone())),
        };
        let url = std::str::from_utf8(url.expose()).unwrap_or_default();
        let target = Self { server: url.into_connection_info()?, sentinels, ca: config.ca.clone() };
        target.client(target.server.clone())?;
        Ok(target)
    }

    /// Whether what is sent stays on this machine, or is encrypted and needs a password.
    pub(super) fn is_safe(&self) -> bool {
        let is_loopback = |host: &str| {
            host == "localhost" || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
        };
        let has_password = self.server.redis_settings().password().is_some();
        let address = self.server.addr();
        if let ConnectionAddr::Tcp(host, _) = address {
            return self.sentinels.is_none() && is_loopback(host);
        }
        matches!(address, ConnectionAddr::Unix(_)) || has_password
    }

    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, LinkError> {
        let Some(sentinels) = &self.sentinels else {
            return self.connect_to(self.server.clone()).await;
        };
        let mut last = None;
        for (host, port) in &sentinels.addresses {
            let asked = self.ask_sentinel(host, *port, &sentinels.service);
            match tokio::time::timeout(SENTINEL_TIMEOUT, asked).await {
                Ok(Ok(Some((host, port)))) => {
                    let server = self.server.clone().set_addr(self.at(&host, port));
                    return self.connect_to(server).await;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(LinkError::Timeout),
            }
        }
        Err(last.unwrap_or_else(|| LinkError::NoServer(sentinels.service.clone())))
    }

    /// Sentinels have no password of their own here.
    async fn ask_sentinel(
        &self,
        host: &str,
        port: u16,
        service: &str,
    ) -> Result<Option<(String, u16)>, LinkError> {
        let info = self.server.clone().set_addr(self.at(host, port));
        let info = info.set_redis_settings(RedisConnectionInfo::default());
        let mut connection = self.connect_to(info).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(service);
        Ok(ask.query_async(&mut connection).await?)
    }

    /// Another address, spoken to as the server is.
    fn at(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_owned();
        if let ConnectionAddr::TcpTls { insecure, tls_params, .. } = self.server.addr().clone() {
            return ConnectionAddr::TcpTls { host, port, insecure, tls_params };
        }
        ConnectionAddr::Tcp(host, port)
    }

    async fn connect_to(&self, info: ConnectionInfo) -> Result<MultiplexedConnection, LinkError> {
        // Deadlines are those of the caller: one of the library's own would end a wait that is meant to be long.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = self.client(info)?;
        Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    fn client(&self, info: ConnectionInfo) -> Result<Client, LinkError> {
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Ok(Client::open(info)?);
        }
        let root_cert = self.ca.clone().map(String::into_bytes);
        Ok(Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?)
    }
}
