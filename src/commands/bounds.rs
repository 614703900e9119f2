//! The bounds of commands that their schemas tell as well.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Emits in one batch.
pub const EMITS_MAX: usize = 1000;
/// Longest reason that a client is told, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;
/// How long acks may be waited for.
pub const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);
/// How long a user may be blocked, if not until the block is lifted.
pub const BLOCK_FOR: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(3650 * 24);
