//! Erasing a user, page by page, on a real Redis: all that is the user's goes, and nothing else.

use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::answers::{AnswerAsk, AnswerQuestion};
use crate::core::cluster::book::{
    BookAsk, BookName, BookOutcome, BookQuestion, BookReply, BookWrite,
};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::erasing::{EraseAsk, ErasePage};
use crate::core::cluster::inboxes::{InboxLimits, InboxesAsk, KeptItem};
use crate::core::cluster::ledger::HooksToTell;
use crate::core::inbox::Putting;
use crate::types::UserId;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

struct Desk {
    redis: TestRedis,
    place: ClusterPlace,
    now_us: u64,
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

impl Desk {
    fn new() -> Self {
        let now_us = 1_700_000_000_000_000;
        let mut it = Self { redis: TestRedis::start(|_, text| text), place: place(), now_us };
        for endpoint in ["one", "two"] {
            let _new: u64 = it.redis.ask(&["SADD", &it.place.key("endpoints"), endpoint]);
        }
        it
    }

    fn say(&mut self, command: &Command) -> Reply {
        self.now_us += 1000;
        let value = self.redis.run(&self.place.call(command), self.now_us);
        reply(command, &value).unwrap()
    }

    fn erase(&mut self, ask: EraseAsk) -> ErasePage {
        let Reply::Erased(page) = self.say(&Command::Erase(ask)) else { panic!() };
        page
    }

    /// Events of users in turn.
    fn tell(&mut self, name: &str, users: &[&str]) {
        let hook = |it: &&str| (user(it), "message.undelivered", "{}".to_owned());
        self.say(&Command::Tell(HooksToTell {
            name: name.into(),
            endpoints: [Arc::from("one"), Arc::from("two")].into(),
            hooks: users.iter().map(hook).collect(),
        }));
    }

    fn put(&mut self, id: &str, users: &[&str]) {
        let item = Arc::new(KeptItem {
            id: id.into(),
            message: id.into(),
            namespace: "/".into(),
            event: "n".into(),
            args: "[1]".into(),
            collapse_key: "".into(),
            ttl: Duration::from_mins(1),
            remembered: Duration::from_mins(1),
        });
        let users = users.iter().map(|it| (user(it), Putting::Store)).collect();
        let limits = InboxLimits { count_max: 1000, bytes_max: 100_000_000 };
        self.say(&Command::Inboxes(InboxesAsk::Put { item, users, limits }));
    }

    fn answer(&mut self, request: &str, answer: &str) {
        let ask = |what| {
            Command::Answers(AnswerQuestion { request: request.into(), token: "t".into(), what })
        };
        let begin =
            AnswerAsk::Begin { fingerprint: "f".into(), node: "n".into(), requests_max: 999 };
        self.say(&ask(begin));
        let (answer, keep) = (Bytes::copy_from_slice(answer.as_bytes()), Duration::from_mins(1));
        self.say(&ask(AnswerAsk::Finish { answer, keep, bytes_max: 1_000_000 }));
    }

    fn changes(&mut self, known: u64, write: Option<(&str, &str, Option<&str>)>) -> BookReply {
        let write = write.map(|(name, whose, value)| BookWrite {
            user: user(whose),
            name: name.into(),
            note: "",
            records: vec![(whose.to_owned(), value.map(|it| Bytes::from(it.to_owned())))],
            records_max: 100,
        });
        let what = BookAsk::Changes { known, write };
        let question = BookQuestion { book: BookName::Restrictions, what };
        let Reply::Book(reply) = self.say(&Command::Book(question)) else { panic!() };
        reply
    }

