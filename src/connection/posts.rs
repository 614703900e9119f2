//! What a connection needs only as long as its client polls: what was posted, until it has been read, and who is waiting.
//!
//! It stands in a box of its own, which is gone once the client has moved to a WebSocket and its last request is answered:
//! most clients begin by polling, and nearly all of them move.

use super::answer::{AnswerBytes, UntakenAnswer};
use super::stream::Inlet;
use super::unfinished::TakenRoom;
use super::upgrade::Upgrade;
use super::{Connection, ConnectionState, Phase, Transport};
use crate::types::Timestamp;
use bytes::{Bytes, BytesMut};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;
use tokio::io::ReadBuf;
use tokio::sync::Notify;

/// How far a client is with polling.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// Frames that were posted and have not been read.
    pub(super) inbox: Option<PostedFrames>,
    /// Something was posted that is not delivered yet.
    pub(super) is_unread: bool,
    /// Requests of the client since its handshake.
    pub(super) requests: u32,
    /// A poll is waiting.
    pub(super) is_polled: bool,
    /// What the client has not taken of the last answer, if that was a large one.
    untaken: Option<Arc<UntakenAnswer>>,
    /// Since when something is pending and nobody has polled, nor taken anything of the last answer.
    pub(super) untaken_since: Option<UntakenSince>,
    /// A post is being delivered.
    pub(super) is_posted: bool,
    /// Posts that are under way, with the ones that wait for their turn.
    pub(super) posts: usize,
    pub(super) upgrade: Upgrade,
    /// Says that what was posted has been read, or that the turn of the next post has come.
    read: Arc<Notify>,
}

/// Something is pending that is not taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct UntakenSince {
    pub(super) at: Timestamp,
    /// Bytes of the last answer that were left then.
    pub(super) left: usize,
}

/// Frames that were posted, and the room that they take.
#[derive(Debug)]
pub(super) struct PostedFrames {
    pub(super) frames: BytesMut,
    pub(super) room: TakenRoom,
}

/// What is there of what a client posted.
pub(super) enum PostedBytes {
    /// Something was read, or this is the end.
    Read,
    /// Nothing yet.
    Nothing,
    /// The client has moved to this WebSocket; behind it is what was read beyond the handshake.
    Upgraded(Box<(Inlet, Bytes)>),
}

impl Polling {
    /// All that was posted has been read; the posts that wait for that are answered.
    fn note_read(&mut self) {
        if self.inbox.is_none() {
            self.is_unread = false;
            self.read.notify_waiters();
        }
    }

    /// What was posted will not be read; a post that waits for that is answered.
    fn forget_posts(&mut self) {
        self.inbox = None;
        self.is_unread = false;
        self.read.notify_waiters();
    }

    /// A post is over; `had_turn` says whether it was being delivered.
    fn end_post(&mut self, had_turn: bool) {
        self.posts -= 1;
        if had_turn {
            self.is_posted = false;
        }
        self.read.notify_waiters();
    }
}

impl Connection {
    /// Waits until something is so of the posts, or the client polls no more.
    pub(super) async fn read_until(&self, mut is_so: impl FnMut(&mut Polling) -> bool) {
        let read = self.lock().polling.as_ref().map(|it| Arc::clone(&it.read));
        let Some(read) = read else { return };
        loop {
            let mut changed = pin!(read.notified());
            // From here on it is told of changes, so that none falls between the look and the wait.
            changed.as_mut().enable();
            if self.lock().polling.as_deref_mut().is_none_or(&mut is_so) {
                return;
            }
            changed.await;
        }
    }
}

impl Connection {
    /// The body that a poll is answered with.
    pub(super) fn give(&self, state: &mut ConnectionState, body: Vec<u8>) -> AnswerBytes {
        self.traffic.sent(body.len());
        let (body, untaken) = AnswerBytes::watched(self.hold(body.into()));
        if let Some(polling) = &mut state.polling {
            polling.untaken = untaken;
        }
        body
    }
}

