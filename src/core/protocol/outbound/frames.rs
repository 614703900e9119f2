//! What is pending, in order.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes in order. Nearly always there is none or one, so that one needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Frames {
    first: Option<Bytes>,
    /// Those behind the first; empty if there is no first.
    rest: VecDeque<Bytes>,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn only(&self) -> Option<&Bytes> {
        self.first.as_ref().filter(|_| self.rest.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.rest)
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Bytes> {
        self.first.as_mut()
    }

    pub(super) fn push_back(&mut self, bytes: Bytes) {
        if self.first.is_none() {
            self.first = Some(bytes);
        } else {
            self.rest.push_back(bytes);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        let first = self.first.take();
        if self.rest.capacity() != 0 {
            self.first = self.rest.pop_front();
            if self.first.is_none() {
                self.rest = VecDeque::new(); // gives the memory back: thousands of idle connections have none
            }
        }
        first
    }
}
