//! What is remembered for a while, within bounds: answers, messages, sockets that are gone.
//!
//! [`bounded`] is what forgets by key: the oldest first, beyond so many entries or bytes, or after so long. The
//! others say what is remembered in it, and what a question finds; [`recent`] has no keys, and is a queue.

pub mod bounded;
pub mod history;
pub mod idempotency;
pub mod message_status;
pub mod recent;
pub mod shared_texts;

/// Holds how large that is which each connection has, or each user: what all of a million have is a million times that.
#[cfg(test)]
pub(crate) fn assert_size<T>(bytes_max: usize) {
    let (name, size) = (std::any::type_name::<T>(), size_of::<T>());
    assert!(
        size <= bytes_max,
        "{name} has grown to {size} bytes, more than {bytes_max}. Nothing may cost a connection that does not use it: put \
         what few have, or have for a while, into an `Option<Box<_>>` beside their like. If all of them must have it, \
         raise the number and say in docs/capacity.md what an idle connection takes then: \
         `benches/compare/run --only idle --servers userline`."
    );
}
