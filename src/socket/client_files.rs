//! The stock client's bundle, served beside Socket.IO as existing pages expect: `{path}socket.io.js`; and beside it
//! `{path}userline.d.ts`, the types of the server's own events.

use aws_lc_rs::digest;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use http::{StatusCode, header};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a client's `dist` folder holds.
const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
];

/// The types of the server's own events; a test compares them with [`crate::types::ServerEvent`] and its like.
const TYPES: (&str, &[u8]) = ("userline.d.ts", include_bytes!("userline.d.ts"));

/// The files that are served, read once.
#[derive(Debug, Default)]
pub struct ClientFiles {
    files: Vec<(&'static str, File)>,
}

#[derive(Debug, Clone)]
struct File {
    bytes: Bytes,
    etag: String,
}

/// Why the bundle cannot be served.
#[derive(Debug, Error)]
pub enum ClientFilesError {
    /// A file cannot be read.
    #[error("socketio.client_dir: cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// None of the files is there.
    #[error(
        "socketio.client_dir = {dir:?}: has no socket.io.js; it should be the `dist` folder of the npm package socket.io-client"
    )]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
}

impl ClientFiles {
    /// Reads what `dir` has of the bundle; `None` serves nothing.
    pub fn load(dir: Option<&Path>) -> Result<Self, ClientFilesError> {
        let Some(dir) = dir else { return Ok(Self::default()) };
        let mut files = Vec::new();
        for name in NAMES {
            let path = dir.join(name);
            match fs::read(&path) {
                Ok(bytes) => files.push((name, File::new(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ClientFilesError::Read { path, source }),
            }
        }
        if files.is_empty() {
            return Err(ClientFilesError::Missing { dir: dir.to_owned() });
        }
        let (name, types) = TYPES;
        files.push((name, File::new(types.to_vec())));
        Ok(Self { files })
    }

    /// A route for each file, under `path`.
    pub(super) fn router(self, path: &str) -> Router {
        self.files.into_iter().fold(Router::new(), |router, (name, file)| {
            let kind = match Path::new(name).extension().and_then(OsStr::to_str) {
                Some("map") => "application/json",
                Some("ts") => "text/plain; charset=utf-8",
                Some(_) | None => "text/javascript; charset=utf-8",
            };
            let answer = async move |headers: HeaderMap| file.answer(&headers, kind);
            router.route(&format!("{path}{name}"), get(answer))
        })
    }
}

impl File {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = digest::digest(&digest::SHA256, &bytes);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        Self { bytes: bytes.into(), etag }
    }

    /// Any page may load a script; the content changes only with the client's version.
    fn answer(&self, headers: &HeaderMap, kind: &'static str) -> Response {
        let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
        let common = [
            (header::ETAG, self.etag.as_str()),
            (header::CACHE_CONTROL, "public, max-age=0"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        if known == Some(self.etag.as_str()) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(header::CONTENT_TYPE, kind)], self.bytes.clone()).into_response()
    }
}

#[cfg(test)]
mod tests;
