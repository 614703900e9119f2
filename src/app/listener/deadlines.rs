//! How long an HTTP connection may take to ask for something: for a head that has begun, and for the pause before one.
//!
//! hyper has one limit for both. But a stranger who sends a head byte by byte must be stopped soon, and a load balancer
//! or a pool of connections must never use one that is being closed.

use crate::connection::Moved;
use crate::types::saturating_u64;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Bytes of an answer that hyper gets at once. It copies them into a buffer that the connection keeps as large as it once was,
/// for as long as it lives: with whole answers that would be a megabyte for each client that polls, or more for a backend.
const PIECE: usize = 16 * 1024;

/// The two limits.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct RequestLimits {
    /// How long a client may take to send the head of a request; that of the first one is counted from the accept.
    pub(in crate::app) head: Duration,
    /// How long a connection may rest between two requests.
    pub(in crate::app) pause: Duration,
}

/// What a connection is doing. Told by the service; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct RequestProgress {
    state: Arc<Mutex<RequestTime>>,
    moved: Arc<Moved>,
}

#[derive(Debug, Clone, Copy)]
struct RequestTime {
    phase: RequestPhase,
    /// Grows whenever a phase begins: the limit is counted from there.
    begun: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestPhase {
    /// The head of a request is coming in.
    Head,
    /// A request is being answered. That has limits of its own.
    Answer,
    /// The answer is given, and nothing of another request has come.
    Pause,
}

impl RequestProgress {
    /// Of a connection that was just accepted; `moved` tells whether bytes move over it.
    pub(super) fn new(moved: Arc<Moved>) -> Self {
        let state = RequestTime { phase: RequestPhase::Head, begun: 1 };
        Self { state: Arc::new(Mutex::new(state)), moved }
    }

    /// A whole head has come.
    pub(super) fn begin_answer(&self) {
        self.enter(RequestPhase::Answer);
    }

    /// The body that ends the answer when it is dropped, which is when all of it is on its way.
    pub(super) fn ending<B>(&self, body: B) -> AnswerBody<B> {
        AnswerBody { body, rest: Bytes::new(), _end: AnswerEnd(self.clone()) }
    }

    fn enter(&self, phase: RequestPhase) {
        let mut state = self.state.lock();
        state.phase = phase;
        state.begun += 1;
    }

    /// After hyper had its turn: whatever has moved since may begin another phase.
    fn look(&self) -> RequestTime {
        let (is_read, is_written) = (self.moved.take_read(), self.moved.take_written());
        if self.state.lock().phase == RequestPhase::Pause {
            if is_read {
                self.enter(RequestPhase::Head);
            } else if is_written {
                // A slow client is still taking the answer.
                self.enter(RequestPhase::Pause);
            }
        }
        *self.state.lock()
    }
}

/// Ends what takes too long.
pub(super) struct PhaseTimer {
    limits: RequestLimits,
    /// Which phase `over` is of, by its [`RequestTime::begun`].
    counted: u64,
    /// When the phase has taken too long; `None` if it may take as long as it needs.
    over: Option<Instant>,
    /// Rings then or before: there may be thousands of phases a second, and each ends long before its limit.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl PhaseTimer {
    /// Of a connection that was just accepted.
    pub(super) fn new(limits: RequestLimits) -> Self {
        Self { limits, counted: 0, over: None, sleep: None }
    }

    /// Drives a part of the connection's life to its end; `None` if a phase has taken too long before that.
    pub(super) async fn drive<T>(
        &mut self,
        mut part: Pin<&mut impl Future<Output = T>>,
        progress: &RequestProgress,
    ) -> Option<T> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(end) = part.as_mut().poll(cx) {
                return Poll::Ready(Some(end));
            }
            self.poll_over(cx, progress.look()).map(|()| None)
        })
        .await
    }

    fn poll_over(&mut self, cx: &mut Context<'_>, state: RequestTime) -> Poll<()> {
        if state.begun != self.counted {
            self.counted = state.begun;
            let limit = match state.phase {
                RequestPhase::Head => Some(self.limits.head),
                RequestPhase::Pause => Some(self.limits.pause),
                RequestPhase::Answer => None,
            };
            // A sleep that nobody waits for costs no more than the time does.
            self.over = limit.map(|limit| tokio::time::sleep(limit).deadline());
        }
        let Some(over) = self.over else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(over)));
        if over < sleep.deadline() {
            sleep.as_mut().reset(over);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if over <= sleep.deadline() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(over);
        }
    }
}

/// The body of an answer.
pub(super) struct AnswerBody<B> {
    body: B,
    /// Of what the body gave last.
    rest: Bytes,
    _end: AnswerEnd,
}

struct AnswerEnd(RequestProgress);

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        // What was read until here belongs to the request that is answered.
        self.0.moved.take_read();
        self.0.enter(RequestPhase::Pause);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|it| it.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let len = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (saturating_u64(self.rest.len()), self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, PhaseTimer, RequestLimits, RequestProgress};
    use crate::clock::Clock;
    use crate::types::{Seq, Timestamp};
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::Body as _;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_large_answer_is_given_in_pieces_and_whole() {
        let answer: Bytes = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let progress = RequestProgress::new(Arc::default());
        let mut body = progress.ending(Full::new(answer.clone()));

        let mut given = Vec::new();
        while !body.is_end_stream() {
            let left = u64::try_from(answer.len() - given.len()).unwrap();
            assert_eq!(body.size_hint().exact(), Some(left));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!((1..=PIECE).contains(&piece.len()), "{}", piece.len());
            given.extend(piece);
        }

        assert_eq!(given, answer);
        assert!(body.frame().await.is_none());
    }

    const LIMITS: RequestLimits =
        RequestLimits { head: Duration::from_secs(10), pause: Duration::from_mins(2) };

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_still_takes_the_answer_is_not_at_rest() {
        let moved = Arc::default();
        let progress = RequestProgress::new(Arc::clone(&moved));
        let connection = async {
            progress.begin_answer();
            drop(progress.ending(()));
            for _ in 0..8 {
                tokio::time::sleep(LIMITS.pause / 2).await;
                moved.written();
            }
            std::future::pending::<()>().await;
        };
        let clock = Clock::start(Seq(0));

        let end = PhaseTimer::new(LIMITS).drive(std::pin::pin!(connection), &progress).await;

        let passed = clock.now().since(Timestamp(0));
        assert_eq!(end, None);
        assert!(passed.abs_diff(5 * LIMITS.pause) < Duration::from_secs(1), "{passed:?}");
    }
}