    fn count(&mut self, words: &[&str], key: &str) -> u64 {
        let key = self.place.key(key);
        let words: Vec<&str> =
            [words[0], &key].into_iter().chain(words[1..].iter().copied()).collect();
        self.redis.ask(&words)
    }
}

#[test]
fn what_was_told_of_a_user_goes_with_its_deliveries_unless_they_wait() {
    let mut desk = Desk::new();
    for round in 0..25 {
        let users: Vec<&str> = (0..100).map(|it| if it % 5 == 0 { "ann" } else { "bob" }).collect();
        desk.tell(&format!("t{round}"), &users);
    }
    let (mut found, mut after, mut pages) = (Vec::new(), Some(0), 0);
    while let Some(from) = after {
        let page = desk.erase(EraseAsk::Events { user: user("ann"), after: from });
        found.extend(page.numbers);
        (after, pages) = (page.next, pages + 1);
    }
    assert_eq!((found.len(), pages), (500, 6));
    let events: Arc<[u64]> = found.as_slice().into();
    assert_eq!(desk.erase(EraseAsk::Waiting(Arc::clone(&events))).numbers, found);

    // One endpoint was told of the first; of the second, both.
    for (seq, endpoints) in [(found[0], &["one"][..]), (found[1], &["one", "two"])] {
        for endpoint in endpoints {
            let wait = format!("wait:{endpoint}");
            assert_eq!(desk.count(&["ZREM", &seq.to_string()], &wait), 1);
        }
    }
    let forget = |with_waiting| EraseAsk::Forget { events: Arc::clone(&events), with_waiting };
    assert_eq!(desk.erase(forget(false)).numbers, [0, 499], "what waits stays");
    assert_eq!(desk.count(&["XLEN"], "events"), 2499);
    assert_eq!(desk.erase(forget(true)).numbers, [2 * 500 - 3, 0]);
    assert_eq!(desk.erase(forget(true)).numbers, [0, 0]);
    assert_eq!(desk.count(&["XLEN"], "events"), 2000);
    assert_eq!(desk.count(&["ZCARD"], "wait:two"), 2000);
    assert_eq!(desk.erase(EraseAsk::Events { user: user("ann"), after: 0 }).numbers, [0; 0]);
}

#[test]
fn an_inbox_goes_with_all_that_was_counted_of_it() {
    let mut desk = Desk::new();
    for index in 0..120 {
        desk.put(&format!("b{index}"), &["bob"]);
    }
    let bytes = desk.count(&["GET"], "inbox_bytes");
    for index in 0..250 {
        desk.put(&format!("a{index}"), &["ann"]);
    }
    desk.put("both", &["ann"]);
    let mut pages = 1;
    while desk.erase(EraseAsk::Inbox(user("ann"))).next.is_some() {
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(desk.count(&["GET"], "inbox_bytes"), bytes);
    let named: Vec<_> = desk.redis.keys().into_iter().filter(|it| it.contains("ann")).collect();
    assert_eq!(named, Vec::<String>::new());
    assert_eq!(desk.count(&["EXISTS"], "placed:a7"), 0);
    assert_eq!(desk.count(&["SCARD"], "placed:b7"), 1);
    assert_eq!(desk.count(&["ZCARD"], "items:bob"), 120);
    // Whoever has none has none.
    assert_eq!(desk.erase(EraseAsk::Inbox(user("ann"))).next, None);
    assert_eq!(desk.count(&["GET"], "inbox_bytes"), bytes);
}

#[test]
fn answers_that_name_the_user_go_and_no_others() {
    let mut desk = Desk::new();
    for index in 0..200 {
        let answer = match index % 4 {
            0 => r#"{"users":{"ann":{"status":"sent"}}}"#,
            1 => r#"{"acks":[{"user":"ann"}]}"#,
            2 => r#"{"users":{"anna":{"args":["ann"]}}}"#,
            _ => r#"{"user":"bob"}"#,
        };
        desk.answer(&format!("r{index}"), answer);
    }
    let mut passed = Some(0);
    while let Some(so_far) = passed {
        passed = desk.erase(EraseAsk::Answers { user: user("ann"), passed: so_far }).next;
    }
    assert_eq!(desk.count(&["ZCARD"], "answered"), 100);
    let bytes = 50 * (r#"{"users":{"anna":{"args":["ann"]}}}"#.len() + r#"{"user":"bob"}"#.len());
    assert_eq!(desk.count(&["GET"], "answers"), u64::try_from(bytes).unwrap());
}

#[test]
fn changes_of_a_user_go_and_whoever_has_followed_goes_on() {
    let mut desk = Desk::new();
    let mut known = 0;
    for (name, whose, value) in
        [("1", "ann", Some("x")), ("2", "bob", Some("x")), ("3", "ann", None)]
    {
        let BookReply::Changes { changes, .. } = desk.changes(known, Some((name, whose, value)))
        else {
            panic!()
        };
        known = changes.last().unwrap().number;
    }
    let last_of_ann = known;
    desk.erase(EraseAsk::Calm(BookName::Restrictions, user("ann")));
    desk.erase(EraseAsk::Calm(BookName::Restrictions, user("ann")));
    let BookReply::Changes { outcome, changes } = desk.changes(known, None) else { panic!() };
    assert_eq!((outcome, changes.len()), (BookOutcome::Done, 1));
    assert!(changes[0].records.is_empty() && changes[0].name.is_empty());
    known = changes[0].number;

    let book = BookName::Restrictions;
    let ask = EraseAsk::Changes { book, user: user("ann"), after: 0 };
    assert_eq!(desk.erase(ask).next, None);
    assert_eq!(desk.count(&["XLEN"], "changes:restrictions"), 2);
    // Whoever has followed goes on; whoever has not reads all of it again, and so does not have the record either.
    let BookReply::Changes { outcome, .. } = desk.changes(known, Some(("4", "bob", None))) else {
        panic!()
    };
    assert_eq!(outcome, BookOutcome::Done);
    for behind in [0, last_of_ann] {
        let BookReply::Changes { outcome, .. } = desk.changes(behind, None) else { panic!() };
        let again = BookOutcome::Again { is_lost: false };
        let expected = if behind == 0 { again } else { BookOutcome::Done };
        assert_eq!(outcome, expected, "{behind}");
    }
}
