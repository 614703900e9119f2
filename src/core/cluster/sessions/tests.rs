use super::{KeptSession, SessionNews, SessionOp};
use crate::types::UserId;
use bytes::Bytes;
use std::time::Duration;

fn keep(record: &'static str, is_new: bool) -> SessionOp {
    SessionOp::Keep(KeptSession {
        user: UserId::parse("ann").unwrap(),
        owner: "n1/s1".into(),
        kept_for: Duration::from_mins(1),
        record: Bytes::from_static(record.as_bytes()),
        is_new,
        away: None,
    })
}

#[test]
fn the_last_that_is_said_of_a_session_counts_and_it_begins_once() {
    let mut news = SessionNews::default();
    news.add("a".into(), keep("1", true));
    news.add("a".into(), keep("2", false));
    news.add("b".into(), keep("3", false));
    assert_eq!(news.take(1), [("a".into(), keep("2", true))]);
    assert_eq!(news.take(9), [("b".into(), keep("3", false))]);
    assert!(news.is_said());
}

#[test]
fn what_was_not_heard_is_said_again_unless_there_is_something_newer() {
    let mut news = SessionNews::default();
    news.add("a".into(), keep("1", true));
    news.add("b".into(), keep("2", false));
    let said = news.take(9);
    let over = SessionOp::End { owner: "n1/s1".into() };
    news.add("b".into(), over.clone());
    news.unheard(said);
    assert_eq!(news.take(9), [("a".into(), keep("1", true)), ("b".into(), over)]);
}
