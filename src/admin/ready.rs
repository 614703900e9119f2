//! Whether the server takes clients: asked by load balancers, at each `/readyz`.

use std::fmt;
use std::sync::Arc;

/// Says whether the server takes clients, or why not. Asked at each `/readyz`, so it must be cheap.
#[derive(Clone)]
pub struct Ready(Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

impl Ready {
    /// Asks `check`; its error is shown to whoever asks, so it must hold no secret.
    pub fn new(check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Whether the server takes clients now; the error says why it does not.
    pub fn check(&self) -> Result<(), String> {
        (self.0)()
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
