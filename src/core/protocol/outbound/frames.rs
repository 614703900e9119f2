//! What is pending, in order.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes in order. Nearly always there is none or one, so that one needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Frames {
    first: Option<Bytes>,
    /// Those behind the first; none if there is no first.
    rest: Option<Box<FurtherFrames>>,
}

/// More than one: of thousands of idle connections none has them.
#[derive(Debug, Default)]
struct FurtherFrames(VecDeque<Bytes>);

impl FurtherFrames {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.capacity() * size_of::<Bytes>()
    }
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn only(&self) -> Option<&Bytes> {
        self.first.as_ref().filter(|_| self.rest.is_none())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(self.rest.iter().flat_map(|it| &it.0))
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Bytes> {
        self.first.as_mut()
    }

    /// Bytes of memory for those behind the first.
    pub(super) fn overhead(&self) -> usize {
        self.rest.as_ref().map_or(0, |it| it.bytes())
    }

    /// Returns the bytes of memory that it takes more.
    pub(super) fn push_back(&mut self, bytes: Bytes) -> usize {
        if self.first.is_none() {
            self.first = Some(bytes);
            return 0;
        }
        let before = self.overhead();
        self.rest.get_or_insert_default().0.push_back(bytes);
        self.overhead() - before
    }

    /// Returns the bytes of memory that it takes less.
    pub(super) fn pop_front(&mut self) -> usize {
        self.first = None;
        let Some(rest) = &mut self.rest else { return 0 };
        self.first = rest.0.pop_front();
        if !rest.0.is_empty() {
            return 0;
        }
        let freed = rest.bytes();
        self.rest = None;
        freed
    }
}
