//! Requests that never end, and what is printed of others.

use super::{HookReceiver, OutputForm, text_lines};
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
    let receiver =
        HookReceiver { secret: None, clock: Clock::start(Seq(0)), form: OutputForm::Text };
    let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());

    let answering = receiver.answer(Request::new(body));
    let response = tokio::time::timeout(Duration::from_mins(1), answering).await.unwrap();

    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[test]
fn each_event_of_a_batch_is_printed_with_its_own_id() {
    let event =
        r#"{"id":"pr_ann_1","type":"user.online","timestamp":"t","data":{"user":"ann","seq":1}}"#;
    let alone = r#"{"type":"user.online","timestamp":"t","data":{"user":"ann","seq":1}}"#;

    let batch = text_lines("ba_1", format!("[{event},{event}]").as_bytes(), "verified");
    let lines: Vec<&str> = batch.lines().collect();

    assert_eq!(lines[0], "t  user.online   ann  seq 1  reason -  id pr_ann_1  [verified]");
    assert_eq!(lines.len(), 2);
    assert!(text_lines("pr_2", alone.as_bytes(), "verified").contains("id pr_2 "));
}
