//! Reminders, over time that the tests own.

use super::{Deadlines, DueReminders, Reminder};
use crate::clock::Clock;
use crate::types::{Seq, UserId};
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

const HOLD: Duration = Duration::from_secs(10);
/// A moment less.
const ALMOST_HOLD: Duration = Duration::from_millis(9_980);
const MOMENT: Duration = Duration::from_millis(20);

fn grace(user: &str) -> Reminder {
    Reminder::Grace(UserId::parse(user).unwrap())
}

struct Fixture {
    deadlines: Deadlines,
    clock: Clock,
    due: Arc<Mutex<Vec<Reminder>>>,
    /// Ends the watchers.
    _watching: tokio::task::JoinSet<()>,
}

impl Fixture {
    fn new() -> Self {
        let clock = Clock::start(Seq(0));
        let deadlines = Deadlines::new(clock.clone());
        let due: Arc<Mutex<Vec<Reminder>>> = Arc::default();
        let heard = Arc::clone(&due);
        let mut watching = tokio::task::JoinSet::new();
        let watch = |mut it: DueReminders| {
            let heard = Arc::clone(&heard);
            async move {
                loop {
                    let reminder = it.next().await;
                    heard.lock().push(reminder);
                }
            }
        };
        let all: Vec<_> = deadlines.watch(HOLD).into_iter().map(watch).collect();
        watching.spawn(async move { drop(join_all(all).await) });
        Self { deadlines, clock, due, _watching: watching }
    }

    fn add(&self, after: Duration, user: &str) {
        self.deadlines.add(self.clock.now() + after, grace(user));
    }

    fn due(&self) -> Vec<Reminder> {
        self.due.lock().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_is_reminded_in_time_and_once() {
    let it = Fixture::new();
    it.add(2 * HOLD, "ann");
    it.add(HOLD, "bob");
    tokio::time::sleep(MOMENT).await;
    // Earlier than all that is waited for.
    it.add(HOLD / 2, "eve");

    tokio::time::sleep(HOLD / 2 + MOMENT).await;
    assert_eq!(it.due(), [grace("eve")]);
    tokio::time::sleep(HOLD / 2).await;
    assert_eq!(it.due(), [grace("eve"), grace("bob")]);
    tokio::time::sleep(HOLD).await;
    assert_eq!(it.due(), [grace("eve"), grace("bob"), grace("ann")]);

    tokio::time::sleep(5 * HOLD).await;
    assert_eq!((it.due().len(), it.deadlines.is_empty()), (3, true));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_not_reminded_of() {
    let it = Fixture::new();
    let at = it.clock.now() + HOLD;
    it.deadlines.add(at, grace("ann"));
    it.deadlines.add(at, grace("bob"));
    tokio::time::sleep(MOMENT).await;

    it.deadlines.take_back(at, &grace("ann"));
    it.deadlines.take_back(at + HOLD, &grace("bob"));
    it.deadlines.take_back(at, &grace("eve"));

    tokio::time::sleep(2 * HOLD).await;
    assert_eq!((it.due(), it.deadlines.is_empty()), (vec![grace("bob")], true));
}

#[tokio::test(start_paused = true)]
async fn those_of_one_user_are_in_one_queue() {
    let it = Deadlines::new(Clock::start(Seq(0)));
    for n in 0..50 {
        it.add(crate::types::Timestamp(n), grace("ann"));
    }

    let counts: Vec<usize> = it.queues.iter().map(|it| it.waiting.lock().in_order.len()).collect();

    assert_eq!((it.len(), counts.iter().filter(|it| **it != 0).count()), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn an_erased_user_is_not_named_any_more() {
    let it = Fixture::new();
    for user in ["ann", "bob", "ann"] {
        it.add(HOLD, user);
    }

    it.deadlines.erase(&UserId::parse("ann").unwrap());
    tokio::time::sleep(HOLD + MOMENT).await;

    assert_eq!(it.due(), [grace("bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_standstill_right_after_the_first_reminder_is_one() {
    let it = Fixture::new();
    tokio::time::sleep(5 * HOLD).await;
    // The watcher has rested; the process stops before it wakes up.
    it.add(HOLD / 2, "ann");
    tokio::time::advance(HOLD).await;

    tokio::time::sleep(ALMOST_HOLD).await;
    assert_eq!(it.due(), [], "whoever was back in time may be heard only now");
    tokio::time::sleep(2 * MOMENT).await;

    assert_eq!(it.due(), [grace("ann")]);
}
