//! The backend says whom a client may see, for a while; then it is asked again about those whom the client watches.

use super::Watching;
use crate::core::contacts::Reach;
use crate::core::permission::answer::PermissionAnswer;
use crate::core::permission::question::Wish;
use crate::core::watching::{PermitDue, PermitTerm};
use crate::realtime::client_messages::viewer;
use crate::realtime::permissions::{NotAnswered, Permissions};
use crate::registry::Socket;
use crate::types::{Timestamp, UserId};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// When the backend is asked again after it did not answer. Until an answer is there, or the old one ends, that one counts.
const ASK_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Users in one question.
const USERS_MAX: usize = 1000;

/// Whom the backend lets a client see; nobody, where it is not asked.
#[derive(Debug, Default)]
pub struct Permitted(Option<Answer>);

#[derive(Debug)]
struct Answer {
    /// The client's user, as the backend was asked.
    viewer: UserId,
    asked: Vec<UserId>,
    allowed: BTreeSet<UserId>,
    term: PermitTerm,
}

impl Answer {
    /// Nobody was asked about.
    fn nobody(viewer: UserId, (now, good_for): (Timestamp, Duration)) -> Self {
        let term = PermitTerm { ask_at: now + good_for / 2, until: now + good_for };
        Self { viewer, asked: Vec::new(), allowed: BTreeSet::new(), term }
    }

    /// The answer about more users; all are good for as long as each.
    fn add(&mut self, Self { viewer, asked, allowed, term }: Self) {
        let is_first = self.asked.is_empty();
        self.viewer = viewer;
        self.asked.extend(asked);
        self.allowed.extend(allowed);
        self.term = match term {
            PermitTerm { ask_at, until } if !is_first => PermitTerm {
                ask_at: ask_at.min(self.term.ask_at),
                until: until.min(self.term.until),
            },
            first => first,
        };
    }
}

impl Permitted {
    pub(super) fn has(&self, user: &UserId) -> bool {
        self.0.as_ref().is_some_and(|it| it.allowed.contains(user))
    }
}

impl Watching {
    /// Whether the backend has to be asked before a client is shown anybody.
    pub fn asks(&self) -> bool {
        self.permissions.is_some()
    }

    /// Asks the backend whom of `users` the client of `socket` may see, besides those whom it sees anyway, wherever they are: so
    /// whether it is asked tells nothing of them.
    pub async fn ask(&self, socket: &Socket, users: &[UserId]) -> Result<Permitted, NotAnswered> {
        let Some(permissions) = &self.permissions else { return Ok(Permitted::default()) };
        let asked = self.open(socket, users);
        if asked.is_empty() {
            return Ok(Permitted::default());
        }
        let answer = answer(permissions, socket, (asked, self.clock.now())).await?;
        Ok(Permitted(Some(answer)))
    }

    /// Whether the client of `socket` may watch `users` as well, as far as the bounds go.
    pub fn may_watch(&self, socket: &Socket, users: &[UserId]) -> Result<(), super::MayNotSee> {
        self.check()?;
        self.sockets.watched.book(|book| book.check(socket.id, users).map(drop))?;
        Ok(())
    }

    /// Keeps what the backend permits a watcher.
    pub(super) fn permit(&self, socket: &Socket, Permitted(answer): Permitted, is_again: bool) {
        let Some(Answer { viewer, asked, allowed, term }) = answer else { return };
        self.sockets.watched.book(|book| {
            book.permit((socket.id, &viewer), (&asked, allowed), term, is_again);
        });
    }

    /// Asks again whatever is due, and ends what was not answered in time.
    pub(super) async fn run_asking(&self) {
        let Some(permissions) = &self.permissions else { return };
        let watched = &self.sockets.watched;
        let (mut waiting, mut asking) = (VecDeque::new(), FuturesUnordered::new());
        loop {
            let now = self.clock.now();
            while let Some((socket, due)) = watched.book(|book| book.due(now)) {
                match due {
                    PermitDue::Ended => watched.note_permit(socket),
                    PermitDue::Ask => waiting.push_back(socket),
                }
            }
            while asking.len() < permissions.at_once_by_itself() {
                let Some(socket) = waiting.pop_front() else { break };
                asking.push(self.ask_again(permissions, socket));
            }
            let due_at = watched.book(|book| book.due_at());
            let due = async {
                match due_at {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = watched.due_has_changed() => {}
                Some(()) = asking.next() => {}
            }
        }
    }

    /// Asks the backend again whom a watcher may see of those whom it watches.
    async fn ask_again(&self, permissions: &Permissions, socket: Arc<Socket>) {
        let watched = &self.sockets.watched;
        let users = watched.book(|book| book.watched_by(socket.id));
        let now = self.clock.now();
        let mut all = Answer::nobody(socket.user().clone(), (now, permissions.good_for()));
        for some in self.open(&socket, &users).chunks(USERS_MAX) {
            let Ok(one) = answer(permissions, &socket, (some.to_vec(), now)).await else {
                let again = self.clock.now() + ASK_AFTER_FAILURE;
                return watched.book(|book| book.ask_at(socket.id, again));
            };
            all.add(one);
        }
        self.permit(&socket, Permitted(Some(all)), true);
        watched.note_permit(socket);
    }

    /// Those whom the client does not see wherever they are.
    fn open(&self, socket: &Socket, users: &[UserId]) -> Vec<UserId> {
        let (rooms, grants) = (socket.granted_rooms(), socket.grants());
        let reach = Reach::new(&self.config.shown_to, viewer(socket, &rooms, &grants));
        let users: BTreeSet<&UserId> = users.iter().filter(|it| !reach.has_always(it)).collect();
        users.into_iter().cloned().collect()
    }
}

async fn answer(
    permissions: &Permissions,
    socket: &Socket,
    (asked, now): (Vec<UserId>, Timestamp),
) -> Result<Answer, NotAnswered> {
    let viewer = socket.user().clone();
    let PermissionAnswer { allowed, good_for } = permissions.ask(socket, Wish::See(&asked)).await?;
    let good_for = good_for.unwrap_or_else(|| permissions.good_for());
    let Answer { term, .. } = Answer::nobody(viewer.clone(), (now, good_for));
    Ok(Answer { viewer, allowed: allowed.of(&asked), asked, term })
}
