use super::{ClientFiles, ClientFilesError, NAMES};
use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use std::fs;
use tempfile::TempDir;
use tower::ServiceExt as _;

const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Every name that is served, and as what.
const KINDS: [(&str, &str); 8] = [
    ("socket.io.js", JS),
    ("socket.io.js.map", JSON),
    ("socket.io.min.js", JS),
    ("socket.io.min.js.map", JSON),
    ("socket.io.msgpack.min.js", JS),
    ("socket.io.msgpack.min.js.map", JSON),
    ("socket.io.esm.min.js", JS),
    ("socket.io.esm.min.js.map", JSON),
];

/// A folder with these files, each of which holds its name.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        fs::write(folder.path().join(name), name).unwrap();
    }
    folder
}

fn router(folder: &TempDir) -> Router {
    ClientFiles::load(Some(folder.path())).unwrap().router("/rt/")
}

async fn ask(router: &Router, method: Method, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(etag) = known {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(router: &Router, path: &str, known: Option<&str>) -> Response<Body> {
    ask(router, Method::GET, path, known).await
}

fn head<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|it| it.to_str().unwrap())
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_types_of_the_events_are_served_beside_the_bundle() {
    let folder = folder(&["socket.io.js"]);
    let types = get(&router(&folder), "/rt/userline.d.ts", None).await;
    assert_eq!(head(&types, "content-type"), Some("text/plain; charset=utf-8"));
    assert!(text(types).await.contains("interface ServerToClient"));
}

#[tokio::test]
async fn every_file_of_the_bundle_is_served_as_what_it_is_and_once_per_content() {
    assert_eq!(KINDS.map(|(name, _)| name), NAMES);
    let folder = folder(&NAMES);
    let router = router(&folder);
    let mut etags = Vec::new();
    for (name, kind) in KINDS {
        let path = format!("/rt/{name}");
        let whole = get(&router, &path, None).await;
        assert_eq!(whole.status(), StatusCode::OK, "{name}");
        assert_eq!(head(&whole, "content-type"), Some(kind), "{name}");
        let etag = head(&whole, "etag").unwrap().to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"') && 40 < etag.len(), "{etag}");
        let same = get(&router, &path, Some(&etag)).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{name}");
        for response in [&whole, &same] {
            assert_eq!(head(response, "etag"), Some(etag.as_str()), "{name}");
            assert_eq!(head(response, "cache-control"), Some("public, max-age=0"), "{name}");
            assert_eq!(head(response, "access-control-allow-origin"), Some("*"), "{name}");
            assert_eq!(head(response, "x-content-type-options"), Some("nosniff"), "{name}");
        }
        assert_eq!((text(whole).await.as_str(), text(same).await.as_str()), (name, ""));
        let other = get(&router, &path, Some("\"another\"")).await;
        assert_eq!((other.status(), text(other).await.as_str()), (StatusCode::OK, name));
        let posted = ask(&router, Method::POST, &path, None).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED, "{name}");
        etags.push(etag);
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), NAMES.len(), "each content has a tag of its own");
}

#[tokio::test]
async fn nothing_else_of_the_folder_is_served() {
    let folder = folder(&["socket.io.js", "package.json"]);
    let router = router(&folder);
    assert_eq!(get(&router, "/rt/socket.io.js", None).await.status(), StatusCode::OK);
    let absent = ["socket.io.min.js", "package.json", "", "../rt/package.json", "socket.io.js/"];
    for name in absent {
        let response = get(&router, &format!("/rt/{name}"), None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(get(&router, "/socket.io.js", None).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_folder_nothing_is_served() {
    let router = ClientFiles::load(None).unwrap().router("/rt/");
    for name in NAMES {
        let response = get(&router, &format!("/rt/{name}"), None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name}");
    }
}

#[test]
fn a_folder_that_is_no_bundle_is_said_to_be_none() {
    let empty = folder(&["package.json"]);
    let error = ClientFiles::load(Some(empty.path())).unwrap_err();
    assert!(matches!(error, ClientFilesError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("socketio.client_dir"), "{error}");
    fs::create_dir(empty.path().join("socket.io.js")).unwrap();
    let error = ClientFiles::load(Some(empty.path())).unwrap_err();
    assert!(matches!(error, ClientFilesError::Read { .. }), "{error}");
    assert!(error.to_string().contains("socket.io.js"), "{error}");
}
