//! Whether clients may open connections while the backend is down that says who they are.

use http::header::HeaderName;
use std::sync::Arc;

/// What a backend needs that says who clients are.
#[derive(Debug, Clone)]
pub struct ForBackend {
    /// Headers of handshakes that are kept for it.
    pub(super) headers: Vec<HeaderName>,
    pub(super) gate: HandshakeGate,
}

/// Says whether one more client may open a connection now.
#[derive(Clone)]
pub struct HandshakeGate(Arc<dyn Fn() -> bool + Send + Sync>);

impl HandshakeGate {
    /// Asks `admits`, once for each handshake.
    pub fn new(admits: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(admits))
    }

    /// Asks for one handshake.
    pub(super) fn admits(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for HandshakeGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandshakeGate").finish_non_exhaustive()
    }
}
