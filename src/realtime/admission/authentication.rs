//! Who a client is.

use super::ConnectError;
use super::options::ConnectOptions;
use crate::auth::{AuthPayload, Authenticator, Credentials};
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::connection::Facts;
use crate::types::Identity;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Finds out who clients are, within bounds.
#[derive(Debug)]
pub struct Authentication {
    authenticator: Arc<Authenticator>,
    /// Bytes that `auth` may have.
    auth_bytes: usize,
    rooms_per_socket: usize,
    clock: Clock,
}

impl Authentication {
    /// `limits` bounds `auth`, and the rooms that may be granted.
    pub fn new(authenticator: Arc<Authenticator>, limits: LimitsConfig, clock: Clock) -> Self {
        let LimitsConfig { auth_bytes, rooms_per_socket, .. } = limits;
        Self { authenticator, auth_bytes, rooms_per_socket, clock }
    }

    /// Who a client is, and what it wants besides being let in; `auth` is what it sent along, as JSON.
    pub(super) async fn identify(
        &self,
        facts: &Facts,
        auth: Option<&RawValue>,
    ) -> Result<(Identity, ConnectOptions), ConnectError> {
        let (len, max) = (auth.map_or(0, |it| it.get().len()), self.auth_bytes);
        if max < len {
            return Err(ConnectError::AuthTooLarge { len, max });
        }
        let auth = AuthPayload::parse(auth)?;
        let authorization = facts.authorization.as_ref();
        let authorization = authorization.and_then(|it| std::str::from_utf8(it.expose()).ok());
        let credentials = Credentials { auth: &auth, authorization };
        let identity = self.authenticator.authenticate(credentials, self.clock.wall()).await?;
        let (len, max) = (identity.grants.rooms.len(), self.rooms_per_socket);
        if max < len {
            return Err(ConnectError::TooManyRooms { len, max });
        }
        Ok((identity, ConnectOptions::read(&auth)?))
    }
}
