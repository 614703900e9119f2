//! Who a client is.

use super::ConnectError;
use super::options::ConnectOptions;
use crate::auth::{AuthPayload, Authenticator, Credentials, Refusal, Resume, UserFlaw};
use crate::clock::Clock;
use crate::config::{Config, LimitsConfig};
use crate::connection::Connection;
use crate::core::protocol::loan::BadAuth;
use crate::types::{Grants, Identity, Namespace, Secret, WallMs};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Finds out who clients are, within bounds.
#[derive(Debug)]
pub struct Authentication {
    authenticator: Arc<Authenticator>,
    /// Takes and gives resume tokens, where there are any.
    resume: Option<Arc<Resume>>,
    /// Bytes that `auth` may have.
    auth_bytes: usize,
    rooms_per_socket: usize,
    /// There are namespaces that may share what is found out.
    is_shared: bool,
    clock: Clock,
}

impl Authentication {
    /// `config.limits` bounds `auth`, and the rooms that may be granted.
    pub fn new(
        authenticator: Arc<Authenticator>,
        resume: Option<Arc<Resume>>,
        config: &Config,
        clock: Clock,
    ) -> Self {
        let LimitsConfig { auth_bytes, rooms_per_socket, .. } = config.limits;
        let is_shared = 1 < config.socketio.namespaces.len();
        Self { authenticator, resume, auth_bytes, rooms_per_socket, is_shared, clock }
    }

    /// Who a client is, and what it wants besides being let in; `auth` is what it sent along, as JSON. All sockets of one
    /// connection are the same user's.
    pub(super) async fn identify(
        &self,
        connection: &Connection,
        namespace: &Namespace,
        auth: Option<&RawValue>,
    ) -> Result<(Identity, ConnectOptions), ConnectError> {
        let auth = self.read(auth)?;
        let identity = self.identity(connection, namespace, &auth).await?;
        Ok((identity, ConnectOptions::read(&auth)?))
    }

    /// Who a client is that is here already, by newer credentials; `auth` is like that of a CONNECT.
    pub(super) async fn identify_again(
        &self,
        connection: &Connection,
        namespace: &Namespace,
        auth: Option<&RawValue>,
    ) -> Result<Identity, ConnectError> {
        self.identity(connection, namespace, &self.read(auth)?).await
    }

    fn read<'a>(&self, auth: Option<&'a RawValue>) -> Result<AuthPayload<'a>, ConnectError> {
        BadAuth::check(auth.map_or("", RawValue::get), self.auth_bytes)?;
        Ok(AuthPayload::parse(auth)?)
    }

    async fn identity(
        &self,
        connection: &Connection,
        namespace: &Namespace,
        auth: &AuthPayload<'_>,
    ) -> Result<Identity, ConnectError> {
        let facts = connection.facts();
        let text = |secret: &Secret| str::from_utf8(secret.expose()).ok().map(str::to_owned);
        let authorization = facts.authorization.as_ref().and_then(text);
        let forwarded = facts.forwarded.as_ref();
        let query = forwarded.and_then(|it| text(&it.query)).unwrap_or_default();
        let credentials = Credentials {
            auth,
            authorization: authorization.as_deref(),
            headers: forwarded.map(|it| &*it.headers).unwrap_or_default(),
            query: &query,
            address: facts.address,
            namespace,
        };
        let identity = self.authenticate(connection, credentials).await?;
        if !connection.belongs_to(&identity.user) {
            return Err(ConnectError::OtherUser);
        }
        let (len, max) = (identity.grants.rooms.len(), self.rooms_per_socket);
        if max < len {
            return Err(ConnectError::TooManyRooms { len, max });
        }
        Ok(identity)
    }

    /// Credentials that another namespace of the connection has brought already are not looked into again.
    async fn authenticate(
        &self,
        connection: &Connection,
        credentials: Credentials<'_>,
    ) -> Result<Identity, ConnectError> {
        let now = self.clock.wall();
        if !self.is_shared {
            return Ok(self.find_out(credentials, now).await?);
        }
        let shared = connection.identity();
        let _turn = shared.turn().await;
        let fingerprint = self.authenticator.fingerprint(&credentials);
        if let Some(identity) = shared.get(&fingerprint, now) {
            return Ok(identity);
        }
        let identity = self.find_out(credentials, now).await?;
        shared.set(fingerprint, identity.clone());
        Ok(identity)
    }

    /// A resume token counts before all else; where it does not, the client may have brought credentials as well.
    async fn find_out(
        &self,
        credentials: Credentials<'_>,
        now: WallMs,
    ) -> Result<Identity, Refusal> {
        let Some(resume) = &self.resume else {
            return self.authenticator.authenticate(credentials, now).await;
        };
        let refusal = match credentials.auth.resume()? {
            None => None,
            Some(token) => match resume.authenticate(&token).await {
                Err(Refusal::Unavailable) => return Err(Refusal::Unavailable),
                Err(refusal) => Some(refusal),
                identity => return identity,
            },
        };
        let authenticated = self.authenticator.authenticate(credentials, now).await;
        match (authenticated, refusal) {
            (Ok(Identity { user, grants }), _) => {
                let grants = Grants { resume: Some(resume.begin()), ..grants };
                Ok(Identity { user, grants })
            }
            (
                Err(Refusal::TokenMissing | Refusal::UserInvalid(UserFlaw::Missing)),
                Some(refusal),
            ) => Err(refusal),
            (Err(other), _) => Err(other),
        }
    }
}
