//! For how many sockets of other nodes an emit was: noted when these have said so, whether anybody waits for that or not.

use super::UserEmitted;
use crate::cluster::Note;
use crate::core::cluster::bus::words::{EmitCounts, NodeAnswer};
use std::sync::{Arc, OnceLock};

/// For how many sockets of other nodes an emit was, once that is known. Clones share it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherCounts(Option<Arc<OnceLock<EmitCounts>>>);

impl OtherCounts {
    /// Other nodes are asked, and say so by the note.
    pub(super) fn asked() -> (Self, Note) {
        let counts: Arc<OnceLock<EmitCounts>> = Arc::default();
        let noted = Arc::clone(&counts);
        let note = move |answers: &[NodeAnswer]| {
            let mut all = EmitCounts::default();
            for answer in answers {
                add(&mut all, answer);
            }
            // Each question ends once.
            drop(noted.set(all));
        };
        (Self(Some(counts)), Box::new(note))
    }

    /// With these of this node: sockets that it was for, and sockets whose connection took it.
    pub fn with(&self, matched: usize, sent: usize) -> (usize, usize) {
        let (others, took) = self.known().map_or((0, 0), |it| (it.matched, it.sent));
        (matched + others, sent + took)
    }

    /// The same for the user who was named at this place.
    pub(super) fn with_user(&self, at: usize, mut here: UserEmitted) -> UserEmitted {
        if let Some(other) = self.known().and_then(|it| it.users.get(at)) {
            here.add(*other);
        }
        here
    }

    fn known(&self) -> Option<&EmitCounts> {
        self.0.as_ref()?.get()
    }
}

fn add(all: &mut EmitCounts, answer: &NodeAnswer) {
    // A node that failed says so in its log.
    let NodeAnswer::Emitted(EmitCounts { matched, sent, users, .. }) = answer else { return };
    all.matched += matched;
    all.sent += sent;
    if all.users.is_empty() {
        all.users.clone_from(users);
    } else {
        for (user, other) in all.users.iter_mut().zip(users) {
            user.add(*other);
        }
    }
}
