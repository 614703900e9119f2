//! The page of `userline dev`: who may see it, what it may load, and the hooks it shows.

use super::fixture::{ALL, Fixture, request};
use crate::admin::DevConsole;
use crate::clock::Clock;
use crate::connection::ClientAddress;
use crate::core::backend::signature;
use crate::realtime::unhandled::UnhandledEvents;
use crate::types::{Namespace, Secret, Seq};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::StreamExt as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SECRET: [u8; 32] = [9; 32];
const EVERYTHING: [&str; 6] = [
    "/",
    "/console/app.js",
    "/console/style.css",
    "/console/config.js",
    "/dev/unhandled",
    "/dev/hooks",
];

fn dev(stopping: CancellationToken) -> DevConsole {
    DevConsole {
        public: "http://127.0.0.1:4000".to_owned(),
        path: "/socket.io/".to_owned(),
        key: Secret::new(ALL.as_bytes()),
        grace: Duration::from_secs(5),
        hook_secret: Secret::new(SECRET),
        stopping,
        unhandled: Arc::default(),
    }
}

fn fixture() -> Fixture {
    Fixture::with_page(dev(CancellationToken::new()))
}

fn from_host(method: Method, path: &str, host: &str, body: &str) -> Request<Body> {
    from_peer([127, 0, 0, 1].into(), method, path, host, body)
}

fn from_peer(peer: IpAddr, method: Method, path: &str, host: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", host);
    let request = request.extension(ClientAddress(SocketAddr::from((peer, 5000))));
    request.body(Body::from(body.to_owned())).unwrap()
}

