//! What each connection has.

use crate::connection::Connection;
use crate::connection::incoming::Incoming;
use crate::core::memory::assert_size;

/// The allocator has a size for 448 bytes, of which the two counters of an `Arc` take 16.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_connection_at_rest_is_small() {
    assert_size::<Connection>(432);
    assert_size::<Incoming>(64);
}
