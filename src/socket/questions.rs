//! How many questions of one socket are open: the bound at which its connection is not read any more; and the line in which those
//! wait that must keep their order.

use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;

/// Questions to the store, or the backend, that one socket may have open.
const OPEN_MAX: usize = 8;

/// The open questions of one socket.
#[derive(Debug, Default)]
pub(super) struct Questions {
    counted: Mutex<OpenQuestions>,
}

#[derive(Debug, Default)]
struct OpenQuestions {
    count: usize,
    /// Waits for the end of one.
    waiting: Option<Waker>,
    /// Comes when the last in line is done.
    last: Option<Box<oneshot::Receiver<Never>>>,
}

/// What is never said: the end of a sender is enough.
#[derive(Debug)]
enum Never {}

/// A place in the line of one socket.
#[derive(Debug)]
pub(super) struct PlaceInLine {
    before: Option<Box<oneshot::Receiver<Never>>>,
    turn: LineTurn,
}

/// Who has it is the first in line. The next one is when it is dropped.
#[derive(Debug)]
pub(super) struct LineTurn {
    _done: oneshot::Sender<Never>,
}

impl PlaceInLine {
    /// Waits for the turn.
    pub(super) async fn turn(self) -> LineTurn {
        if let Some(before) = self.before {
            // It ends by being dropped.
            let _ended = before.await;
        }
        self.turn
    }
}

impl Questions {
    /// Whether another one may begin; wakes `cx` when it may.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut counted = self.counted.lock();
        if counted.count < OPEN_MAX {
            return Poll::Ready(());
        }
        counted.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether nobody is in line.
    pub(super) fn is_line_free(&self) -> bool {
        let mut counted = self.counted.lock();
        let is_done = |last: &mut Box<oneshot::Receiver<Never>>| {
            matches!(last.try_recv(), Err(oneshot::error::TryRecvError::Closed))
        };
        if counted.last.as_mut().is_some_and(is_done) {
            counted.last = None;
        }
        counted.last.is_none()
    }

    /// A place behind all who are in line.
    pub(super) fn line_up(&self) -> PlaceInLine {
        let (done, ended) = oneshot::channel();
        let before = self.counted.lock().last.replace(Box::new(ended));
        PlaceInLine { before, turn: LineTurn { _done: done } }
    }

    /// One begins.
    pub(super) fn begin(&self) {
        self.counted.lock().count += 1;
    }

    /// One has ended.
    pub(super) fn end(&self) {
        let mut counted = self.counted.lock();
        counted.count = counted.count.saturating_sub(1);
        let waiting = counted.waiting.take();
        drop(counted);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OPEN_MAX, PlaceInLine, Questions};
    use futures_util::poll;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test]
    async fn at_the_bound_the_next_one_waits_for_the_end_of_one() {
        let questions = Questions::default();
        for _ in 0..OPEN_MAX {
            assert_eq!(poll!(pin!(poll_fn(|cx| questions.poll_ready(cx)))), Poll::Ready(()));
            questions.begin();
        }
        let waiting = poll_fn(|cx| questions.poll_ready(cx));
        assert_eq!(poll!(pin!(poll_fn(|cx| questions.poll_ready(cx)))), Poll::Pending);

        let ending = async {
            tokio::task::yield_now().await;
            questions.end();
        };
        tokio::join!(waiting, ending);
    }

    #[tokio::test]
    async fn those_in_line_come_one_after_the_other_in_the_order_in_which_they_lined_up() {
        let questions = Questions::default();
        assert!(questions.is_line_free());
        let [mut one, mut two, mut three] =
            [(); 3].map(|()| Box::pin(PlaceInLine::turn(questions.line_up())));
        let is_first = async |it: &mut std::pin::Pin<Box<_>>| match poll!(it) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        };

        // Whoever is polled first.
        assert!(is_first(&mut three).await.is_none() && is_first(&mut two).await.is_none());
        let turn = is_first(&mut one).await.unwrap();
        assert!(is_first(&mut two).await.is_none());
        drop(turn);
        let turn = is_first(&mut two).await.unwrap();
        assert!(is_first(&mut three).await.is_none());
        // One that goes away before its turn holds up nobody.
        let mut four = Box::pin(PlaceInLine::turn(questions.line_up()));
        drop(three);
        drop(turn);
        assert!(!questions.is_line_free());
        drop(is_first(&mut four).await.unwrap());
        assert!(questions.is_line_free());
    }
}
