//! Whether clients may open connections while the backend is down that says who they are.

use super::Connection;
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
pub struct HandshakeGate(Arc<dyn Fn(bool) -> HandshakeAnswer + Send + Sync>);

/// Whether a client may open a connection.
#[derive(Debug)]
pub enum HandshakeAnswer {
    /// It may.
    Free,
    /// It may, and who admits it waits to hear whether it is let in.
    OnTrial(Trial),
    /// Not now.
    Refused,
}

/// Tells once whether a client was let in: that it was not, if this is dropped.
pub struct Trial(Option<Box<dyn FnOnce(bool) + Send>>);

impl Trial {
    /// `tell` is told.
    pub fn new(tell: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }

    /// It was let in, or was not.
    fn end(mut self, is_let_in: bool) {
        if let Some(tell) = self.0.take() {
            tell(is_let_in);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(false);
        }
    }
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}

impl HandshakeGate {
    /// Asks `admits`, once for each handshake, with whether the client says that it has a resume token.
    pub fn new(admits: impl Fn(bool) -> HandshakeAnswer + Send + Sync + 'static) -> Self {
        Self(Arc::new(admits))
    }

    /// Asks for one handshake.
    pub(super) fn admits(&self, says_token: bool) -> HandshakeAnswer {
        (self.0)(says_token)
    }
}

impl Connection {
    /// Its client was let in, or was not. Returns whether it was admitted on trial, and had not been told so before.
    pub fn end_trial(&self, is_let_in: bool) -> bool {
        let forwarded = self.facts().forwarded();
        let trial = forwarded.and_then(|it| it.trial.lock().take());
        trial.map(|it| it.end(is_let_in)).is_some()
    }
}

impl std::fmt::Debug for HandshakeGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandshakeGate").finish_non_exhaustive()
    }
}
