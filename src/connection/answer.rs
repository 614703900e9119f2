//! Bodies of answers, which clients may take slowly.
//!
//! A large one is given in pieces, and what of it is not taken yet is known to its connection: that is memory which waits for the
//! client like all else, and goes when the connection does.

use crate::types::saturating_u64;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// Bytes that are given at once. A body that has no more is given whole: nothing of it could be taken back.
const PIECE: usize = 16 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBytes(Source);

#[derive(Debug)]
enum Source {
    Whole(Bytes),
    /// So many bytes are still to come.
    Pieces(usize, Giver),
    Handed(HandedBody),
}

/// The body that another node answers with. What it has not sent it knows itself.
#[derive(Debug)]
struct HandedBody {
    body: Incoming,
    patience: Duration,
    /// When it has sent nothing for too long.
    over: Pin<Box<Sleep>>,
}

/// What of a large answer its client has not taken. Shared by the body and the connection.
#[derive(Debug, Default)]
pub(super) struct UntakenAnswer {
    rest: Mutex<Bytes>,
    /// Nothing is left.
    gone: Notify,
}

/// Gives the pieces of an answer; when it goes, so does the rest.
#[derive(Debug)]
struct Giver(Arc<UntakenAnswer>);

impl AnswerBytes {
    /// A body that is given piece by piece, and what of it is left; `None` if all of it is given at once.
    pub(super) fn watched(body: Bytes) -> (Self, Option<Arc<UntakenAnswer>>) {
        if body.len() <= PIECE {
            return (body.into(), None);
        }
        let left = body.len();
        let untaken = Arc::new(UntakenAnswer { rest: Mutex::new(body), gone: Notify::new() });
        let giver = Giver(Arc::clone(&untaken));
        (Self(Source::Pieces(left, giver)), Some(untaken))
    }

    /// The body that another node answers with, which may send nothing for as long as `patience`.
    pub(super) fn handed(body: Incoming, patience: Duration) -> Self {
        let over = Box::pin(tokio::time::sleep(patience));
        Self(Source::Handed(HandedBody { body, patience, over }))
    }
}

impl UntakenAnswer {
    /// Bytes that are left; 0 when the last are on their way, or nobody takes them any more.
    pub(super) fn len(&self) -> usize {
        self.rest.lock().len()
    }

    /// Waits until nothing is left; for one caller.
    pub(super) async fn gone(&self) {
        while 0 < self.len() {
            self.gone.notified().await;
        }
    }

    /// Gives up what is left: the body ends with an error, and with it its HTTP connection.
    pub(super) fn forget(&self) {
        let rest = mem::take(&mut *self.rest.lock());
        drop(rest);
        self.gone.notify_one();
    }

    /// `None` if it was given up.
    fn next(&self) -> Option<Bytes> {
        let mut rest = self.rest.lock();
        let len = rest.len().min(PIECE);
        let piece = rest.split_to(len);
        if rest.is_empty() {
            self.gone.notify_one();
        }
        (0 < len).then_some(piece)
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        self.0.forget();
    }
}

impl HandedBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_frame(cx) {
            self.over.set(tokio::time::sleep(self.patience));
            return Poll::Ready(piece.map(|it| it.map_err(io::Error::other)));
        }
        self.over.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::TimedOut.into())))
    }
}

impl Default for AnswerBytes {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl<T: Into<Bytes>> From<T> for AnswerBytes {
    fn from(body: T) -> Self {
        Self(Source::Whole(body.into()))
    }
}

impl Body for AnswerBytes {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.get_mut().0 {
            Source::Handed(handed) => return handed.poll_piece(cx),
            Source::Whole(body) if body.is_empty() => None,
            Source::Whole(body) => Some(Ok(mem::take(body))),
            Source::Pieces(0, _) => None,
            Source::Pieces(left, giver) => Some(match giver.0.next() {
                None => Err(io::ErrorKind::ConnectionAborted.into()),
                Some(piece) => {
                    *left -= piece.len();
                    Ok(piece)
                }
            }),
        };
        Poll::Ready(piece.map(|it| it.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(body) => body.is_empty(),
            Source::Pieces(left, _) => *left == 0,
            Source::Handed(handed) => handed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.0 {
            Source::Whole(body) => body.len(),
            Source::Pieces(left, _) => *left,
            Source::Handed(handed) => return handed.body.size_hint(),
        };
        SizeHint::with_exact(saturating_u64(left))
    }
}
