//! Why clients cannot be authenticated at all.

use super::hook::AuthHookError;
use super::key::KeyError;
use crate::backend::HttpClientError;
use thiserror::Error;

/// What of `[auth]` cannot be used.
#[derive(Debug, Error)]
pub enum AuthError {
    /// A key of the configuration.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
    /// The backend cannot be asked.
    #[error(transparent)]
    Hook(#[from] AuthHookError),
}
