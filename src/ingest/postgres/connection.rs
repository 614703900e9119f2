//! A connection to a database: opened in time, and driven beside whoever asks it something.

use super::tls::DatabaseTls;
use super::trouble;
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::types::{Secret, SourceName};
use futures_util::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, Connection};

/// How long opening a connection may take, for each host of the URL.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without an answer of the other side a connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Notifications that wait to be looked at.
const NOTIFICATIONS_LEN: usize = 1024;

/// What a notification carries, or that some were lost because too many waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    Payload(String),
    Overrun,
}

/// An open connection.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) notices: mpsc::Receiver<Notice>,
    /// Runs as long as the connection is open, and says why it is not any more.
    pub(super) drive: Pin<Box<dyn Future<Output = Trouble> + Send>>,
}

/// Reads the URL of a database; the error says what is wrong without repeating it, for it holds a password.
pub(in crate::ingest) fn read_url(url: &Secret, name: &SourceName) -> Result<Config, Trouble> {
    let bad = |why: String| Trouble::new(TroubleKind::Url, why);
    let text = std::str::from_utf8(url.expose()).map_err(|_| bad("it is not UTF-8".to_owned()))?;
    // What these names of other clients ask for is always done here: verify the certificate, and the host in it.
    let text = text
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map(|it| format!(": {it}"));
        bad(format!("the URL of the database cannot be used{}", cause.unwrap_or_default()))
    })?;
    if config.get_user().is_none() {
        return Err(bad("the URL of the database names no user".to_owned()));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(bad("the URL of the database names no host".to_owned()));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name(format!("userline {name}"));
    }
    config
        .tcp_user_timeout(SILENCE_MAX)
        .keepalives_idle(SILENCE_MAX / 2)
        .keepalives_interval(SILENCE_MAX / 4)
        .keepalives_retries(2);
    Ok(config)
}

/// Opens a connection.
pub(super) async fn open(config: &Config, tls: &DatabaseTls) -> Result<Opened, Trouble> {
    let connecting = config.connect(tls.clone());
    // The client's own limit is for the connection alone, not for what is said over it.
    let limit = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT) + SILENCE_MAX;
    let connected = tokio::time::timeout(limit, connecting).await.map_err(|_| {
        Trouble::new(TroubleKind::Timeout, "the database did not answer a new connection in time")
    })?;
    let (client, connection) = connected.map_err(|error| trouble::met("cannot connect", &error))?;
    let (sender, notices) = mpsc::channel(NOTIFICATIONS_LEN);
    Ok(Opened { client, notices, drive: Box::pin(drive(connection, sender)) })
}

/// Never waits for whoever looks at the notifications: that one waits for answers which come by here.
async fn drive<S, T>(mut connection: Connection<S, T>, notices: mpsc::Sender<Notice>) -> Trouble
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut is_overrun = false;
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(it))) => {
                if is_overrun && notices.try_send(Notice::Overrun).is_ok() {
                    is_overrun = false;
                }
                is_overrun |= notices.try_send(Notice::Payload(it.payload().to_owned())).is_err();
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return trouble::met("the connection broke", &error),
            None => return Trouble::new(TroubleKind::Unreachable, "the connection was closed"),
        }
    }
}
