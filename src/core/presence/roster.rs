//! Which sockets of one user are on this node, and which of their comings and goings matter to others.

use crate::types::SocketId;
use smallvec::SmallVec;

/// The sockets of one user, in the order they came. `S` is whatever the shell wants to find beside each id.
#[derive(Debug)]
pub struct Roster<S> {
    /// A user rarely has more than two.
    sockets: SmallVec<[(SocketId, S); 1]>,
}

/// What the arrival of a socket means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The user had none here.
    First,
    /// The user has others here.
    Another,
    /// This one is here already: a repeat, nothing changed.
    Known,
}

/// What the departure of a socket means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It was not here: a repeat or a latecomer, nothing changed.
    Unknown,
    /// Others remain.
    Others,
    /// It was the last one here.
    Last,
}

impl<S> Default for Roster<S> {
    fn default() -> Self {
        Self { sockets: SmallVec::new() }
    }
}

impl<S> Roster<S> {
    /// A socket came.
    pub fn add(&mut self, id: SocketId, socket: S) -> Added {
        if self.sockets.iter().any(|(it, _)| *it == id) {
            return Added::Known;
        }
        self.sockets.push((id, socket));
        if self.sockets.len() == 1 { Added::First } else { Added::Another }
    }

    /// A socket is gone.
    pub fn remove(&mut self, id: SocketId) -> Removed {
        let Some(index) = self.sockets.iter().position(|(it, _)| *it == id) else {
            return Removed::Unknown;
        };
        drop(self.sockets.remove(index));
        if self.sockets.is_empty() { Removed::Last } else { Removed::Others }
    }

    /// Keeps those of which `is_kept` says so; returns whether there is any.
    pub fn retain(&mut self, is_kept: impl Fn(&S) -> bool) -> bool {
        self.sockets.retain(|(_, socket)| is_kept(socket));
        !self.sockets.is_empty()
    }

    /// The socket of this id.
    pub fn get(&self, id: SocketId) -> Option<&S> {
        self.sockets.iter().find(|(it, _)| *it == id).map(|(_, socket)| socket)
    }

    /// The sockets in the order they came.
    pub fn sockets(&self) -> impl Iterator<Item = &S> {
        self.sockets.iter().map(|(_, socket)| socket)
    }
}

#[cfg(test)]
mod tests;
