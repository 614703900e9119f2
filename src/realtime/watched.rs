//! Which users clients watch, and of which of them there may be news; and which users of this node other nodes may have to hear of.

use super::placing::Placing;
use crate::core::watching::{WatchBook, WatchBounds};
use crate::registry::Socket;
use crate::types::{SocketId, UserId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Which users clients watch. Cheap to clone; clones share it. Where nobody watches, a note is one look at a number.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    state: Arc<WatchedState>,
    /// Where others have to know in which rooms users are.
    placing: Option<Arc<Placing>>,
}

#[derive(Debug)]
struct WatchedState {
    book: Mutex<WatchBook<Arc<Socket>>>,
    /// How much stands in the book.
    len: AtomicUsize,
    noted: Mutex<Noted>,
    /// Something was noted.
    news: Notify,
    /// Something becomes due of a permit, perhaps earlier than before.
    due: Notify,
}

/// What has happened since somebody looked.
#[derive(Debug, Default)]
struct Noted {
    /// To these, who are watched.
    users: BTreeSet<UserId>,
    /// To what these are granted, who watch.
    watchers: BTreeMap<SocketId, Arc<Socket>>,
}

/// Where there may be news.
#[derive(Debug)]
pub(super) enum WatchNews {
    /// Of this user, for all who watch it.
    Of(UserId),
    /// For this socket, of all whom it watches.
    For(Arc<Socket>),
}

impl Watched {
    /// Nobody is watched.
    pub(super) fn new(bounds: WatchBounds) -> Self {
        let (book, noted) = (Mutex::new(WatchBook::new(bounds)), Mutex::default());
        let (len, news, due) = (AtomicUsize::new(0), Notify::new(), Notify::new());
        let state = Arc::new(WatchedState { book, len, noted, news, due });
        Self { state, placing: None }
    }

    /// The same, and other nodes are told in which rooms users are.
    pub(super) fn placing(self, placing: Placing) -> Self {
        Self { placing: Some(Arc::new(placing)), ..self }
    }

    /// What other nodes are told, if they are.
    pub(super) fn placed(&self) -> Option<&Placing> {
        self.placing.as_deref()
    }

    /// Looks at, or changes, who watches whom. Nothing else is locked meanwhile.
    pub(super) fn book<T>(&self, change: impl FnOnce(&mut WatchBook<Arc<Socket>>) -> T) -> T {
        let mut book = self.state.book.lock();
        let was_due_at = book.due_at();
        let changed = change(&mut book);
        if book.due_at() != was_due_at {
            self.state.due.notify_one();
        }
        if self.state.len.swap(book.len(), Ordering::Relaxed) != book.len() {
            let len = u32::try_from(book.len()).unwrap_or(u32::MAX);
            metrics::gauge!("userline_watches").set(len);
        }
        changed
    }

    /// Something has happened to a user: it can be seen already by whoever looks. Cheap, and never waits for those who watch.
    pub(super) fn note(&self, user: &UserId) {
        if let Some(placing) = &self.placing {
            placing.note(user);
        }
        self.note_seen(user);
    }

    /// A user may be seen otherwise by those who watch it.
    pub(super) fn note_seen(&self, user: &UserId) {
        if self.is_used() && self.book(|book| book.is_watched(user)) {
            self.state.noted.lock().users.insert(user.clone());
            self.state.news.notify_one();
        }
    }

    /// A socket is granted something else: others may see its user or not, and it may see others or not.
    pub(super) fn note_grants(&self, socket: &Arc<Socket>) {
        self.note(socket.user());
        let watches = |book: &mut WatchBook<_>| {
            book.ask_soon(socket.id);
            book.watches(socket.id)
        };
        if self.is_used() && self.book(watches) {
            self.state.noted.lock().watchers.insert(socket.id, Arc::clone(socket));
            self.state.news.notify_one();
        }
    }

    /// Something has happened to a user, because one of its sockets is gone, which therefore watches nobody any more.
    pub(super) fn note_end(&self, socket: &Socket) {
        if self.is_used() {
            self.book(|book| book.leave(socket.id));
        }
        self.note(socket.user());
    }

    /// Where there may be news, when there may be any.
    pub(super) async fn next(&self) -> WatchNews {
        loop {
            if let Some(noted) = self.state.noted.lock().pop() {
                return noted;
            }
            self.state.news.notified().await;
        }
    }

    /// A permit of a watcher has another end, or another beginning.
    pub(super) async fn due_has_changed(&self) {
        self.state.due.notified().await;
    }

    /// Whom a watcher may see is another than before.
    pub(super) fn note_permit(&self, socket: Arc<Socket>) {
        self.state.noted.lock().watchers.insert(socket.id, socket);
        self.state.news.notify_one();
    }

    /// Nobody watches a user any more.
    pub(super) fn erase(&self, user: &UserId) {
        self.book(|book| book.erase(user));
        self.state.noted.lock().users.remove(user);
        if let Some(placing) = &self.placing {
            placing.erase(user);
        }
    }

    /// Whether anybody watches.
    pub(super) fn is_used(&self) -> bool {
        self.state.len.load(Ordering::Relaxed) != 0
    }
}

impl Noted {
    fn pop(&mut self) -> Option<WatchNews> {
        let user = self.users.pop_first().map(WatchNews::Of);
        user.or_else(|| self.watchers.pop_first().map(|(_, socket)| WatchNews::For(socket)))
    }
}
