//! What becomes of CONNECTs, compared with a naive model: a list of all that was asked and not answered.

use super::{BadAuth, Connect, ConnectBreach, Loans, WAITING_MAX};
use crate::types::Namespace;
use proptest::prelude::*;
use std::collections::BTreeSet;

const PLENTY: usize = 1 << 20;

fn namespace(n: u8) -> Namespace {
    Namespace::parse(["/", "/a", "/b"][usize::from(n)]).unwrap()
}

fn connect(n: u8, auth: &str) -> Connect {
    Connect { namespace: namespace(n), auth: auth.to_owned() }
}

fn nothing_joined(_: &Namespace) -> bool {
    false
}

#[test]
fn what_cannot_say_who_a_client_is_is_refused_before_anybody_is_asked() {
    let parse = |auth: &str| Connect::parse(&namespace(0), auth, 8).map(|it| it.auth);

    for good in ["", "null", "{}", "[1]", "7", r#"{"a":1}"#, " {} "] {
        assert_eq!(parse(good), Ok(good.to_owned()), "{good}");
    }
    for bad in ["{", "nope,", "{} more", "{}{}", "[[[[[[[["] {
        assert_eq!(parse(bad), Err(BadAuth::Malformed), "{bad}");
    }
    assert_eq!(parse(r#"{"a":11}"#), Ok(r#"{"a":11}"#.to_owned()), "exactly the limit");
    assert_eq!(parse(r#"{"a":111}"#), Err(BadAuth::TooLarge { len: 9, max: 8 }));
}

#[test]
fn a_second_connect_waits_for_the_answer_of_the_first() {
    let mut loans = Loans::new(PLENTY);

    assert_eq!(loans.connect(connect(0, "1"), nothing_joined), Ok(Some(connect(0, "1"))));
    assert_eq!(loans.connect(connect(1, "2"), nothing_joined), Ok(None));
    assert!(loans.is_wanted());
    assert_eq!(loans.next(nothing_joined), Ok(Some(connect(1, "2"))));
    assert_eq!(loans.next(nothing_joined), Ok(None));

    assert!(loans.is_empty());
}

#[test]
fn the_second_of_two_in_one_namespace_ends_the_connection_if_the_first_was_accepted() {
    let mut loans = Loans::new(PLENTY);
    loans.connect(connect(0, ""), nothing_joined).unwrap();
    assert_eq!(loans.connect(connect(0, ""), nothing_joined), Ok(None));

    assert_eq!(loans.next(|it| *it == namespace(0)), Err(ConnectBreach::Joined));
}

#[test]
fn a_namespace_that_was_left_before_the_answer_can_be_joined_again() {
    let mut loans = Loans::new(PLENTY);
    loans.connect(connect(0, "old"), nothing_joined).unwrap();

    assert!(loans.leave("/"));
    assert!(!loans.leave("/a"));
    assert_eq!(loans.connect(connect(0, "new"), nothing_joined), Ok(None));

    assert!(!loans.is_wanted(), "the answer to the first is not for the second");
    assert_eq!(loans.next(nothing_joined), Ok(Some(connect(0, "new"))));
    assert!(loans.is_wanted());
}

#[test]
fn few_wait_and_with_few_bytes() {
    let mut loans = Loans::new(10);
    let long = "x".repeat(11);
    assert_eq!(loans.connect(connect(0, &long), nothing_joined), Err(ConnectBreach::TooMany));
    loans.connect(connect(0, &long[1..]), nothing_joined).unwrap();
    loans.connect(connect(1, &long[1..]), nothing_joined).unwrap();
    assert_eq!(loans.connect(connect(2, "x"), nothing_joined), Err(ConnectBreach::TooMany));

    let mut loans = Loans::new(PLENTY);
    for _ in 0..=WAITING_MAX {
        loans.connect(connect(0, ""), nothing_joined).unwrap();
    }
    assert_eq!(loans.connect(connect(0, ""), nothing_joined), Err(ConnectBreach::TooMany));
}

#[derive(Debug, Clone)]
enum Op {
    Connect(u8),
    Leave(u8),
    /// The engine answers what it was lent: it accepts it or refuses it.
    Answer(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Op::Connect),
        2 => (0..3_u8).prop_map(Op::Leave),
        4 => any::<bool>().prop_map(Op::Answer),
    ]
}

/// All CONNECTs in order, the first of which the engine has.
#[derive(Default)]
struct Model {
    asked: Vec<Asked>,
    joined: BTreeSet<u8>,
    next: u32,
}

struct Asked {
    namespace: u8,
    number: u32,
    is_withdrawn: bool,
}

impl Model {
    /// What the engine must have by now; an error if the connection must be closed.
    fn lent(&self) -> Result<Option<u32>, ConnectBreach> {
        match self.asked.first() {
            Some(it) if self.joined.contains(&it.namespace) => Err(ConnectBreach::Joined),
            it => Ok(it.map(|it| it.number)),
        }
    }

    fn leave(&mut self, namespace: u8) {
        self.joined.remove(&namespace);
        let mut place = 0;
        self.asked.retain_mut(|it| {
            place += 1;
            it.is_withdrawn |= it.namespace == namespace;
            place == 1 || !it.is_withdrawn
        });
    }

    /// The number of the CONNECT whose answer the client hears, if it hears any.
    fn answer(&mut self, is_accepted: bool) -> Option<u32> {
        let first = self.asked.remove(0);
        if is_accepted && !first.is_withdrawn {
            self.joined.insert(first.namespace);
        }
        (!first.is_withdrawn).then_some(first.number)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_connect_is_answered_in_order_or_withdrawn_or_ends_the_connection(
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let mut loans = Loans::new(PLENTY);
        let mut model = Model::default();
        let mut lent: Option<u32> = None;
        for op in ops {
            let next = match op {
                Op::Connect(n) => {
                    model.next += 1;
                    let number = model.next;
                    model.asked.push(Asked { namespace: n, number, is_withdrawn: false });
                    let is_joined = |it: &Namespace| model.joined.iter().any(|n| namespace(*n) == *it);
                    let was_lent = lent;
                    loans.connect(connect(n, &number.to_string()), is_joined).map(|it| {
                        it.map_or(was_lent, |it| Some(it.auth.parse().unwrap()))
                    })
                }
                Op::Leave(n) => {
                    model.leave(n);
                    loans.leave(namespace(n).as_str());
                    Ok(lent)
                }
                Op::Answer(is_accepted) => {
                    let Some(number) = lent else { continue };
                    let heard = loans.is_wanted().then_some(number);
                    prop_assert_eq!(heard, model.answer(is_accepted));
                    let is_joined = |it: &Namespace| model.joined.iter().any(|n| namespace(*n) == *it);
                    loans.next(is_joined).map(|it| it.map(|it| it.auth.parse().unwrap()))
                }
            };
            prop_assert_eq!(next, model.lent());
            let Ok(next) = next else { return Ok(()) };
            lent = next;
            prop_assert_eq!(loans.is_empty(), model.asked.is_empty());
        }
    }
}
