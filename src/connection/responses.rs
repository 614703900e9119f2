//! Answers to requests that open no connection.

use super::answer::AnswerBytes;
use super::handshake::HandshakeError;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

/// The answer to CORS's question whether a request may be sent.
pub(super) fn preflight(asked: Option<HeaderValue>) -> Response<AnswerBytes> {
    let mut response = Response::new(AnswerBytes::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(asked) = asked {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    response
}

/// The refusal of a request.
pub(super) fn refuse(refusal: &HandshakeError) -> Response<AnswerBytes> {
    let mut response = Response::new(AnswerBytes::from(refusal.body()));
    *response.status_mut() = refusal.status();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let HandshakeError::Unavailable(why) = refusal {
        metrics::counter!("userline_handshakes_refused_total", "cause" => why.cause()).increment(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        // Whoever finds no room here shall not hold some by waiting for the next try.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
