//! Clients that are not read while too much of what was sent waits.

use crate::types::{SocketId, UserId};
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

/// Who waits for room. A socket stands here at most once in each of the two ways.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// Because of what their own user has sent.
    by_user: BTreeMap<UserId, BTreeMap<SocketId, Waker>>,
    /// Because of what all have sent.
    by_all: BTreeMap<SocketId, Waker>,
    /// The same in the order in which they came.
    order: VecDeque<SocketId>,
}

impl HeldBack {
    /// `socket` waits for room for its user.
    pub(super) fn by_user(&mut self, user: &UserId, socket: SocketId, waker: &Waker) {
        self.by_user.entry(user.clone()).or_default().insert(socket, waker.clone());
    }

    /// `socket` waits for room at all.
    pub(super) fn by_all(&mut self, socket: SocketId, waker: &Waker) {
        if self.by_all.insert(socket, waker.clone()).is_none() {
            self.order.push_back(socket);
        }
    }

    /// Those who may look again: the sockets of `user`, and as many others as there is `room` for, so that they do not all
    /// come at once.
    pub(super) fn release(&mut self, user: Option<&UserId>, room: usize) -> Vec<Waker> {
        let of_user = user.and_then(|user| self.by_user.remove(user)).unwrap_or_default();
        let mut woken: Vec<Waker> = of_user.into_values().collect();
        for _ in 0..room {
            let Some(socket) = self.order.pop_front() else { break };
            woken.extend(self.by_all.remove(&socket));
        }
        woken
    }

    /// Whether nobody waits for room at all.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::HeldBack;
    use crate::types::{SocketId, UserId};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_user_is_let_go_for_itself_and_others_as_there_is_room() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let socket = |n| SocketId::from_bytes([n; SocketId::BYTES]);
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let mut held = HeldBack::default();
        held.by_user(&ann, socket(1), &waker);
        held.by_user(&ann, socket(1), &waker);
        held.by_user(&bob, socket(2), &waker);
        for n in [3, 4, 5, 3] {
            held.by_all(socket(n), &waker);
        }

        let mut let_go = |user: Option<&UserId>, room| {
            let before = count.0.load(Ordering::Relaxed);
            held.release(user, room).into_iter().for_each(Waker::wake);
            count.0.load(Ordering::Relaxed) - before
        };

        assert_eq!(let_go(Some(&ann), 0), 1);
        assert_eq!(let_go(Some(&ann), 2), 2);
        assert_eq!(let_go(None, 2), 1, "five was left");
        assert_eq!(let_go(Some(&bob), 9), 1);
        assert!(held.is_empty());
    }
}