fn hook(body: &str, secret: [u8; 32]) -> Request<Body> {
    let mut request = from_host(Method::POST, "/dev/hooks", "127.0.0.1:4001", body);
    let now_s = Clock::start(Seq(0)).wall().0 / 1000;
    let signed = signature::sign(&[Secret::new(secret)], "pr_1", now_s, body.as_bytes());
    let headers = request.headers_mut();
    headers.insert("webhook-id", "pr_1".parse().unwrap());
    headers.insert("webhook-timestamp", now_s.to_string().parse().unwrap());
    headers.insert("webhook-signature", signed.parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    request
}

/// The stream of hooks, as text, piece by piece.
async fn listen(api: &Fixture) -> impl futures_util::Stream<Item = String> + use<> {
    let request = from_host(Method::GET, "/dev/hooks", "127.0.0.1:4001", "");
    let response = api.answer(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let pieces = response.into_body().into_data_stream();
    pieces.map(|it| String::from_utf8(it.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn the_page_and_its_parts_are_served_in_dev_only() {
    let (with, without) = (fixture(), Fixture::new());
    let types = ["text/html", "text/javascript", "text/css", "text/javascript", "application/json"];
    for (path, content_type) in EVERYTHING.into_iter().zip(types) {
        let answer = with.send(from_host(Method::GET, path, "localhost:4001", "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let sent = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
        assert!(sent.starts_with(content_type), "{path}: {sent}");
        assert!(!answer.text.is_empty(), "{path}");
    }
    for path in EVERYTHING {
        let answer = without.send(from_host(Method::GET, path, "localhost:4001", "")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let unknown = with.send(from_host(Method::GET, "/console/other", "localhost", "")).await;
    assert_eq!(unknown.error().0, "not_found");
    let method = with.send(from_host(Method::DELETE, "/dev/hooks", "localhost", "")).await;
    assert_eq!(method.error().0, "method_not_allowed");
}

#[tokio::test]
async fn the_page_is_told_where_to_connect() {
    let api = fixture();
    let answer = api.send(from_host(Method::GET, "/console/config.js", "[::1]:4001", "")).await;
    assert_eq!(
        answer.text,
        "window.USERLINE = {\"dev\":true,\"grace_ms\":5000,\"key\":\"key-with-all-scopes\",\
         \"path\":\"/socket.io/\",\"public\":\"http://127.0.0.1:4000\"};\n"
    );
}

#[tokio::test]
async fn the_page_is_told_what_nobody_handles() {
    let unhandled = Arc::new(UnhandledEvents::default());
    let page = DevConsole { unhandled: Arc::clone(&unhandled), ..dev(CancellationToken::new()) };
    let api = Fixture::with_page(page);
    let ask = || api.send(from_host(Method::GET, "/dev/unhandled", "localhost", ""));
    assert_eq!(ask().await.text, r#"{"events":[]}"#);

    unhandled.note(&Namespace::parse("/chat").unwrap(), "chat:sned");

    assert_eq!(ask().await.text, r#"{"events":[{"event":"chat:sned","namespace":"/chat"}]}"#);
}

#[tokio::test]
async fn the_page_loads_nothing_from_strangers_and_is_framed_by_nobody() {
    let answer = fixture().send(from_host(Method::GET, "/", "127.0.0.1:4001", "")).await;
    let header = |name: &str| answer.headers[name].to_str().unwrap();
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; script-src 'self' http://127.0.0.1:4000 https://cdn.socket.io; \
         style-src 'self'; img-src 'self' data:; \
         connect-src 'self' http://127.0.0.1:4000 ws://127.0.0.1:4000; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_name_that_could_be_anybodys_is_refused() {
    let api = fixture();
    let table = [
        ("127.0.0.1:4001", true),
        ("127.0.0.1", true),
        ("[::1]:4001", true),
        ("192.168.1.7:4001", true),
        ("LocalHost:4001", true),
        ("evil.example:4001", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example", false),
        ("localhost.", false),
        ("", false),
        ("127.0.0.1:4001/", false),
    ];
    for (host, is_let_in) in table {
        for path in EVERYTHING {
            let request = from_host(Method::GET, path, host, "");
            let status = api.answer(request).await.status();
            let expected = if is_let_in { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{host} {path}");
        }
    }
    let mut nameless = from_host(Method::GET, "/console/config.js", "", "");
    nameless.headers_mut().remove(header::HOST);
    assert_eq!(api.send(nameless).await.status, StatusCode::FORBIDDEN);
    // The API itself is kept by its keys.
    assert_eq!(api.send(request(Method::GET, "/v1/users", ALL, "")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_this_machine_is_shown_the_page_whatever_host_a_request_names() {
    let api = fixture();
    let table = [
        ("127.0.0.1", true),
        ("127.8.8.8", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("192.168.1.7", false),
        ("203.0.113.7", false),
        ("::", false),
        ("::ffff:10.0.0.1", false),
    ];
    for (peer, is_let_in) in table {
        for path in EVERYTHING {
            let peer: IpAddr = peer.parse().unwrap();
            let request = from_peer(peer, Method::GET, path, "127.0.0.1:4001", "");
            let status = api.answer(request).await.status();
            let expected = if is_let_in { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{peer} {path}");
        }
    }
    let mut unknown = from_host(Method::GET, "/console/config.js", "127.0.0.1:4001", "");
    unknown.extensions_mut().clear();
    assert_eq!(api.send(unknown).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn pages_of_other_sites_can_link_to_the_page_and_no_more() {
    let api = fixture();
    for site in ["cross-site", "same-site"] {
        for path in EVERYTHING {
            let mut request = from_host(Method::GET, path, "127.0.0.1:4001", "");
            request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
            let status = api.answer(request).await.status();
            assert_eq!(status == StatusCode::OK, path == "/", "{site} {path}");
        }
    }
    let mut own = from_host(Method::GET, "/console/config.js", "127.0.0.1:4001", "");
    own.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
    assert_eq!(api.send(own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn hooks_are_checked_kept_and_streamed() {
    let api = fixture();
    let early = api.send(hook("{\"n\":1.0,\r\n\"a\":2}", SECRET)).await;
    assert_eq!(early.status, StatusCode::NO_CONTENT, "{early:?}");

    let mut stream = Box::pin(listen(&api).await);
    let kept = stream.next().await.unwrap();
    assert!(kept.starts_with("data: {\"headers\":{"), "{kept}");
    assert!(kept.contains("\"webhook-id\":\"pr_1\""), "{kept}");
    assert!(kept.ends_with("\"verified\":true,\"body\":{\"n\":1.0,  \"a\":2}}\n\n"), "{kept}");

    let forged = api.send(hook("{\"n\":3}", [1; 32])).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED, "{forged:?}");
    let shown = stream.next().await.unwrap();
    assert!(shown.contains("\"verified\":false,\"body\":{\"n\":3}"), "{shown}");

    let nonsense = api.send(hook("no JSON", SECRET)).await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST, "{nonsense:?}");
    let large = format!("\"{}\"", "x".repeat(64 * 1024));
    let large = api.send(hook(&large, SECRET)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn only_the_last_hundred_are_kept_and_a_slow_reader_is_told_and_dropped() {
    let api = fixture();
    let mut slow = Box::pin(listen(&api).await);
    for n in 0..300 {
        api.send(hook(&format!("{{\"n\":{n}}}"), SECRET)).await;
    }

    let told = slow.next().await.unwrap();
    assert_eq!(told, "event: lagged\ndata: {\"missed\":44}\n\n");
    assert_eq!(slow.next().await, None);

    let mut late = Box::pin(listen(&api).await);
    assert!(late.next().await.unwrap().contains("{\"n\":200}"));
}

#[tokio::test]
async fn there_is_an_end_to_readers_and_streams_end_when_the_server_stops() {
    let stopping = CancellationToken::new();
    let api = Fixture::with_page(dev(stopping.clone()));
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Box::pin(listen(&api).await));
    }
    let more = api.send(from_host(Method::GET, "/dev/hooks", "127.0.0.1", "")).await;
    assert_eq!(more.error().0, "unavailable");
    streams.pop();
    streams.push(Box::pin(listen(&api).await));

    stopping.cancel();
    for mut stream in streams {
        assert_eq!(stream.next().await, None);
    }
}
