//! Who a client is.

use super::ConnectError;
use super::options::ConnectOptions;
use crate::auth::{AuthPayload, Authenticator, Credentials, Refusal, Resume, UserFlaw};
use crate::clock::Clock;
use crate::config::{Config, GuestsConfig, LimitsConfig};
use crate::connection::{Connection, NotOwner};
use crate::core::auth::resume_families::ResumeFlaw;
use crate::core::protocol::loan::BadAuth;
use crate::entropy;
use crate::types::{Grants, Identity, Namespace, Secret, UserId};
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
    /// How clients without credentials are taken.
    guests: GuestsConfig,
    /// There are namespaces that may share what is found out.
    is_shared: bool,
    clock: Clock,
}

/// Whether a client is here already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coming {
    /// It wants to connect.
    New,
    /// It is here.
    Again,
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
        let guests = config.guests.clone();
        Self { authenticator, resume, auth_bytes, rooms_per_socket, guests, is_shared, clock }
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
        let identity = self.identity(connection, namespace, &auth, Coming::New).await?;
        connection.claim(&identity.user).map_err(|why| match why {
            NotOwner::Other => ConnectError::OtherUser,
            NotOwner::GuestLimit => Refusal::GuestLimit.into(),
        })?;
        Ok((identity, ConnectOptions::read(&auth)?))
    }

    /// Who a client is that is here already, by newer credentials; `auth` is like that of a CONNECT. Without any it is nobody.
    pub(super) async fn identify_again(
        &self,
        connection: &Connection,
        namespace: &Namespace,
        auth: Option<&RawValue>,
    ) -> Result<Identity, ConnectError> {
        self.identity(connection, namespace, &self.read(auth)?, Coming::Again).await
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
        coming: Coming,
    ) -> Result<Identity, ConnectError> {
        let facts = connection.facts();
        let text = |secret: &Secret| str::from_utf8(secret.expose()).ok().map(str::to_owned);
        let authorization = facts.authorization().and_then(text);
        let forwarded = facts.forwarded();
        let query = forwarded.and_then(|it| text(&it.query)).unwrap_or_default();
        let credentials = Credentials {
            auth,
            authorization: authorization.as_deref(),
            headers: forwarded.map(|it| &*it.headers).unwrap_or_default(),
            query: &query,
            address: facts.address,
            namespace,
        };
        let identity = self.authenticate(connection, credentials, coming).await?;
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
        coming: Coming,
    ) -> Result<Identity, ConnectError> {
        if !self.is_shared {
            return Ok(self.find_out(connection, credentials, coming).await?);
        }
        let shared = connection.identity();
        let _turn = shared.turn().await;
        let fingerprint = self.authenticator.fingerprint(&credentials);
        if let Some(identity) = shared.get(&fingerprint, self.clock.wall()) {
            return Ok(identity);
        }
        let identity = self.find_out(connection, credentials, coming).await?;
        shared.set(fingerprint, identity.clone());
        Ok(identity)
    }

    /// A user's resume token counts before all else; where it does not, the client may have brought credentials as well. A guest's
    /// counts behind these: whoever has become a user meanwhile is one.
    async fn find_out(
        &self,
        connection: &Connection,
        credentials: Credentials<'_>,
        coming: Coming,
    ) -> Result<Identity, Refusal> {
        let Some(resume) = &self.resume else {
            return self.authenticator.authenticate(credentials, self.clock.wall()).await;
        };
        let token = credentials.auth.resume()?;
        let (users, guests) = match token {
            Some(token) if resume.is_of_guest(&token) => (None, Some(token)),
            token => (token, None),
        };
        let mut refusal = None;
        if let Some(token) = users {
            // Boxed: those who bring none need not have the room that this takes.
            match Box::pin(resume.authenticate(&token)).await {
                Err(Refusal::Unavailable) => return Err(Refusal::Unavailable),
                Err(refused) => refusal = Some(refused),
                identity => return identity,
            }
        }
        let nobody = match self.authenticate_user(credentials).await {
            Ok(Identity { user, grants }) => {
                let grants = Grants { resume: Some(Box::new(resume.begin())), ..grants };
                return Ok(Identity { user, grants });
            }
            Err(nobody) if is_nobody(&nobody) => nobody,
            Err(other) => return Err(other),
        };
        if let Some(token) = guests {
            if !self.guests.is_on {
                return Err(Refusal::ResumeRefused(ResumeFlaw::Revoked));
            }
            let Identity { user, grants } = Box::pin(resume.authenticate(&token)).await?;
            return Ok(Identity { user, grants: self.granted_to_guest(grants) });
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if !self.guests.is_on || coming == Coming::Again {
            return Err(nobody);
        }
        let user = connection.guest().unwrap_or_else(|| UserId::guest(entropy::bytes()));
        let (issued_at, ticket) = (Some(self.clock.wall()), Some(Box::new(resume.begin())));
        let grants = Grants { issued_at, resume: ticket, ..Grants::default() };
        Ok(Identity { user, grants: self.granted_to_guest(grants) })
    }

    /// Where there are guests, the backend is not asked about those who have brought nothing.
    async fn authenticate_user(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        if self.guests.is_on && !self.authenticator.is_told_by(&credentials) {
            return Err(Refusal::TokenMissing);
        }
        self.authenticator.authenticate(credentials, self.clock.wall()).await
    }

    fn granted_to_guest(&self, grants: Grants) -> Grants {
        Grants { rooms: Arc::clone(&self.guests.rooms), ..grants }
    }
}

/// Whether a client has brought nothing that says who it is.
fn is_nobody(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::TokenMissing | Refusal::Anonymous | Refusal::UserInvalid(UserFlaw::Missing)
    )
}
