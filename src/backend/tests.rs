//! Which backends are called, and what is said of those that are not.

use super::{BackendCaller, HttpClient, HttpSettings, NoBody};
use crate::types::{Secret, WallMs};
use axum::Router;
use axum::serve::Listener;
use reqwest::Certificate;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

const CA: &[u8] = include_bytes!("../../tests/it/keys/ca.cert.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../tests/it/keys/tls.cert.pem");
const KEY: &[u8] = include_bytes!("../../tests/it/keys/tls.pem");

#[tokio::test]
async fn a_backend_with_a_certificate_of_a_private_authority_is_called_if_that_is_named() {
    let address = serve_tls().await;
    let url = format!("https://localhost:{}/", address.port());
    let ca = Certificate::from_pem_bundle(CA).unwrap();

    let named = status(&settings(&ca), &url).await;
    let unnamed = status(&settings(&[]), &url).await;

    assert_eq!(named, Ok(204));
    assert!(unnamed.as_ref().unwrap_err().contains("UnknownIssuer"), "{unnamed:?}");
}

#[tokio::test]
async fn a_private_address_is_refused_with_the_key_that_allows_it() {
    for host in ["127.0.0.1", "localhost"] {
        let strict = HttpSettings { allow_private: false, ..settings(&[]) };

        let refused = status(&strict, &format!("http://{host}:9/")).await.unwrap_err();

        assert!(refused.contains("`auth.hook.allow_private` allows it"), "{refused}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound() {
    let url = format!("http://{}/", serve("0123456789").await);

    let read = async |max| {
        let client = HttpClient::new(settings(&[])).unwrap();
        let caller = BackendCaller::new(client, &url, vec![Secret::new([1; 32])]).unwrap();
        caller.post("msg_1", "{}".to_owned(), WallMs(0)).await.unwrap().body(max).await
    };

    assert_eq!(read(10).await, Ok(b"0123456789".to_vec()));
    assert_eq!(read(9).await, Err(NoBody::TooLong { max: 9 }));
}

/// A backend that answers this.
async fn serve(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(async move || answer);
    crate::tasks::Tasks::new().spawn("http", async move {
        axum::serve(listener, router).await.unwrap();
    });
    address
}

fn settings(ca: &[Certificate]) -> HttpSettings<'_> {
    HttpSettings {
        section: "auth.hook",
        timeout: Duration::from_secs(30),
        idle_connections: 1,
        allow_private: true,
        is_https: true,
        ca,
    }
}

async fn status(settings: &HttpSettings<'_>, url: &str) -> Result<u16, String> {
    let client = HttpClient::new(*settings).unwrap();
    let caller = BackendCaller::new(client, url, vec![Secret::new([1; 32])]).unwrap();
    let answer = caller.post("msg_1", "{}".to_owned(), WallMs(0)).await;
    answer.map(|answer| answer.status()).map_err(|error| error.to_string())
}

/// A backend that speaks TLS and answers 204.
async fn serve_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let router = Router::new().fallback(async || http::StatusCode::NO_CONTENT);
    crate::tasks::Tasks::new().spawn("tls", async move {
        axum::serve(listener, router).await.unwrap();
    });
    address
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Whoever does not believe the certificate ends here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
