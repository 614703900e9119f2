//! TLS to a database: rustls with the crypto library of everything else. The certificate is always verified, against the
//! authorities of the system and those of the configuration.

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Encrypted;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub(in crate::ingest) enum TlsSetupError {
    /// The PEM of the configuration is none.
    #[error("`ca_file` is no PEM file with certificates: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// No authorities, for example.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Makes connections to databases encrypted. Cheap to clone.
#[derive(Clone)]
pub(in crate::ingest) struct DatabaseTls(TlsConnector);

impl DatabaseTls {
    /// `ca` is the PEM of authorities that are believed besides those of the system.
    pub(in crate::ingest) fn new(ca: Option<&str>) -> Result<Self, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let extra = ca.map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()).collect());
        let extra: Vec<CertificateDer<'static>> = extra.transpose()?.unwrap_or_default();
        let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

/// To one host.
pub(in crate::ingest) struct HostTls {
    connector: TlsConnector,
    /// None if it is no name that a certificate could have, such as the path of a socket, where TLS is not asked for.
    host: Option<ServerName<'static>>,
}

/// An encrypted connection.
pub(in crate::ingest) struct EncryptedStream<S>(Encrypted<S>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for DatabaseTls {
    type Stream = EncryptedStream<S>;
    type TlsConnect = HostTls;
    type Error = Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<HostTls, Self::Error> {
        let host = ServerName::try_from(domain.to_owned()).ok();
        Ok(HostTls { connector: self.0.clone(), host })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for HostTls {
    type Stream = EncryptedStream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<EncryptedStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let Self { connector, host } = self;
        Box::pin(async move {
            let host = host.ok_or_else(|| io::Error::other("the host is no name for TLS"))?;
            connector.connect(host, stream).await.map(EncryptedStream)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for EncryptedStream<S> {
    /// None: the certificate is verified, which is what binding a login to the channel is for.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for EncryptedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EncryptedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