impl ConnectionState {
    /// What the client has not taken of the last answer to a poll.
    pub(super) fn untaken(&self) -> Option<&Arc<UntakenAnswer>> {
        self.polling.as_ref()?.untaken.as_ref().filter(|it| 0 < it.len())
    }

    /// Bytes of that.
    pub(super) fn untaken_bytes(&self) -> usize {
        self.untaken().map_or(0, |it| it.len())
    }

    /// Nobody takes the rest of the last answer any more.
    pub(super) fn forget_untaken(&mut self) {
        if let Some(untaken) = self.polling.as_mut().and_then(|it| it.untaken.take()) {
            untaken.forget();
        }
    }

    /// Whether a WebSocket works in both directions that the client is about to move to.
    pub(super) fn is_probed(&self) -> bool {
        self.polling.as_ref().is_some_and(|it| matches!(it.upgrade, Upgrade::Probed))
    }

    /// An attempt to move to a WebSocket is as far as this.
    pub(super) fn set_upgrade(&mut self, upgrade: Upgrade) {
        if let Some(polling) = &mut self.polling {
            polling.upgrade = upgrade;
        }
    }

    /// What was read of the posts has been delivered.
    pub(super) fn posts_delivered(&mut self) {
        if let Some(polling) = &mut self.polling {
            polling.note_read();
        }
    }

    /// What was posted will not be read.
    pub(super) fn forget_posts(&mut self) {
        if let Some(polling) = &mut self.polling {
            polling.forget_posts();
        }
    }

    /// A poll is answered, or was given up.
    pub(super) fn end_poll(&mut self) {
        if let Some(polling) = &mut self.polling {
            polling.is_polled = false;
        }
        self.forget_polling();
    }

    /// A post is answered, or was given up; `had_turn` says whether it was being delivered.
    pub(super) fn end_post(&mut self, had_turn: bool) {
        if let Some(polling) = &mut self.polling {
            polling.end_post(had_turn);
        }
        self.forget_polling();
    }

    /// Reads what was posted. If nothing is there, `reader` is woken when something is.
    pub(super) fn take_posted(&mut self, reader: &Waker, buf: &mut ReadBuf<'_>) -> PostedBytes {
        if let Some(polling) = &mut self.polling {
            if let Some(inbox) = &mut polling.inbox {
                let n = inbox.frames.len().min(buf.remaining());
                buf.put_slice(&inbox.frames.split_to(n));
                if inbox.frames.is_empty() {
                    polling.inbox = None;
                }
                return PostedBytes::Read;
            }
            match mem::take(&mut polling.upgrade) {
                Upgrade::Done(stream) => {
                    self.forget_polling();
                    return PostedBytes::Upgraded(stream);
                }
                under_way @ (Upgrade::None | Upgrade::Connected | Upgrade::Probed) => {
                    polling.upgrade = under_way;
                }
            }
        }
        if matches!(self.phase, Phase::Closed(_)) {
            return PostedBytes::Read; // the end
        }
        self.reader = Some(reader.clone());
        PostedBytes::Nothing
    }

    /// Gives the memory back once the client has moved to a WebSocket, the reader has its stream, and no request is under way.
    fn forget_polling(&mut self) {
        let is_over = |it: &Polling| {
            let is_idle = !it.is_polled && it.posts == 0 && it.inbox.is_none();
            is_idle && matches!(it.upgrade, Upgrade::None)
        };
        let is_taken = self.untaken().is_none();
        if self.transport == Transport::WebSocket
            && is_taken
            && self.polling.as_deref().is_some_and(is_over)
        {
            self.polling = None;
        }
    }
}

/// What tests look at.
#[cfg(test)]
impl ConnectionState {
    /// Whether a poll is waiting.
    pub(super) fn is_polled(&self) -> bool {
        self.polling.as_ref().is_some_and(|it| it.is_polled)
    }

    /// Posts that are under way, with the ones that wait for their turn.
    pub(super) fn posts(&self) -> usize {
        self.polling.as_ref().map_or(0, |it| it.posts)
    }
}
