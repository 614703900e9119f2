//! How many questions of one socket are open: the bound at which its connection is not read any more.

use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};

/// Questions to the store that one socket may have open.
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
    use super::{OPEN_MAX, Questions};
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
}
