//! Requests that never end.

use super::{Form, Receiver};
use crate::clock::Clock;
use crate::types::Seq;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use std::convert::Infallible;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let receiver = Receiver { secret: None, clock: Clock::start(Seq(0)), form: Form::Text };
    let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());

    let answering = receiver.answer(Request::new(body));
    let response = tokio::time::timeout(Duration::from_mins(1), answering).await.unwrap();

    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}
