//! What is attached to a session is one truth, and ends with the session.

use super::directed::Bench;
use super::parts::user_id;
use crate::core::cluster::attached::{
    AttachedQuestion, AttachedReply, NewlyAttached, SessionAttached,
};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::feed::{FeedQuestion, FeedReply};
use crate::core::cluster::ledger::HookNews;
use crate::types::{Change, Portrait, Reason, Seq, WallMs};
use std::time::Duration;

impl Bench {
    fn attachments(&mut self, question: AttachedQuestion) -> AttachedReply {
        let reply = self.ask(&Command::Attached(question));
        let Reply::Attachments(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    fn known(&mut self, user: usize) -> Option<SessionAttached> {
        let reply = self.attachments(AttachedQuestion::Of(vec![user_id(99), user_id(user)]));
        let AttachedReply::Of(known) = reply else { panic!("{reply:?}") };
        let [None, known] = known.as_slice() else { panic!("{known:?}") };
        known.clone()
    }

    fn put(&mut self, user: usize, of: &SessionAttached, attached: &str) -> bool {
        let put = NewlyAttached {
            user: user_id(user),
            session: of.session,
            made_of: of.number,
            attached: attached.into(),
        };
        let reply = self.attachments(AttachedQuestion::Put(put));
        let AttachedReply::Put(is_attached) = reply else { panic!("{reply:?}") };
        is_attached
    }

    fn changes(&mut self) -> Vec<Change> {
        let reply = self.ask(&Command::Feed(FeedQuestion::Page { after: 0, events_max: 100 }));
        let Reply::Feed(FeedReply::Page(page)) = reply else { panic!("{reply:?}") };
        let change = |it| if let HookNews::Change(it) = it { Some(it) } else { None };
        page.news.into_iter().filter_map(change).collect()
    }
}

fn down(user: usize) -> FactOp {
    let (grace, reason) = (Duration::from_secs(1), Reason::TransportClose);
    let departure = UserDeparture { grace, reason, closed_at: WallMs(1) };
    FactOp::Down { user: user_id(user), departure }
}

fn up(user: usize) -> FactOp {
    FactOp::Up { user: user_id(user), hint: None, is_kept: false }
}

fn described(granted: &str) -> FactOp {
    FactOp::Describe { granted: granted.into() }
}

#[test]
fn of_two_who_attach_at_once_one_has_to_look_again_and_the_end_of_the_session_tells_the_last() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    assert_eq!(bench.known(1), None, "offline");
    bench.up_user(&mut a, 1);
    let nothing = bench.known(1).unwrap();
    assert_eq!((nothing.number, nothing.attached.as_deref()), (0, None));
    assert!(bench.put(1, &nothing, "{\"a\":1}"));
    assert!(!bench.put(1, &nothing, "{\"b\":1}"), "it was made of nothing, and there is something");
    let first = bench.known(1).unwrap();
    assert_eq!(first.attached.as_deref(), Some("{\"a\":1}"));
    assert!(bench.put(1, &first, "{\"a\":1,\"b\":1}"));
    assert!(!bench.put(1, &first, "{}"), "an answer that was lost, and is said again");

    bench.apply(&mut a, vec![down(1)], &[]);
    assert!(bench.known(1).unwrap().attached.is_some(), "the user lingers");
    bench.tend_for(Duration::from_mins(1));
    let changes = bench.changes();
    let attached: Vec<Option<&str>> =
        changes.iter().map(|it| it.portrait.attached.as_deref()).collect();
    assert_eq!(attached, [None, Some("{\"a\":1,\"b\":1}")]);
    assert_eq!(bench.known(1), None);
    assert_eq!(bench.ask_redis(&["KEYS", "who:*"]), Vec::<String>::new());

    let late = SessionAttached { session: Seq(nothing.session.0), number: 0, attached: None };
    assert!(!bench.put(1, &late, "{}"), "the session is over");
    bench.up_user(&mut a, 1);
    assert!(!bench.put(1, &late, "{}"), "this is another session");
    assert_eq!(bench.known(1).unwrap().attached, None);
}

#[test]
fn what_a_user_was_granted_is_told_of_who_came_first_and_of_who_went_last() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let mut b = bench.attach("run", None, "b.1");
    bench.apply(&mut a, vec![described("first"), up(1), up(2)], &[]);
    bench.apply(&mut b, vec![described("second"), up(1), described("other"), up(2)], &[]);
    bench.apply(&mut b, vec![described("not the last"), down(1)], &[]);
    let nothing = bench.known(1).unwrap();
    assert!(bench.put(1, &nothing, "{}"), "beside what is told of the user");
    bench.apply(&mut a, vec![described("last"), down(1)], &[]);
    bench.apply(&mut b, vec![down(2)], &[]);
    bench.apply(&mut a, vec![down(2)], &[]);
    bench.tend_for(Duration::from_mins(1));

    let told: Vec<(String, bool, Portrait)> = bench
        .changes()
        .into_iter()
        .map(|it| (it.user.as_str().to_owned(), it.hook_type() == "user.online", it.portrait))
        .collect();
    let portrait = |granted: Option<&str>, attached: Option<&str>| Portrait {
        granted: granted.map(Into::into),
        attached: attached.map(Into::into),
    };
    assert_eq!(
        told,
        [
            ("u1".to_owned(), true, portrait(Some("first"), None)),
            ("u2".to_owned(), true, portrait(None, None)),
            ("u1".to_owned(), false, portrait(Some("last"), Some("{}"))),
            ("u2".to_owned(), false, portrait(None, None)),
        ]
    );
    assert_eq!(bench.ask_redis(&["KEYS", "who:*"]), Vec::<String>::new());
}
