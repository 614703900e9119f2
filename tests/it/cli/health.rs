//! `userline health`, and what load balancers see on the public listener.

use super::server::Server;
use super::{DEADLINE, SECRET, end_of, run, userline};
use crate::rig::http;
use std::fs;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

async fn start(dir: &std::path::Path) -> (Server, String, String) {
    let mut command = userline(&["serve", "--listen-public", "127.0.0.1:0"]);
    command
        .args(["--listen-admin", "127.0.0.1:0", "--set", "listen.drain=10m"])
        .env("USERLINE__AUTH__JWT__SECRET", SECRET)
        .env("USERLINE__STORE__DATA_DIR", dir);
    let mut server = Server::start(&mut command);
    let (public, admin) = (server.says("public").await, server.says("admin").await);
    (server, public, admin)
}

#[tokio::test]
async fn health_ends_with_0_while_the_server_is_well_and_else_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let (server, public, admin) = start(dir.path()).await;

    for (url, more) in [(&admin, &[][..]), (&admin, &["--live"]), (&public, &[])] {
        let ended = run(&[&["health", "--url", url], more].concat()).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), "ok\n"), "{url} {}", ended.err);
    }
    assert_eq!(server.signal("-TERM").await.code(), Some(0));
    let gone = run(&["health", "--url", &admin]).await;

    assert_eq!(gone.code, Some(1), "{}", gone.err);
    assert!(gone.err.contains("no answer from http://127.0.0.1:"), "{}", gone.err);
}

#[tokio::test]
async fn health_asks_where_it_is_told_to_and_says_what_was_answered() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let answer = async {
        loop {
            let (mut stream, _) = other.accept().await.unwrap();
            let asked = http::read(&mut stream, &mut Vec::new()).await.unwrap();
            let status = if asked.first.starts_with("GET /healthz ") { 200 } else { 503 };
            let first =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n");
            tokio::io::AsyncWriteExt::write_all(&mut stream, format!("{first}\r\n").as_bytes())
                .await
                .unwrap();
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("userline.toml");
    let admin = url.trim_start_matches("http://");
    let text = format!("[listen]\nadmin = \"{admin}\"\n[auth.jwt]\nsecret = \"{SECRET}\"\n");
    fs::write(&config, text).unwrap();
    let by_variable = async |args: &[&str], value: &str| {
        let mut command = userline(&[&["health"], args].concat());
        command.env("USERLINE_URL", value);
        end_of(command).await
    };
    let asks = async {
        let not_ready = by_variable(&[], &url).await;
        let alive = by_variable(&["--live"], &url).await;
        let flag = by_variable(&["--live", "--url", &url], "http://127.0.0.1:1").await;
        let file = config.to_str().unwrap();
        let file = by_variable(&["--live", "--config", file], "http://127.0.0.1:1").await;
        let nonsense = by_variable(&[], "127.0.0.1:4001").await;

        assert_eq!(not_ready.code, Some(1));
        assert_eq!(
            not_ready.err,
            format!("userline: {url}/readyz answered 503 Service Unavailable\n")
        );
        assert_eq!((alive.code, flag.code, file.code), (Some(0), Some(0), Some(0)), "{}", file.err);
        assert_eq!(nonsense.code, Some(2), "{}", nonsense.err);
        assert!(
            nonsense.err.contains("USERLINE_URL must be an address such as"),
            "{}",
            nonsense.err
        );
    };

    timeout(DEADLINE, async {
        tokio::select! { () = answer => {}, () = asks => {} }
    })
    .await
    .unwrap();
}

/// A small image has no certificates of authorities, and needs none unless something is called by https.
#[tokio::test]
async fn without_certificates_of_authorities_all_works_that_is_not_https() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let without = |args: &[&str]| {
        let mut command = userline(args);
        command
            .env("SSL_CERT_FILE", &empty)
            .env("SSL_CERT_DIR", dir.path().join("none"))
            .env("USERLINE__AUTH__JWT__SECRET", SECRET)
            .env("USERLINE__STORE__DATA_DIR", dir.path().join("data"))
            .env("USERLINE__LISTEN__PUBLIC", "127.0.0.1:0")
            .env("USERLINE__LISTEN__ADMIN", "127.0.0.1:0");
        command
    };
    let hooks = |url: &str| {
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
        [format!("hooks.url={url}"), format!("hooks.secret={secret}")]
    };

    let [url, secret] = hooks("http://192.0.2.1/");
    let args = ["serve", "--set", &url, "--set", &secret, "--set", "hooks.allow_private=true"];
    let mut server = Server::start(&mut without(&args));
    let admin = server.says("admin").await;
    let health = end_of(without(&["health", "--url", &admin])).await;
    assert_eq!((health.code, health.out.as_str()), (Some(0), "ok\n"), "{}", health.err);
    assert_eq!(server.signal("-TERM").await.code(), Some(0));

    let [url, secret] = hooks("https://hooks.example.com/");
    let refused = end_of(without(&["serve", "--set", &url, "--set", &secret])).await;
    assert_eq!(refused.code, Some(70), "{}", refused.err);
    assert!(refused.err.contains("No CA certificates"), "{}", refused.err);
}

/// A load balancer that knows the public listener only must see that the server stops, before it is gone.
#[tokio::test]
async fn the_public_listener_says_that_it_drains_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (server, public, _) = start(dir.path()).await;
    let address = public.strip_prefix("http://").unwrap().to_owned();
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(&address).await.ok()?;
        http::ask(&mut stream, &format!("GET {path}"), "", "").await.ok()?;
        http::read(&mut stream, &mut Vec::new()).await.ok()
    };
    for path in ["/healthz", "/readyz"] {
        let answer = get(path).await.unwrap();
        assert_eq!((answer.status(), answer.body.as_str()), (200, ""), "{path}");
    }
    // Enough clients that their leaving, one after the other, takes a while.
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(get("/socket.io/?EIO=4&transport=polling").await.unwrap());
    }

    let ended = tokio::join!(server.signal("-TERM"), async {
        let mut seen = 200;
        while seen == 200 {
            seen = get("/readyz").await.expect("it is still there").status();
        }
        let alive = get("/healthz").await.unwrap();
        let refused = get("/socket.io/?EIO=4&transport=polling").await.unwrap();
        assert_eq!((seen, alive.status(), refused.status()), (503, 200, 503));
    });

    assert_eq!(ended.0.code(), Some(0));
}
