//! What was sent and what came of it.

/// What was sent and what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EventCounts {
    /// Events published, requests made or connections begun while it was measured.
    pub(crate) sent: u64,
    /// Events received, acks received or connections made while it was measured.
    pub(crate) delivered: u64,
    /// Expected and never received, warm-up included; so are the four below.
    pub(crate) lost: u64,
    /// Received again.
    pub(crate) duplicates: u64,
    /// Received after one that was sent later.
    pub(crate) reordered: u64,
    /// Received by somebody else.
    pub(crate) misdirected: u64,
    /// Publishing was answered with something else than success.
    pub(crate) failed: u64,
}
