//! Whether the server takes clients: asked by load balancers, at each `/readyz`.

use std::fmt;
use std::sync::Arc;

/// Says whether the server takes clients, or why not. Asked at each `/readyz`, so it must be cheap.
#[derive(Clone)]
pub struct Ready {
    check: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    is_degraded: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Ready {
    /// Asks `check`; its error is shown to whoever asks, so it must hold no secret.
    pub fn new(check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { check: Arc::new(check), is_degraded: Arc::new(|| false) }
    }

    /// The same, and `is_degraded` says whether something that clients do not need is missing.
    #[must_use]
    pub fn or_degraded(self, is_degraded: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { is_degraded: Arc::new(is_degraded), ..self }
    }

    /// Whether the server takes clients now; the error says why it does not.
    pub fn check(&self) -> Result<(), String> {
        (self.check)()
    }

    /// Whether it takes them alone, without the other nodes of its cluster.
    pub fn is_degraded(&self) -> bool {
        (self.is_degraded)()
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
