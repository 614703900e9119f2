//! A Redis or Valkey: connections to it, wherever it is at the moment, and what keeps them from being made.
//!
//! Certificates are always verified: against the authorities of the system, or those of the configuration instead.

mod failure;

pub use failure::RedisFailure;

use crate::config::{RedisLocation, SentinelService};
use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates, cmd,
};
use std::net::IpAddr;
use std::time::Duration;

/// How long a sentinel may take.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Where to connect. Made once; each connection asks anew where that is.
#[derive(Debug, Clone)]
pub struct RedisServer {
    location: RedisLocation,
}

impl RedisServer {
    /// A server that is spoken to by `protocol`.
    pub fn new(location: &RedisLocation, protocol: ProtocolVersion) -> Self {
        let mut location = location.clone();
        // What a server is told of the library would be one more thing that its user must be allowed.
        let settings = location.server.redis_settings().clone().set_skip_set_lib_name();
        let settings = settings.set_protocol(protocol);
        location.server = location.server.set_redis_settings(settings);
        Self { location }
    }

    /// Whom the URL names; `None`: the user of those who name nobody.
    pub fn user(&self) -> Option<&str> {
        self.location.server.redis_settings().username()
    }

    /// Whether what is sent stays on this machine, or is encrypted and needs a password.
    pub fn is_safe(&self) -> bool {
        let is_loopback = |host: &str| {
            host == "localhost" || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
        };
        let has_password = self.location.server.redis_settings().password().is_some();
        let address = self.location.server.addr();
        if let ConnectionAddr::Tcp(host, _) = address {
            return self.location.sentinels.is_none() && is_loopback(host);
        }
        matches!(address, ConnectionAddr::Unix(_)) || has_password
    }

    /// It was connected to, and nothing was heard in time.
    pub fn silence(&self) -> RedisFailure {
        let is_tls = matches!(self.location.server.addr(), ConnectionAddr::TcpTls { .. });
        let why = "nothing was heard in time (does this port speak TLS?)";
        if is_tls { RedisFailure::Tls(why.to_owned()) } else { RedisFailure::Timeout }
    }

    /// Connects.
    pub async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        match &self.location.sentinels {
            None => self.open(self.location.server.clone(), config).await,
            Some(sentinels) => {
                let (host, port) = self.ask_sentinels(sentinels).await?;
                self.connect_to(&host, port, config).await
            }
        }
    }

    /// Connects to another address, which is spoken to in the same way.
    pub async fn connect_to(
        &self,
        host: &str,
        port: u16,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        self.open(self.location.server.clone().set_addr(self.at(host, port)), config).await
    }

    /// What one of them says first: those that are gone hold nobody up.
    async fn ask_sentinels(&self, all: &SentinelService) -> Result<(String, u16), RedisFailure> {
        let asked = all.addresses.iter().map(|(host, port)| {
            Box::pin(async move {
                let asked = self.ask_sentinel(host, *port, &all.name);
                let answer = tokio::time::timeout(SENTINEL_TIMEOUT, asked).await;
                answer.unwrap_or(Err(RedisFailure::Timeout))
            })
        });
        select_ok(asked).await.map(|(address, _)| address)
    }

    /// With the password of the server, if a sentinel wants one.
    async fn ask_sentinel(
        &self,
        host: &str,
        port: u16,
        name: &str,
    ) -> Result<(String, u16), RedisFailure> {
        let info = self.location.server.clone().set_addr(self.at(host, port));
        let settings = info.redis_settings().clone().set_db(0);
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let open = info.clone().set_redis_settings(nobody);
        match self.ask_where(open, name).await {
            Err(RedisFailure::Credentials(_)) if settings.password().is_some() => {
                self.ask_where(info.set_redis_settings(settings), name).await
            }
            answer => answer,
        }
    }

    async fn ask_where(
        &self,
        sentinel: ConnectionInfo,
        name: &str,
    ) -> Result<(String, u16), RedisFailure> {
        let mut connection = self.open(sentinel, &without_deadlines()).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(name);
        let answer: Option<(String, u16)> = ask.query_async(&mut connection).await?;
        answer.ok_or_else(|| RedisFailure::NoServer(name.to_owned()))
    }

    /// Another address, spoken to as the server is.
    fn at(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_owned();
        let server = self.location.server.addr().clone();
        if let ConnectionAddr::TcpTls { insecure, tls_params, .. } = server {
            return ConnectionAddr::TcpTls { host, port, insecure, tls_params };
        }
        ConnectionAddr::Tcp(host, port)
    }

    async fn open(
        &self,
        info: ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let client = if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            let root_cert = self.location.ca.clone().map(String::into_bytes);
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
        } else {
            Client::open(info)?
        };
        let opened = client.get_multiplexed_async_connection_with_config(config).await;
        opened.map_err(|error| {
            let failure = RedisFailure::from(error);
            if failure == RedisFailure::Timeout { self.silence() } else { failure }
        })
    }
}

/// For whoever has deadlines of its own: one of the library's would end a wait that is meant to be long.
pub fn without_deadlines() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

#[cfg(test)]
mod tests;
